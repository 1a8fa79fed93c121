#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "base/random.hpp"
#include "client/client.hpp"
#include "tests/support/delivery_checker.hpp"
#include "tests/support/process_client.hpp"

namespace earshot::tests {

// Senders with windows and recipients with several devices, all through the client library, while the test does what it
// likes to the nodes. At the end: everything that was sent is stored once and in order, every device of a recipient has
// just its mailbox, what a device acked stays acked, and nobody was told an error: pauses only.
class MailboxLoad {
 public:
  struct Shape {
    std::uint32_t senders = 16;
    std::uint32_t window = 64;
    std::uint32_t recipients = 8;
    std::uint32_t devices = 3;         // of a recipient; one mode each, in turn
    std::uint32_t messages_per_s = 0;  // of all senders together, at most; 0: as fast as they are answered
    std::uint32_t body_bytes = 300;    // of a message, at most, about
    std::uint64_t ttl_ms = 0;          // 0: messages do not end
    bool reads = false;                // now and then a sender asks for its history, a recipient for its devices
  };
  // The addresses that the n-th client is told: senders first, then the recipients' devices.
  using Addresses = std::function<std::vector<std::string>(std::uint32_t n)>;

  MailboxLoad(Shape shape, std::uint64_t seed) : shape_(shape), random_(seed) {}
  ~MailboxLoad() { end(); }
  MailboxLoad(const MailboxLoad&) = delete;
  MailboxLoad& operator=(const MailboxLoad&) = delete;

  void start(const Addresses& addresses, const std::shared_ptr<client::Runtime>& runtime);
  // Until so many more messages are answered, or the time is over.
  void wait_for_answers(std::uint64_t more, std::uint64_t at_most_ms);
  // Nothing more is sent. Idempotent.
  void end();
  // Ends, waits until everything is answered and received, and judges: what was found broken, empty when nothing was.
  std::vector<std::string> judge();

  // The longest time that a sender waited for the next answer, and that one message waited for its own, since this was
  // asked last.
  struct Pauses {
    std::uint64_t sender_ms = 0;
    std::uint64_t message_ms = 0;
  };
  Pauses take_pauses();
  [[nodiscard]] std::uint64_t answered() const;
  // Once it is judged.
  [[nodiscard]] std::uint64_t stored() const { return checker_.stored_count(); }

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Sender {
    std::string name;
    std::map<std::string, std::uint64_t> counts;  // by recipient
    std::uint32_t unanswered = 0;
    Time waits_since;
    std::unique_ptr<client::Client> client;
  };
  struct Listener {
    std::string user;
    client::Options options;
    std::shared_ptr<client::MemoryStore> store;
    std::unique_ptr<Device> client;
    std::uint64_t mailbox_end = 0;  // once it is judged

    [[nodiscard]] std::string name() const { return user + "/" + options.device; }
    [[nodiscard]] bool is_unordered() const { return options.mode == DeliveryMode::kUnordered; }
    [[nodiscard]] std::vector<IncomingMessage> messages() const;  // by sequence
  };

  void open_sender(std::uint32_t index, std::vector<std::string> addresses,
                   const std::shared_ptr<client::Runtime>& runtime);
  void open_listener(std::uint32_t index, std::vector<std::string> addresses);
  void open(Listener& listener);
  void pump(const std::stop_token& over);
  void fill(Sender& sender, std::uint32_t at_most);
  void read(std::uint64_t number);
  void read_history(Sender& sender);
  void read_devices(std::size_t first_listener);
  template <class T>
  void answered_read(const std::string& who, Time asked, const Result<T>& answer);
  void send_marks();
  client::Letter next_letter(Sender& sender, const std::string& recipient, Time now);
  void take(Sender& sender, std::span<const client::SendReport> reports);
  void note(const Sender& sender, const client::ConnectionChange& change);
  void complain(std::string text);
  void judge_recipient(std::size_t first_listener);
  void judge_logins(Listener& listener);
  bool wait_for_acks(std::size_t first_listener);
  void judge_acks();

  const Shape shape_;
  std::shared_ptr<client::Runtime> runtime_;
  mutable std::mutex mutex_;
  std::condition_variable answered_changed_;
  Random random_;
  DeliveryChecker checker_;
  std::vector<std::string> complaints_;
  std::map<MessageId, Time> sent_at_;  // unanswered
  std::uint64_t answered_ = 0;
  std::uint64_t reads_under_way_ = 0;
  Pauses pauses_;
  std::vector<std::unique_ptr<Sender>> senders_;
  std::vector<Listener> listeners_;
  std::jthread pump_;  // the only thread that sends
};

}  // namespace earshot::tests
