#include "delivery_figures.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <thread>

#include <unistd.h>

#include "app/load.hpp"
#include "client/client.hpp"
#include "client/memory_store.hpp"
#include "memory.hpp"
#include "process_time.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/child_process.hpp"

namespace earshot::bench {
namespace {

using Clock = std::chrono::steady_clock;
using tests::NodeProcess;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  return std::move(*result);
}
void must(const Status& status) {
  if (!status) throw std::runtime_error(status.error().to_string());
}

// A node on a fresh directory, gone with the object.
class FreshNode {
 public:
  FreshNode(const std::string& directory, const std::string& name, std::vector<std::string> settings = {})
      : data_(directory + "/" + name), node_({data_, 0, std::move(settings)}) {}
  ~FreshNode() {
    if (node_.is_running()) node_.stop();
    std::filesystem::remove_all(data_);
  }
  NodeProcess& operator*() { return node_; }
  NodeProcess* operator->() { return &node_; }

 private:
  std::string data_;
  NodeProcess node_;
};

app::LoadResult load(NodeProcess& node, std::uint32_t connections, std::uint32_t window, std::uint64_t messages,
                     std::uint32_t recipients = 10'000) {
  app::LoadOptions options;
  options.servers = {node.address()};
  options.connections = connections;
  options.window = window;
  options.messages = messages;
  options.recipients = recipients;
  options.timeout_ms = 1'800'000;
  return must(app::run_load(options));
}

std::unique_ptr<client::Client> open(const NodeProcess& node, const std::string& user, client::Options options,
                                     client::Handlers handlers, const std::shared_ptr<client::Runtime>& runtime) {
  options.addresses = {node.address()};
  options.token = user;
  options.device = "bench";
  return must(
      client::Client::open(std::move(options), std::make_shared<client::MemoryStore>(), std::move(handlers), runtime));
}

// Counts up to a target that others wait for.
class Countdown {
 public:
  explicit Countdown(std::uint64_t target) : left_(target) {}
  void count(std::uint64_t done) {
    const std::lock_guard lock(mutex_);
    left_ -= std::min(left_, done);
    if (left_ == 0) end_ = Clock::now(), reached_.notify_all();
  }
  Clock::time_point wait() {
    std::unique_lock lock(mutex_);
    if (!reached_.wait_for(lock, std::chrono::minutes(10), [&] { return left_ == 0; }))
      throw std::runtime_error("not everything arrived in 10 minutes");
    return end_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable reached_;
  std::uint64_t left_;
  Clock::time_point end_;
};

// Sends one message every 200 µs to one of 16 receivers; the time from send() to the receiver's callback.
std::vector<double> end_to_end_us(NodeProcess& node, std::uint64_t messages) {
  constexpr std::uint32_t kReceivers = 16;
  constexpr auto kEvery = std::chrono::microseconds(200);
  const auto runtime = must(client::Runtime::start());
  std::vector<Clock::time_point> sent_at(messages);
  std::vector<double> times_us(messages);
  Countdown arrived(messages);
  std::vector<std::unique_ptr<client::Client>> receivers;
  for (std::uint32_t i = 0; i < kReceivers; ++i) {
    client::Handlers handlers;
    handlers.on_messages = [&](std::span<const IncomingMessage> batch) {
      const auto now = Clock::now();
      for (const auto& message : batch)
        times_us[message.id.low] = std::chrono::duration<double, std::micro>(now - sent_at[message.id.low]).count();
      arrived.count(batch.size());
    };
    receivers.push_back(open(node, "receiver-" + std::to_string(i), {}, std::move(handlers), runtime));
    must(receivers.back()->wait_connected(10'000));
  }
  client::Options options;
  options.receive = false;
  auto sender = open(node, "sender", std::move(options), {}, runtime);
  must(sender->wait_connected(10'000));
  auto turn = Clock::now();
  for (std::uint64_t i = 0; i < messages; ++i, turn += kEvery) {
    std::this_thread::sleep_until(turn);
    client::SendOptions send_options;
    send_options.id = MessageId{1, i};
    sent_at[i] = Clock::now();
    must(sender->send(UserId::trusted("receiver-" + std::to_string(i % kReceivers)), std::string(128, 'x'),
                      send_options));
  }
  arrived.wait();
  for (auto& receiver : receivers) receiver->close();
  sender->close();
  return times_us;
}

}  // namespace

void measure_commits(const Report& report, const Sizes& sizes, const std::string& directory) {
  report.medians({{"delivery.commit.c16_w256.rate", "messages/s"}}, [&] {
    FreshNode node(directory, "commit");
    return std::vector{load(*node, 16, 256, sizes.commit_messages).rate()};
  });
  report.medians({{"delivery.commit.c1_w256.rate", "messages/s"}}, [&] {
    FreshNode node(directory, "commit");
    return std::vector{load(*node, 1, 256, sizes.commit_messages).rate()};
  });
  report.medians({{"delivery.commit.c1_w1.p50_us", "us"}}, [&] {
    FreshNode node(directory, "commit");
    return std::vector{load(*node, 1, 1, sizes.single_messages).p50_us};
  });
}

void measure_end_to_end(const Report& report, const Sizes& sizes, const std::string& directory) {
  report.medians({{"delivery.e2e_5k.p50_us", "us"}, {"delivery.e2e_5k.p99_us", "us"}}, [&] {
    FreshNode node(directory, "e2e");
    auto times_us = end_to_end_us(*node, sizes.e2e_messages);
    return std::vector{app::percentile(times_us, 0.5), app::percentile(times_us, 0.99)};
  });
}

void measure_catch_up(const Report& report, const Sizes& sizes, const std::string& directory) {
  if (!report.wants("delivery.catchup.rate")) return;
  FreshNode node(directory, "catchup");
  load(*node, 16, 256, sizes.catchup_messages, 1);
  report.medians({{"delivery.catchup.rate", "messages/s"}}, [&, device = 0]() mutable {
    const auto runtime = must(client::Runtime::start());
    Countdown arrived(sizes.catchup_messages);
    client::Handlers handlers;
    handlers.on_messages = [&](std::span<const IncomingMessage> batch) { arrived.count(batch.size()); };
    client::Options options;
    options.addresses = {node->address()};
    options.token = "load-to-1";
    options.device = "device-" + std::to_string(++device);
    options.window_messages = limits::kWindowMessagesMax;
    const auto begin = Clock::now();
    auto receiver = must(client::Client::open(std::move(options), std::make_shared<client::MemoryStore>(),
                                              std::move(handlers), runtime));
    const double seconds = std::chrono::duration<double>(arrived.wait() - begin).count();
    receiver->close();
    return std::vector{static_cast<double>(sizes.catchup_messages) / seconds};
  });
}

namespace {

// Sessions that are logged in and do nothing: what each costs the node.
struct IdleCost {
  double bytes_per_session = 0;
  double cpu_percent = 0;
};

IdleCost idle_cost(const Sizes& sizes, FreshNode& node, const client::Options& options) {
  const double before = anonymous_bytes(node->pid());
  const auto runtime = must(client::Runtime::start());
  std::vector<std::unique_ptr<client::Client>> clients;
  constexpr std::uint32_t kLogins = 256;  // at once
  for (std::uint32_t i = 0; i < sizes.idle_sessions; ++i) {
    clients.push_back(open(*node, "idle-" + std::to_string(i), options, {}, runtime));
    if (i >= kLogins) must(clients[i - kLogins]->wait_connected(120'000));
  }
  for (auto& client : clients) must(client->wait_connected(120'000));
  let_time_pass(12'000);  // the logins' echoes: state is flushed within 5 s, timers run for 10 s at most
  const double after = anonymous_bytes(node->pid());
  const auto begin = Clock::now();
  const double cpu = cpu_seconds(node->pid());
  let_time_pass(sizes.idle_ms);
  return {(after - before) / sizes.idle_sessions, 100 * (cpu_seconds(node->pid()) - cpu) / seconds_since(begin)};
}

}  // namespace

void measure_idle(const Report& report, const Sizes& sizes, const std::string& directory) {
  report.medians({{"delivery.idle.rss_per_session_bytes", "bytes"}, {"delivery.idle.cpu_percent", "%"}}, [&] {
    FreshNode node(directory, "idle");
    const IdleCost cost = idle_cost(sizes, node, {});
    return std::vector{cost.bytes_per_session, cost.cpu_percent};
  });
  report.medians({{"delivery.idle_tls.rss_per_session_bytes", "bytes"}, {"delivery.idle_tls.cpu_percent", "%"}}, [&] {
    const tests::Authority authority;
    const tests::Issued issued = authority.issue("localhost");
    const std::string prefix = directory + "/idle-tls.";
    tests::write_file(prefix + "ca.pem", authority.pem());
    tests::write_file(prefix + "certificate.pem", issued.certificate_pem);
    tests::write_file(prefix + "key.pem", issued.key_pem);
    FreshNode node(directory, "idle-tls",
                   {"--tls-certificate", prefix + "certificate.pem", "--tls-key", prefix + "key.pem"});
    client::Options options;
    options.tls = {true, prefix + "ca.pem", "localhost"};
    const IdleCost cost = idle_cost(sizes, node, options);
    return std::vector{cost.bytes_per_session, cost.cpu_percent};
  });
}

void measure_boot(const Report& report, const Sizes& sizes, const std::string& directory) {
  const std::string name =
      "delivery.boot_" + (sizes.boot_mailboxes % 1'000'000 == 0 ? std::to_string(sizes.boot_mailboxes / 1'000'000) + "m"
                                                                : std::to_string(sizes.boot_mailboxes / 1'000) + "k");
  if (!report.wants(name)) return;
  FreshNode node(directory, "boot");
  load(*node, 16, 256, std::uint64_t{10} * sizes.boot_mailboxes, sizes.boot_mailboxes);
  std::vector<double> ready_ms, bytes;
  for (int run = 0; run < report.runs(); ++run) {
    node->stop();
    const auto begin = Clock::now();
    node->start();
    ready_ms.push_back(seconds_since(begin) * 1e3);
    bytes.push_back(anonymous_bytes(node->pid()));
  }
  report.print(name + ".ready_ms", median(ready_ms), "ms");
  report.print(name + ".rss_bytes", median(bytes), "bytes");
}

}  // namespace earshot::bench
