#include <algorithm>
#include <iostream>

#include "app/command.hpp"
#include "app/terminal.hpp"
#include "client/lmdb_store.hpp"

namespace earshot::app {
namespace {

struct HistoryOptions {
  ConnectionOptions connection;
  std::uint64_t before = 0;
  std::uint32_t limit = 20;
};

void print(const Batch& batch, bool json) {
  for (const auto& range : batch.lost)
    print_line(json ? to_json(range).dump()
                    : "lost: messages " + std::to_string(range.first.value) + " to " +
                          std::to_string(range.last.value) + " (" + std::string(name_of(range.reason)) + ")");
  for (const auto& message : batch.messages) print_line(json ? to_json(message).dump() : to_line(message));
}

// One page after the other, from the newest back, then printed in order.
Result<std::vector<Batch>> read_back(client::Client& client, const HistoryOptions& options) {
  std::vector<Batch> pages;
  Sequence before(options.before);
  for (std::uint32_t left = options.limit; left > 0;) {
    auto page = client.history(before, std::min<std::uint32_t>(left, limits::kFetchMessagesMax)).get();
    if (!page) return fail(std::move(page.error()));
    const auto count = page->messages.size();
    if (count == 0 && page->lost.empty()) break;
    before = count > 0 ? page->messages.front().sequence : page->lost.front().first;
    if (!page->lost.empty()) before = std::min(before, page->lost.front().first);
    left -= static_cast<std::uint32_t>(std::min<std::size_t>(std::max<std::size_t>(count, 1), left));
    pages.insert(pages.begin(), std::move(*page));
    if (before.value <= 1) break;
  }
  return pages;
}

ExitCode run_history(const HistoryOptions& options) {
  client::Options client_options;
  client_options.receive = false;
  auto client = open_client(options.connection, std::move(client_options), {});
  if (!client) return complain(client.error());
  if (auto connected = (*client)->wait_connected(options.connection.timeout_ms()); !connected)
    return complain(ExitCode::kNotConnected, connected.error().to_string());
  auto pages = read_back(**client, options);
  (*client)->close();
  if (!pages) return complain(pages.error());
  for (const auto& page : *pages) print(page, options.connection.json);
  return ExitCode::kDone;
}

struct InboxOptions {
  std::string state;
  bool json = false;
  bool bodies = false;
};

ExitCode run_inbox(const InboxOptions& options) {
  auto store = client::LmdbStore::open(options.state);
  if (!store) return complain(store.error());
  client::Place after;
  for (;;) {
    auto page = (*store)->messages(after, 1024);
    if (!page) return complain(page.error());
    if (page->empty()) break;
    for (const auto& [epoch, message] : *page) {
      if (options.bodies) {
        std::cout << message.body << '\n';
      } else {
        std::cout << (options.json ? to_json(message).dump() : to_line(message)) << '\n';
      }
      after = client::Place{epoch, message.sequence};
    }
  }
  std::cout.flush();
  return std::cout ? ExitCode::kDone : complain(ExitCode::kFailed, "cannot write the output");
}

}  // namespace

void add_history_command(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<HistoryOptions>();
  auto* command = app.add_subcommand("history", "Show a user's newest messages, whatever was received or acked");
  add_connection_options(*command, options->connection, "earshot-history");
  command->add_option("--before", options->before, "only messages below this sequence (0: from the end)");
  command->add_option("--limit", options->limit, "how many at most")->capture_default_str();
  command->callback([options, &code] { code = run_history(*options); });
}

void add_inbox_command(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<InboxOptions>();
  auto* command = app.add_subcommand("inbox", "Show what a device has stored in its own database (no server needed)");
  command->add_option("--state", options->state, "directory of the device's database")
      ->required()
      ->check(CLI::ExistingDirectory);
  command->add_flag("--json", options->json, "one JSON object per line");
  command->add_flag("--bodies", options->bodies, "the bodies alone, one per line");
  command->callback([options, &code] { code = run_inbox(*options); });
}

}  // namespace earshot::app
