#include "app/load.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "base/random.hpp"
#include "client/client.hpp"
#include "client/memory_store.hpp"

namespace earshot::app {
namespace {

using Clock = std::chrono::steady_clock;

double micros(Clock::duration duration) { return std::chrono::duration<double, std::micro>(duration).count(); }

// Counts the answers of all senders and wakes whoever waits for the last.
class Tally {
 public:
  Tally(std::uint64_t expected, std::function<void(std::uint64_t)> progress)
      : expected_(expected), progress_(std::move(progress)) {}

  void take(std::uint64_t stored, std::uint64_t refused) {
    const std::lock_guard lock(mutex_);
    stored_ += stored, refused_ += refused;
    if (progress_) progress_(stored_ + refused_);
    if (stored_ + refused_ < expected_) return;
    end_ = Clock::now();
    done_.notify_all();
  }
  bool wait(std::uint64_t timeout_ms) {
    std::unique_lock lock(mutex_);
    return done_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return stored_ + refused_ >= expected_; });
  }
  // After wait() said true.
  [[nodiscard]] std::uint64_t stored() const { return stored_; }
  [[nodiscard]] std::uint64_t refused() const { return refused_; }
  [[nodiscard]] Clock::time_point end() const { return end_; }

 private:
  const std::uint64_t expected_;
  const std::function<void(std::uint64_t)> progress_;
  std::mutex mutex_;
  std::condition_variable done_;
  std::uint64_t stored_ = 0;
  std::uint64_t refused_ = 0;
  Clock::time_point end_;
};

// One connection in a closed loop: every answer is followed by the next message. begin() runs before the first answer,
// all else on the runtime's thread.
class Sender {
 public:
  Sender(const LoadOptions& options, std::uint64_t share, std::uint64_t seed, const std::vector<UserId>& recipients,
         const std::string& body, Tally& tally)
      : options_(options),
        share_(share),
        random_(seed),
        recipients_(recipients),
        body_(body),
        tally_(tally),
        sent_at_(share) {
    run_ = random_.next();
  }

  Result<std::unique_ptr<client::Client>> connect(std::uint32_t index,
                                                  const std::shared_ptr<client::Runtime>& runtime) {
    client::Options client_options;
    client_options.addresses = options_.servers;
    client_options.token = options_.name + "-" + std::to_string(index + 1);
    client_options.device = "load";
    client_options.agent = "earshot-bench";
    client_options.receive = false;
    client::Handlers handlers;
    handlers.on_sent = [this](std::span<const client::SendReport> reports) { take(reports); };
    return client::Client::open(std::move(client_options), std::make_shared<client::MemoryStore>(), std::move(handlers),
                                runtime);
  }

  Status begin(client::Client& client) {
    client_ = &client;
    return send(std::min<std::uint64_t>(options_.window, share_));
  }
  [[nodiscard]] std::vector<double>& latencies_us() { return latencies_us_; }

 private:
  Status send(std::uint64_t count) {
    while (count > 0) {
      const auto now = Clock::now();
      std::vector<client::Letter> letters(std::min<std::uint64_t>(count, limits::kBatchMessagesMax));
      for (auto& letter : letters) {
        letter.recipient = recipients_[random_.below(recipients_.size())];
        letter.body = body_;
        letter.options.id = MessageId{run_, sent_};
        sent_at_[sent_++] = now;
      }
      count -= letters.size();
      if (auto sent = client_->send(std::move(letters)); !sent) return fail(std::move(sent.error()));
    }
    return {};
  }

  void take(std::span<const client::SendReport> reports) {
    const auto now = Clock::now();
    std::uint64_t stored = 0;
    for (const auto& report : reports) {
      if (std::holds_alternative<Stored>(report.outcome)) ++stored;
      latencies_us_.push_back(micros(now - sent_at_[report.id.low]));
    }
    // A full outbox or a closed client ends the loop early; the deadline of the run tells.
    (void)send(std::min<std::uint64_t>(reports.size(), share_ - sent_));
    tally_.take(stored, reports.size() - stored);
  }

  const LoadOptions& options_;
  const std::uint64_t share_;
  Random random_;
  std::uint64_t run_ = 0;
  const std::vector<UserId>& recipients_;
  const std::string& body_;
  Tally& tally_;
  std::uint64_t sent_ = 0;
  std::vector<Clock::time_point> sent_at_;
  std::vector<double> latencies_us_;
  client::Client* client_ = nullptr;
};

std::vector<UserId> recipients_of(const LoadOptions& options) {
  std::vector<UserId> recipients;
  for (std::uint32_t i = 0; i < std::max(options.recipients, 1u); ++i)
    recipients.push_back(UserId::trusted(options.name + "-to-" + std::to_string(i + 1)));
  return recipients;
}

}  // namespace

double percentile(std::vector<double>& samples, double fraction) {
  if (samples.empty()) return 0;
  const auto rank = static_cast<std::size_t>(fraction * static_cast<double>(samples.size() - 1));
  std::nth_element(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(rank), samples.end());
  return samples[rank];
}

Result<LoadResult> run_load(const LoadOptions& options) {
  if (auto name = UserId::parse(options.name, "name"); !name) return fail(std::move(name.error()));
  auto runtime = client::Runtime::start();
  if (!runtime) return fail(std::move(runtime.error()));
  const auto recipients = recipients_of(options);
  const std::string body(options.body_bytes, 'x');
  Random random = Random::from_system();
  Tally tally(options.messages, options.progress);

  std::vector<std::unique_ptr<Sender>> senders;
  std::vector<std::unique_ptr<client::Client>> clients;  // closed before the senders go
  const std::uint32_t connections = std::max(options.connections, 1u);
  for (std::uint32_t i = 0; i < connections; ++i) {
    const std::uint64_t share = options.messages / connections + (i < options.messages % connections ? 1 : 0);
    senders.push_back(std::make_unique<Sender>(options, share, random.next(), recipients, body, tally));
    auto client = senders.back()->connect(i, *runtime);
    if (!client) return fail(std::move(client.error()));
    clients.push_back(std::move(*client));
  }
  for (const auto& client : clients)
    if (auto connected = client->wait_connected(options.timeout_ms); !connected)
      return fail(std::move(connected.error()));

  const auto begin = Clock::now();
  for (std::uint32_t i = 0; i < connections; ++i)
    if (auto begun = senders[i]->begin(*clients[i]); !begun) return fail(std::move(begun.error()));
  if (options.messages > 0 && !tally.wait(options.timeout_ms))
    return fail(ErrorCode::kDeadlineExceeded, "timeout", "not every message was answered in time");

  LoadResult result;
  std::vector<double> latencies_us;
  for (std::uint32_t i = 0; i < connections; ++i) {
    result.resent += clients[i]->stats().resent;
    clients[i]->close();
    latencies_us.insert(latencies_us.end(), senders[i]->latencies_us().begin(), senders[i]->latencies_us().end());
  }
  result.seconds = micros(tally.end() - begin) / 1e6;
  result.stored = tally.stored(), result.refused = tally.refused();
  result.p50_us = percentile(latencies_us, 0.50), result.p99_us = percentile(latencies_us, 0.99);
  return result;
}

}  // namespace earshot::app
