#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include "app/cluster_removal.hpp"
#include "app/cluster_text.hpp"
#include "app/cluster_view.hpp"
#include "app/command.hpp"
#include "app/terminal.hpp"
#include "client/ask_removal.hpp"
#include "client/ask_status.hpp"

namespace earshot::app {
namespace {

struct StatusOptions {
  ConnectionOptions connection;
  bool watch = false;
  double interval_s = 1;
};

struct RemoveOptions {
  ConnectionOptions connection;
  std::uint64_t node = 0;
};

constexpr double kRemoveTimeoutS = 30;          // an election and a commit have room in it
constexpr std::uint64_t kRemoveAskMs = 10'000;  // of it for one node
constexpr std::chrono::milliseconds kRemoveAgain{500};
constexpr double kNodeTimeoutS = 3;  // a node that says nothing for so long is not reached

// Asks the addresses, and then those of the nodes that nobody has answered for, until there are none left.
std::vector<AskedNode> ask_all(std::vector<std::string> addresses, const client::AskStatusOptions& options) {
  std::vector<AskedNode> asked;
  while (!addresses.empty()) {
    auto answers = client::ask_status(addresses, options);
    for (std::size_t i = 0; i < addresses.size(); ++i)
      asked.push_back({std::move(addresses[i]), std::move(answers[i])});
    addresses = still_to_ask(merge(asked), asked);
  }
  return asked;
}

// Of the nodes that are known now: so a watch goes on when the node that it was begun at dies.
void remember(const ClusterView& view, std::vector<std::string>& servers) {
  for (const ClusterView::Node& node : view.nodes) {
    const auto is_known = [&](const std::string& address) {
      return std::ranges::find(servers, address) != servers.end();
    };
    if (!node.addresses.empty() && std::ranges::none_of(node.addresses, is_known))
      servers.push_back(node.addresses.front());
  }
}

void show(const ClusterView& view, const StatusOptions& options) {
  if (options.connection.json) return print_line(to_json(view).dump());
  // One write, from the top of the screen: what is drawn again does not flicker.
  std::string text;
  if (options.watch && ::isatty(STDOUT_FILENO) == 1) text += "\x1b[H\x1b[J";
  for (const std::string& line : to_lines(view)) text += line + "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

// Nobody has told anything, and somebody knows who asks and says no: that stands for all.
std::optional<Error> refusal_in(const std::vector<AskedNode>& asked) {
  std::optional<Error> refusal;
  for (const AskedNode& one : asked) {
    if (one.status) return std::nullopt;
    const ErrorCode code = one.status.error().code;
    if (code == ErrorCode::kUnauthenticated || code == ErrorCode::kPermissionDenied) refusal = one.status.error();
  }
  return refusal;
}

ExitCode run_status(const StatusOptions& options) {
  auto servers = options.connection.servers;
  std::ranges::sort(servers);
  servers.erase(std::unique(servers.begin(), servers.end()), servers.end());
  for (;;) {
    auto token = token_of(options.connection);
    if (!token) return complain(token.error());
    const auto asked =
        ask_all(servers, {std::move(*token), tls_of(options.connection), options.connection.timeout_ms()});
    if (const auto refusal = refusal_in(asked)) return complain(*refusal);
    const ClusterView view = merge(asked);
    show(view, options);
    if (!options.watch) return view.is_known() ? ExitCode::kDone : ExitCode::kNotConnected;
    remember(view, servers);
    std::this_thread::sleep_for(std::chrono::duration<double>(options.interval_s));
  }
}

void show(const NodeRemoved& removed, const RemoveOptions& options) {
  if (options.connection.json)
    return print_line(
        nlohmann::ordered_json{{"node", options.node}, {"removed", true}, {"wasBefore", removed.was_before}}.dump());
  if (options.connection.quiet) return;
  const std::string name = "node " + std::to_string(options.node);
  print_line(removed.was_before ? name + " was removed from the cluster already"
                                : name + " is removed from the cluster: others take its replicas over");
}

// Again and again, since the one that leads may just have died.
ExitCode run_remove(const RemoveOptions& options) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + std::chrono::milliseconds(options.connection.timeout_ms());
  const auto left_ms = [deadline] {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    return static_cast<std::uint64_t>(std::max<std::int64_t>(left, 0));
  };
  auto token = token_of(options.connection);
  if (!token) return complain(token.error());
  client::AskRemovalOptions asking{std::move(*token), tls_of(options.connection), 0};
  for (;;) {
    auto removed = find_who_removes(options.connection.servers, [&](const std::string& address) {
      asking.timeout_ms = std::clamp<std::uint64_t>(left_ms(), 1, kRemoveAskMs);
      return client::ask_removal(address, NodeId(options.node), asking);
    });
    if (removed) return show(*removed, options), ExitCode::kDone;
    if (!may_be_asked_again(removed.error()) || left_ms() == 0) return complain(removed.error());
    std::this_thread::sleep_for(kRemoveAgain);
  }
}

void add_remove_command(CLI::App& cluster, ExitCode& code) {
  auto options = std::make_shared<RemoveOptions>();
  options->connection.timeout_s = kRemoveTimeoutS;
  CLI::App* remove =
      cluster.add_subcommand("remove", "Take a node that is gone for good out of the cluster, for ever: stop it first");
  add_connection_options(*remove, options->connection, "earshot-remove");
  remove->add_option("--node", options->node, "its id, as status shows it")
      ->required()
      ->check(CLI::Range(std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()));
  remove->callback([options, &code] { code = run_remove(*options); });
}

}  // namespace

void add_cluster_command(CLI::App& app, ExitCode& code) {
  CLI::App* cluster = app.add_subcommand("cluster", "Look after a cluster");
  cluster->require_subcommand(1);
  auto options = std::make_shared<StatusOptions>();
  options->connection.timeout_s = kNodeTimeoutS;
  CLI::App* status = cluster->add_subcommand(
      "status", "Show nodes, shards, leaders and lag, as all nodes that can be reached know them");
  add_connection_options(*status, options->connection, "earshot-status");
  status->add_flag("--watch", options->watch, "again and again, until interrupted");
  status->add_option("--interval", options->interval_s, "so many seconds between them")
      ->capture_default_str()
      ->check(CLI::Range(0.2, 3600.0));
  status->callback([options, &code] { code = run_status(*options); });
  add_remove_command(*cluster, code);
}

}  // namespace earshot::app
