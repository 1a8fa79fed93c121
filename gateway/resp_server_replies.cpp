#include "gateway/resp_server_replies.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <string_view>
#include <utility>

#include <unistd.h>

#include "base/error.hpp"
#include "resp/glob.hpp"

namespace earshot::gateway {
namespace {

// What tools for Redis look at before they begin: how its data reach the disk.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kConfig{{
    {"appendfsync", "always"},
    {"appendonly", "yes"},
    {"save", ""},
}};

struct Write {
  const resp::ClientFacts& client;
  resp::ReplyWriter& to;

  void operator()(const resp::Ping& ping) { ping.text ? to.bulk(*ping.text) : to.simple("PONG"); }
  void operator()(const resp::Echo& echo) { to.bulk(echo.text); }
  void operator()(const resp::Ok&) { to.simple("OK"); }
  void operator()(const resp::ClientSetName&) { to.simple("OK"); }
  void operator()(const resp::Quit&) { to.simple("OK"); }
  void operator()(const resp::Reset&) { to.simple("RESET"); }
  void operator()(const resp::ClientId&) { to.integer(static_cast<std::int64_t>(client.connection)); }
  void operator()(const resp::ClientGetName&) { client.name.empty() ? to.null() : to.bulk(client.name); }
  void operator()(const resp::ClientInfo&) { resp::write_client_info(to, client); }
  void operator()(const resp::CommandCount&) { resp::write_command_count(to); }
  void operator()(const resp::CommandList&) { resp::write_command_list(to); }
  void operator()(const resp::CommandInfo& info) { resp::write_command_info(to, info.names); }
  void operator()(const resp::CommandDocs& docs) { resp::write_command_docs(to, docs.names); }
  void operator()(const resp::ConfigGet& get) {
    std::array<bool, kConfig.size()> is_wanted{};
    for (const std::string& pattern : get.patterns) {
      const resp::Glob glob(pattern);
      for (std::size_t at = 0; at < kConfig.size(); ++at)
        is_wanted[at] = is_wanted[at] || glob.matches(kConfig[at].first);
    }
    to.map(static_cast<std::size_t>(std::ranges::count(is_wanted, true)));
    for (std::size_t at = 0; at < kConfig.size(); ++at) {
      if (!is_wanted[at]) continue;
      to.bulk(kConfig[at].first);
      to.bulk(kConfig[at].second);
    }
  }
  template <class Other>
  void operator()(const Other&) {
    invariant_broken("a command about the server is answered at once", __FILE__, __LINE__, "");
  }
};

}  // namespace

void write_server_reply(const resp::Command& command, const resp::ClientFacts& client, resp::ReplyWriter& to) {
  std::visit(Write{client, to}, command);
}

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total_pages = 0;
  std::uint64_t resident_pages = 0;
  statm >> total_pages >> resident_pages;
  return resident_pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace earshot::gateway
