#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <unistd.h>

#include "app/command.hpp"
#include "app/signals.hpp"
#include "app/terminal.hpp"

namespace earshot::app {
namespace {

struct ListenOptions {
  ConnectionOptions connection;
  DeliveryMode mode = DeliveryMode::kOrdered;
  StartAt start_at = StartAt::kOldest;
  std::uint32_t window = limits::kWindowMessagesDefault;
  std::uint64_t count = 0;             // 0: until interrupted
  std::uint64_t until = 0;             // 0: no such end
  std::uint64_t crash_before_ack = 0;  // for demonstrations and tests
};

// A store that ends the process the hard way once a message is committed and before its ack is sent.
class CrashingStore final : public client::Store {
 public:
  CrashingStore(std::shared_ptr<client::Store> inner, Sequence crash_at)
      : inner_(std::move(inner)), crash_at_(crash_at) {}

  Result<client::StoredState> load() override { return inner_->load(); }
  void add(const client::OutboxHead& head, std::span<const client::OutboxMessage> messages,
           client::Done done) override {
    inner_->add(head, messages, std::move(done));
  }
  void remove(std::span<const client::Ticket> tickets, client::Done done) override {
    inner_->remove(tickets, std::move(done));
  }
  void welcome(const client::OutboxHead& outbox_head, const client::InboxHead& inbox_head,
               std::span<const client::OutboxMessage> changed, client::Done done) override {
    inner_->welcome(outbox_head, inbox_head, changed, std::move(done));
  }
  void receive(const client::InboxHead& head, std::span<const IncomingMessage> messages,
               std::span<const LostRange> lost, client::Done done) override {
    const bool crash = head.last_received >= crash_at_;
    inner_->receive(head, messages, lost, [crash, done = std::move(done)](Status status) {
      if (crash && status) ::kill(::getpid(), SIGKILL);
      done(std::move(status));
    });
  }

 private:
  std::shared_ptr<client::Store> inner_;
  Sequence crash_at_;
};

// What arrives, printed; and whether it is enough. Handlers run on the client's thread.
class Listener {
 public:
  explicit Listener(const ListenOptions& options)
      : options_(options), bar_("receiving", options.count, options.connection.quiet && !options.connection.json) {}

  // What comes beyond enough is left to the next listener: taken and not shown, it would be acked and gone.
  void offer(std::span<const IncomingMessage> messages, std::vector<client::Rejection>& rejections) {
    const std::lock_guard lock(mutex_);
    std::uint64_t received = received_;
    std::uint64_t last = last_;
    for (const auto& message : messages) {
      if (is_enough(received, last)) {
        rejections.push_back({message.sequence, kComesAgainMs});
        continue;
      }
      ++received;
      last = std::max(last, message.sequence.value);
    }
  }

  void take(std::span<const IncomingMessage> messages) {
    const std::lock_guard lock(mutex_);
    for (const auto& message : messages) {
      ++received_;
      last_ = std::max(last_, message.sequence.value);
      if (options_.connection.quiet) continue;
      print_line(options_.connection.json ? to_json(message).dump() : to_line(message));
    }
    bar_.update(received_);
    changed_.notify_all();
  }

  void take(std::span<const LostRange> lost) {
    const std::lock_guard lock(mutex_);
    for (const auto& range : lost) {
      last_ = std::max(last_, range.last.value);
      if (options_.connection.json) {
        print_line(to_json(range).dump());
      } else {
        std::fprintf(stderr, "earshot: lost: messages %llu to %llu (%s)\n",
                     static_cast<unsigned long long>(range.first.value),
                     static_cast<unsigned long long>(range.last.value), std::string(name_of(range.reason)).c_str());
      }
    }
    changed_.notify_all();
  }

  void take(const client::ConnectionChange& change) {
    using Kind = client::ConnectionChange::Kind;
    const std::lock_guard lock(mutex_);
    if (change.kind == Kind::kConnected) {
      last_ = std::max(last_, change.welcome->login.cursor.value);
    } else if (change.kind != Kind::kDisconnected) {
      ended_ = change.reason;
    } else if (!options_.connection.quiet) {
      complain(ExitCode::kNotConnected, change.address + ": " + change.reason.to_string() + ", trying again");
    }
    changed_.notify_all();
  }

  void interrupt() {
    const std::lock_guard lock(mutex_);
    interrupted_ = true;
    changed_.notify_all();
  }

  // Waits for the end; kDeadlineExceeded when `--count` or `--until` is not reached and nothing comes for so long.
  Status wait(std::uint64_t timeout_ms) {
    std::unique_lock lock(mutex_);
    const auto is_over = [&] { return is_enough() || ended_ || interrupted_; };
    if (options_.count == 0 && options_.until == 0) changed_.wait(lock, is_over);
    while (!is_over()) {
      const auto is_progress = [&, before = received_] { return is_over() || received_ > before; };
      if (!changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), is_progress))
        return fail(ErrorCode::kDeadlineExceeded, "timeout", std::to_string(received_) + " received so far");
    }
    if (ended_) return fail(*ended_);
    return {};
  }

  std::uint64_t received() {
    const std::lock_guard lock(mutex_);
    return received_;
  }

 private:
  static constexpr std::uint32_t kComesAgainMs = 1'000;

  [[nodiscard]] bool is_enough() const { return is_enough(received_, last_); }
  [[nodiscard]] bool is_enough(std::uint64_t received, std::uint64_t last) const {
    return (options_.count > 0 && received >= options_.count) || (options_.until > 0 && last >= options_.until);
  }

  const ListenOptions& options_;
  std::mutex mutex_;
  std::condition_variable changed_;
  ProgressBar bar_;
  std::uint64_t received_ = 0;
  std::uint64_t last_ = 0;
  std::optional<Error> ended_;
  bool interrupted_ = false;
};

ExitCode run_listen(const ListenOptions& options) {
  Listener listener(options);
  client::Options client_options;
  client_options.mode = options.mode;
  client_options.start_at = options.start_at;
  // What is beyond the count is better not delivered at all than rejected, which would bring it nearer to being parked.
  client_options.window_messages = options.window;
  if (options.count > 0 && options.count < options.window)
    client_options.window_messages = static_cast<std::uint32_t>(options.count);
  client::Handlers handlers;
  handlers.on_offer = [&listener](std::span<const IncomingMessage> messages,
                                  std::vector<client::Rejection>& rejections) { listener.offer(messages, rejections); };
  handlers.on_messages = [&](std::span<const IncomingMessage> messages) { listener.take(messages); };
  handlers.on_lost = [&](std::span<const LostRange> lost) { listener.take(lost); };
  handlers.on_state = [&](const client::ConnectionChange& change) { listener.take(change); };
  WrapStore wrap;
  if (options.crash_before_ack > 0) {
    wrap = [&](std::shared_ptr<client::Store> store) {
      return std::make_shared<CrashingStore>(std::move(store), Sequence(options.crash_before_ack));
    };
  }
  const SignalWatch interrupted([&] { listener.interrupt(); });
  auto client = open_client(options.connection, std::move(client_options), std::move(handlers), wrap);
  if (!client) return complain(client.error());
  const auto status = listener.wait(options.connection.timeout_ms());
  (*client)->close();
  if (options.connection.json) {
    const auto stats = (*client)->stats();
    std::uint64_t refetches = 0;
    for (const auto count : stats.fetches) refetches += count;
    print_line(nlohmann::ordered_json{{"summary", true},
                                      {"stored", listener.received()},
                                      {"repeats", stats.repeats_dropped},
                                      {"gaps", stats.gaps_repaired},
                                      {"refetches", refetches},
                                      {"lastReceived", stats.last_received.value},
                                      {"reconnects", stats.reconnects}}
                   .dump());
  }
  return status ? ExitCode::kDone : complain(status.error());
}

}  // namespace

void add_listen_command(CLI::App& app, ExitCode& code) {
  static const std::map<std::string, DeliveryMode> modes{{"ordered", DeliveryMode::kOrdered},
                                                         {"unordered", DeliveryMode::kUnordered},
                                                         {"sequence-only", DeliveryMode::kSequenceOnly}};
  static const std::map<std::string, StartAt> starts{{"oldest", StartAt::kOldest}, {"newest", StartAt::kNewest}};
  auto options = std::make_shared<ListenOptions>();
  auto* command = app.add_subcommand("listen", "Receive a user's messages, from this device's place in the mailbox on");
  add_connection_options(*command, options->connection, "earshot-listen");
  command->add_option("--mode", options->mode, "ordered, unordered or sequence-only")
      ->transform(CLI::CheckedTransformer(modes, CLI::ignore_case))
      ->default_str("ordered");
  command->add_option("--start-at", options->start_at, "where a new device begins: oldest or newest")
      ->transform(CLI::CheckedTransformer(starts, CLI::ignore_case))
      ->default_str("oldest");
  command->add_option("--window", options->window, "messages that may be unacked at once")
      ->capture_default_str()
      ->check(CLI::Range(1u, limits::kWindowMessagesMax));
  command->add_option("--count", options->count, "end after so many messages");
  command->add_option("--until", options->until, "end once this device has everything up to this sequence");
  command->add_option("--crash-before-ack", options->crash_before_ack,
                      "die (SIGKILL) after storing this sequence and before acking it: for demonstrations");
  command->callback([options, &code] { code = run_listen(*options); });
}

}  // namespace earshot::app
