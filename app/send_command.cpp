#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <mutex>
#include <optional>

#include "app/command.hpp"
#include "app/duration.hpp"
#include "app/terminal.hpp"

namespace earshot::app {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

struct SendCommandOptions {
  ConnectionOptions connection;
  std::string to;
  std::vector<std::string> messages;
  std::string lines;
  double rate = 0;  // messages per second; 0: as fast as they are answered
  std::uint32_t window = 4096;
  bool copy_to_self = false;
  std::string ttl;
  std::uint64_t ttl_ms = 0;
};

// Where the bodies come from: the arguments, the lines of a file, or the lines of standard input.
class Bodies {
 public:
  explicit Bodies(const SendCommandOptions& options) : messages_(options.messages) {
    if (!options.lines.empty() && options.lines != "-") {
      file_.open(options.lines, std::ios::binary);
      source_ = &file_;
    } else if (options.lines == "-" || messages_.empty()) {
      source_ = &std::cin;
    }
  }

  [[nodiscard]] bool is_open() const { return source_ != &file_ || file_.is_open(); }
  std::optional<std::string> next() {
    if (source_ == nullptr) return given_ < messages_.size() ? std::optional(messages_[given_++]) : std::nullopt;
    std::string line;
    if (!std::getline(*source_, line)) return std::nullopt;
    return line;
  }

 private:
  const std::vector<std::string>& messages_;
  std::size_t given_ = 0;
  std::ifstream file_;
  std::istream* source_ = nullptr;
};

// Counts answers and tells of progress. on_sent runs on the client's thread, the rest on the command's.
class Answers {
 public:
  Answers(bool json, bool quiet, std::uint64_t total)
      : json_(json), quiet_(quiet), bar_("sending", total, !json && !quiet) {}

  void take(std::span<const client::SendReport> reports) {
    const std::lock_guard lock(mutex_);
    for (const auto& report : reports) {
      if (std::holds_alternative<Stored>(report.outcome)) {
        ++stored_;
        last_ = {report.id, std::get<Stored>(report.outcome).sequence};
      } else if (const auto* error = std::get_if<Error>(&report.outcome)) {
        ++refused_;
        if (!first_refusal_) first_refusal_ = *error;
      } else {
        ++uncertain_;
      }
    }
    bar_.update(stored_ + refused_ + uncertain_);
    if (json_ && !quiet_) {
      const auto now = std::chrono::steady_clock::now();
      if (now - printed_ >= std::chrono::milliseconds(20)) {
        printed_ = now;
        print_line(nlohmann::ordered_json{{"stored", stored_}, {"refused", refused_}}.dump());
      }
    }
    changed_.notify_all();
  }

  // Waits until fewer than `window` of `given` messages are unanswered and it is time for the next. False when no
  // answer came for so long. An outbox with messages of earlier runs gives more answers than this run has questions.
  bool wait_for_turn(std::uint64_t given, std::uint32_t window, SteadyTime turn, std::uint64_t timeout_ms) {
    std::unique_lock lock(mutex_);
    while (given >= window + answered_so_far()) {
      const auto is_answer = [&, before = answered_so_far()] { return answered_so_far() > before; };
      if (!changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), is_answer)) return false;
    }
    while (std::chrono::steady_clock::now() < turn) changed_.wait_until(lock, turn);
    return true;
  }

  std::uint64_t stored() { return locked(stored_); }
  std::uint64_t refused() { return locked(refused_); }
  std::uint64_t uncertain() { return locked(uncertain_); }
  std::uint64_t answered() {
    const std::lock_guard lock(mutex_);
    return answered_so_far();
  }
  struct Place {
    MessageId id;
    Sequence sequence;
  };
  Place last_stored() {
    const std::lock_guard lock(mutex_);
    return last_;
  }
  std::optional<Error> first_refusal() {
    const std::lock_guard lock(mutex_);
    return first_refusal_;
  }

 private:
  std::uint64_t locked(const std::uint64_t& value) {
    const std::lock_guard lock(mutex_);
    return value;
  }
  [[nodiscard]] std::uint64_t answered_so_far() const { return stored_ + refused_ + uncertain_; }

  const bool json_;
  const bool quiet_;
  std::mutex mutex_;
  std::condition_variable changed_;
  ProgressBar bar_;
  SteadyTime printed_{};
  std::uint64_t stored_ = 0;
  std::uint64_t refused_ = 0;
  std::uint64_t uncertain_ = 0;
  Place last_;
  std::optional<Error> first_refusal_;
};

std::uint64_t count_lines(const std::string& path) {
  if (!std::filesystem::is_regular_file(path)) return 0;  // a pipe can be read once only
  std::ifstream file(path, std::ios::binary);
  std::uint64_t lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return lines;
}

// Puts every body into the outbox, at the rate asked for. The number given, or why it stopped.
Result<std::uint64_t> give(const SendCommandOptions& options, client::Client& client, Bodies& bodies, Answers& answers,
                           std::uint64_t timeout_ms) {
  auto recipient = UserId::parse(options.to, "to");
  if (!recipient) return fail(std::move(recipient.error()));
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t given = 0;
  while (auto body = bodies.next()) {
    auto turn = begin;
    if (options.rate > 0)
      turn += std::chrono::microseconds(static_cast<std::int64_t>(1e6 * static_cast<double>(given) / options.rate));
    if (!answers.wait_for_turn(given, options.window, turn, timeout_ms))
      return fail(ErrorCode::kDeadlineExceeded, "timeout", "the broker has not answered in time");
    client::SendOptions send_options;
    send_options.copy_to_self = options.copy_to_self;
    send_options.ttl_ms = options.ttl_ms;
    if (auto sent = client.send(*recipient, std::move(*body), send_options); !sent)
      return fail(std::move(sent.error()));
    ++given;
  }
  return given;
}

// Waits for the last answers as long as there are any.
Status flush(client::Client& client, Answers& answers, std::uint64_t timeout_ms) {
  for (;;) {
    const std::uint64_t before = answers.answered();
    auto flushed = client.flush(timeout_ms);
    if (flushed || answers.answered() == before) return flushed;
  }
}

ExitCode summarize(const SendCommandOptions& options, std::uint64_t given, Answers& answers,
                   const client::Stats& stats) {
  const bool is_one = given == 1 && answers.stored() == 1;  // one that can be named
  const Answers::Place last = answers.last_stored();
  if (options.connection.json) {
    nlohmann::ordered_json summary{{"summary", true},
                                   {"sent", given},
                                   {"stored", answers.stored()},
                                   {"refused", answers.refused()},
                                   {"uncertain", answers.uncertain()},
                                   {"unanswered", stats.outbox_messages},
                                   {"resent", stats.resent},
                                   {"repeats", stats.repeats_answered},
                                   {"reconnects", stats.reconnects}};
    if (is_one) summary["id"] = last.id.to_string(), summary["sequence"] = last.sequence.value;
    print_line(summary.dump());
  } else if (!options.connection.quiet) {
    const std::string count = std::to_string(answers.stored()) + (answers.stored() == 1 ? " message" : " messages");
    const std::string place = " as " + std::to_string(last.sequence.value) + ", id " + last.id.to_string();
    print_line(count + " stored for " + options.to + (is_one ? place : ""));
  }
  if (auto refusal = answers.first_refusal())
    return complain(ExitCode::kRefused,
                    std::to_string(answers.refused()) + " refused, the first for " + refusal->to_string());
  if (answers.uncertain() > 0)
    return complain(ExitCode::kFailed, std::to_string(answers.uncertain()) + " may or may not be stored");
  return ExitCode::kDone;
}

ExitCode run_send(SendCommandOptions& options) {
  if (!options.ttl.empty()) {
    auto ttl = parse_duration(options.ttl, "ttl");
    if (!ttl) return complain(ttl.error());
    options.ttl_ms = *ttl;
  }
  Bodies bodies(options);
  if (!bodies.is_open()) return complain(ExitCode::kUsage, "cannot read " + options.lines);
  Answers answers(options.connection.json, options.connection.quiet, count_lines(options.lines));
  client::Options client_options;
  client_options.receive = false;
  client_options.send_window_messages = options.window;
  client::Handlers handlers;
  handlers.on_sent = [&](std::span<const client::SendReport> reports) { answers.take(reports); };
  auto client = open_client(options.connection, std::move(client_options), std::move(handlers));
  if (!client) return complain(client.error());

  if (options.connection.state.empty()) {  // memory forgets at the end: do not take what cannot be handed over
    if (auto connected = (*client)->wait_connected(options.connection.timeout_ms()); !connected) {
      (*client)->close();
      return complain(ExitCode::kNotConnected, connected.error().to_string());
    }
  }
  auto given = give(options, **client, bodies, answers, options.connection.timeout_ms());
  const auto flushed = given ? flush(**client, answers, options.connection.timeout_ms()) : Status{};
  const auto stats = (*client)->stats();
  (*client)->close();
  if (!given) return complain(given.error());
  const auto code = summarize(options, *given, answers, stats);
  if (flushed || code != ExitCode::kDone) return code;
  return complain(
      exit_code_of(flushed.error()),
      std::to_string(stats.outbox_messages) + " not answered yet: " + flushed.error().to_string() +
          (options.connection.state.empty() ? "" : "; they stay in the outbox and go out with the next command"));
}

}  // namespace

void add_send_command(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<SendCommandOptions>();
  auto* command = app.add_subcommand("send", "Send messages and wait until the broker has stored them");
  add_connection_options(*command, options->connection, "earshot-send");
  command->add_option("--to", options->to, "the recipient")->required();
  command->add_option("message", options->messages, "one or more messages (none: one per line of standard input)");
  command->add_option("--lines", options->lines, "send every line of this file as a message (-: standard input)");
  command->add_option("--rate", options->rate, "messages per second at most (0: no limit)")
      ->check(CLI::NonNegativeNumber);
  command->add_option("--window", options->window, "messages that may wait for their answer at once")
      ->capture_default_str()
      ->check(CLI::Range(1u, static_cast<unsigned>(limits::kLaneWindowMax)));
  command->add_option("--ttl", options->ttl,
                      "the message ends so long after now (10m, 2h, 30d): expired, not delivered");
  command->add_flag("--copy-to-self", options->copy_to_self,
                    "also put a copy into your own mailbox, for your other devices");
  command->callback([options, &code] { code = run_send(*options); });
}

}  // namespace earshot::app
