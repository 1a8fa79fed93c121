#include "resp/replies.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace earshot::resp {
namespace {

constexpr std::string_view kEnd = "\r\n";
constexpr std::uint64_t kSecondsOfDay = 86'400;

// One section of INFO: a head, and lines "name:value".
class Section {
 public:
  explicit Section(std::string_view title) : text_("# " + std::string(title)) { text_ += kEnd; }

  Section&& line(std::string_view name, std::string_view value) && {
    ((text_ += name) += ':') += value;
    text_ += kEnd;
    return std::move(*this);
  }
  Section&& line(std::string_view name, std::uint64_t value) && {
    return std::move(*this).line(name, std::to_string(value));
  }
  [[nodiscard]] std::string text() && { return std::move(text_); }

 private:
  std::string text_;
};

// "1.50M"
std::string human(std::uint64_t bytes) {
  constexpr std::string_view kUnits = "BKMGTPE";
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 1024; value /= 1024) ++unit;
  std::array<char, 32> text{};
  const int size = std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f" : "%.2f", value);
  return std::string(text.data(), static_cast<std::size_t>(size)) + kUnits[unit];
}

std::string server(const InfoFacts& facts) {
  return Section("Server")
      .line("redis_version", kRedisVersion)
      .line("earshot_version", facts.version)
      .line("redis_mode", "standalone")
      .line("tcp_port", facts.port)
      .line("uptime_in_seconds", facts.uptime_s)
      .line("uptime_in_days", facts.uptime_s / kSecondsOfDay)
      .text();
}

std::string clients(const InfoFacts& facts) {
  return Section("Clients").line("connected_clients", facts.connections).text();
}

std::string memory(const InfoFacts& facts) {
  return Section("Memory")
      .line("used_memory", facts.memory_bytes)
      .line("used_memory_human", human(facts.memory_bytes))
      .text();
}

std::string stats(const InfoFacts& facts) {
  return Section("Stats").line("total_commands_processed", facts.commands_total).text();
}

std::string keyspace(const InfoFacts& facts) {
  Section section("Keyspace");
  if (facts.keys == 0) return std::move(section).text();  // Redis leaves out a database without keys
  return std::move(section).line("db0", "keys=" + std::to_string(facts.keys) + ",expires=0,avg_ttl=0").text();
}

struct NamedSection {
  std::string_view name;
  std::string (*text)(const InfoFacts& facts);
};
constexpr NamedSection kSections[] = {
    {"server", server}, {"clients", clients}, {"memory", memory}, {"stats", stats}, {"keyspace", keyspace},
};

bool is_wanted(std::string_view section, std::span<const std::string> sections) {
  return sections.empty() || std::ranges::any_of(sections, [&](const std::string& one) {
           return one == section || one == "default" || one == "all" || one == "everything";
         });
}

}  // namespace

void write_hello(ReplyWriter& to, std::uint64_t connection) {
  to.map(7);
  to.bulk("server"), to.bulk("redis");
  to.bulk("version"), to.bulk(kRedisVersion);
  to.bulk("proto"), to.integer(to.is_resp3() ? 3 : 2);
  to.bulk("id"), to.integer(static_cast<std::int64_t>(connection));
  to.bulk("mode"), to.bulk("standalone");
  to.bulk("role"), to.bulk("master");
  to.bulk("modules"), to.array(0);
}

void write_client_info(ReplyWriter& to, const ClientFacts& facts) {
  to.verbatim("id=" + std::to_string(facts.connection) + " addr=" + facts.address + " laddr=" + facts.local_address +
              " name=" + facts.name + " age=" + std::to_string(facts.age_s) + " idle=" + std::to_string(facts.idle_s) +
              " flags=N db=0 sub=0 psub=0 ssub=0 multi=-1 user=" + facts.user +
              " redir=-1 resp=" + (to.is_resp3() ? "3" : "2") + "\n");
}

void write_info(ReplyWriter& to, std::span<const std::string> sections, const InfoFacts& facts) {
  std::string text;
  for (const NamedSection& section : kSections) {
    if (!is_wanted(section.name, sections)) continue;
    if (!text.empty()) text += kEnd;
    text += section.text(facts);
  }
  to.verbatim(text);
}

}  // namespace earshot::resp
