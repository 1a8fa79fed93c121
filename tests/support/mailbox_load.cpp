#include "tests/support/mailbox_load.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>
#include <variant>

namespace earshot::tests {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kTick{2};
constexpr std::uint64_t kTicksPerRead = 25;
constexpr std::uint32_t kReportIntervalMs = 500;
constexpr std::size_t kComplaintsMax = 20;

std::uint64_t ms_between(Clock::time_point from, Clock::time_point to) {
  return static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(to - from).count());
}

std::string recipient_name(std::uint64_t number) { return "recipient-" + std::to_string(number); }

}  // namespace

void MailboxLoad::start(const Addresses& addresses, const std::shared_ptr<client::Runtime>& runtime) {
  runtime_ = runtime;
  std::uint32_t n = 0;
  for (std::uint32_t i = 0; i < shape_.senders; ++i) open_sender(i, addresses(n++), runtime);
  for (std::uint32_t i = 0; i < shape_.recipients * shape_.devices; ++i) open_listener(i, addresses(n++));
  pump_ = std::jthread([this](const std::stop_token& over) { pump(over); });
}

void MailboxLoad::open_sender(std::uint32_t index, std::vector<std::string> addresses,
                              const std::shared_ptr<client::Runtime>& runtime) {
  senders_.push_back(std::make_unique<Sender>());
  Sender& sender = *senders_.back();
  sender.name = "sender-" + std::to_string(index);
  client::Options options;
  options.addresses = std::move(addresses);
  options.token = sender.name;
  options.device = "load";
  options.receive = false;
  client::Handlers handlers;
  handlers.on_sent = [this, &sender](std::span<const client::SendReport> reports) { take(sender, reports); };
  handlers.on_state = [this, &sender](const client::ConnectionChange& change) { note(sender, change); };
  auto client = client::Client::open(options, std::make_shared<client::MemoryStore>(), std::move(handlers), runtime);
  if (!client) throw std::runtime_error(client.error().to_string());
  sender.client = std::move(*client);
}

void MailboxLoad::open_listener(std::uint32_t index, std::vector<std::string> addresses) {
  static constexpr std::array kModes{DeliveryMode::kOrdered, DeliveryMode::kSequenceOnly, DeliveryMode::kUnordered};
  Listener listener;
  listener.user = recipient_name(index / shape_.devices);
  listener.options.addresses = std::move(addresses);
  listener.options.token = listener.user;
  listener.options.device = "device-" + std::to_string(index % shape_.devices);
  listener.options.mode = kModes.at(index % shape_.devices % kModes.size());
  listener.options.report_interval_ms = kReportIntervalMs;
  open(listener);
  listeners_.push_back(std::move(listener));
}

// As one that has received nothing yet.
void MailboxLoad::open(Listener& listener) {
  listener.store = std::make_shared<client::MemoryStore>(kKeepAll);
  listener.client = std::make_unique<Device>(listener.options, listener.store, runtime_);
}

std::vector<IncomingMessage> MailboxLoad::Listener::messages() const {
  auto all = store->messages();
  if (is_unordered()) std::ranges::stable_sort(all, {}, &IncomingMessage::sequence);
  return all;
}

void MailboxLoad::pump(const std::stop_token& over) {
  const auto begin = Clock::now();
  std::uint64_t handed_over = 0;
  for (std::uint64_t tick = 1; !over.stop_requested(); ++tick) {
    std::uint64_t room = UINT64_MAX;
    if (shape_.messages_per_s != 0) {
      // What could not be sent in a pause is not made up for.
      const std::uint64_t due = ms_between(begin, Clock::now()) * shape_.messages_per_s / 1'000;
      room = std::min<std::uint64_t>(due - std::min(due, handed_over), shape_.messages_per_s / 10 + 1);
      handed_over = due;
    }
    const std::uint64_t each = room == UINT64_MAX ? room : (room + senders_.size() - 1) / senders_.size();
    const std::size_t first = tick % senders_.size();
    for (std::size_t i = 0; i < senders_.size() && room > 0; ++i) {
      const auto share = static_cast<std::uint32_t>(std::min<std::uint64_t>({room, each, shape_.window}));
      fill(*senders_[(first + i) % senders_.size()], share);
      if (room != UINT64_MAX) room -= share;
    }
    if (shape_.reads && tick % kTicksPerRead == 0) read(tick / kTicksPerRead);
    std::this_thread::sleep_for(kTick);
  }
}

void MailboxLoad::fill(Sender& sender, std::uint32_t at_most) {
  std::vector<client::Letter> letters;
  {
    const std::lock_guard lock(mutex_);
    const std::uint32_t count = std::min(at_most, shape_.window - sender.unanswered);
    if (count == 0) return;
    const auto now = Clock::now();
    if (sender.unanswered == 0) sender.waits_since = now;
    for (std::uint32_t i = 0; i < count; ++i)
      letters.push_back(next_letter(sender, recipient_name(random_.below(shape_.recipients)), now));
    sender.unanswered += count;
  }
  if (auto taken = sender.client->send(std::move(letters)); !taken)
    complain(sender.name + ": send: " + taken.error().to_string());
}

client::Letter MailboxLoad::next_letter(Sender& sender, const std::string& recipient, Time now) {
  client::Letter letter;
  letter.recipient = UserId::trusted(recipient);
  letter.options.id = random_.message_id();
  letter.options.ttl_ms = shape_.ttl_ms;
  const std::uint64_t count = ++sender.counts[recipient];
  letter.body = "from " + sender.name + " to " + recipient + ", number " + std::to_string(count) +
                std::string(random_.below(shape_.body_bytes), '.');
  checker_.sent(sender.name, recipient, count, *letter.options.id, letter.body);
  sent_at_[*letter.options.id] = now;
  return letter;
}

void MailboxLoad::take(Sender& sender, std::span<const client::SendReport> reports) {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  for (const auto& report : reports) {
    if (const auto* stored = std::get_if<Stored>(&report.outcome)) {
      checker_.stored(report.id, *stored);
    } else if (complaints_.size() < kComplaintsMax) {
      const auto* error = std::get_if<Error>(&report.outcome);
      complaints_.push_back(sender.name + ": not stored: " + (error != nullptr ? error->to_string() : "uncertain"));
    }
    if (const auto found = sent_at_.find(report.id); found != sent_at_.end()) {
      pauses_.message_ms = std::max(pauses_.message_ms, ms_between(found->second, now));
      sent_at_.erase(found);
    }
  }
  pauses_.sender_ms = std::max(pauses_.sender_ms, ms_between(sender.waits_since, now));
  sender.waits_since = now;
  sender.unanswered -= static_cast<std::uint32_t>(reports.size());
  answered_ += reports.size();
  answered_changed_.notify_all();
}

// One and the other in turn.
void MailboxLoad::read(std::uint64_t number) {
  {
    const std::lock_guard lock(mutex_);
    ++reads_under_way_;
  }
  if (number % 2 == 0) return read_history(*senders_[number / 2 % senders_.size()]);
  read_devices(number / 2 % shape_.recipients * shape_.devices);
}

void MailboxLoad::read_history(Sender& sender) {
  sender.client->history(Sequence(), 1, [this, &sender, asked = Clock::now()](const Result<Batch>& answer) {
    answered_read(sender.name + ": history", asked, answer);
  });
}

// What its devices have acked, as far as that is committed: from then on it is so for good.
void MailboxLoad::read_devices(std::size_t first_listener) {
  const auto answered = [this, first_listener, asked = Clock::now()](const Result<std::vector<DeviceInfo>>& answer) {
    for (std::size_t i = first_listener; answer && i < first_listener + shape_.devices; ++i) {
      const Listener& listener = listeners_[i];
      for (const DeviceInfo& device : *answer)
        if (device.device.text() == listener.options.device) listener.client->note_acked(device.up_to.value);
    }
    answered_read(listeners_[first_listener].user + ": devices", asked, answer);
  };
  listeners_[first_listener].client->client().devices({}, answered);
}

template <class T>
void MailboxLoad::answered_read(const std::string& who, Time asked, const Result<T>& answer) {
  if (!answer)
    complain(who + ": " + answer.error().to_string() + " after " + std::to_string(ms_between(asked, Clock::now())) +
             " ms");
  const std::lock_guard lock(mutex_);
  --reads_under_way_;
  answered_changed_.notify_all();
}

void MailboxLoad::note(const Sender& sender, const client::ConnectionChange& change) {
  using Kind = client::ConnectionChange::Kind;
  if (change.kind == Kind::kRefused || change.kind == Kind::kReplaced)
    complain(sender.name + (change.kind == Kind::kRefused ? " was refused: " : " was replaced: ") +
             change.reason.to_string());
}

void MailboxLoad::complain(std::string text) {
  const std::lock_guard lock(mutex_);
  if (complaints_.size() < kComplaintsMax) complaints_.push_back(std::move(text));
}

void MailboxLoad::wait_for_answers(std::uint64_t more, std::uint64_t at_most_ms) {
  std::unique_lock lock(mutex_);
  const std::uint64_t target = answered_ + more;
  answered_changed_.wait_for(lock, std::chrono::milliseconds(at_most_ms), [&] { return answered_ >= target; });
}

MailboxLoad::Pauses MailboxLoad::take_pauses() {
  const std::lock_guard lock(mutex_);
  // Those that are not over yet count as far as they have come.
  const auto now = Clock::now();
  for (const auto& sender : senders_)
    if (sender->unanswered > 0) pauses_.sender_ms = std::max(pauses_.sender_ms, ms_between(sender->waits_since, now));
  for (const auto& [id, at] : sent_at_) pauses_.message_ms = std::max(pauses_.message_ms, ms_between(at, now));
  return std::exchange(pauses_, {});
}

std::uint64_t MailboxLoad::answered() const {
  const std::lock_guard lock(mutex_);
  return answered_;
}

void MailboxLoad::end() {
  pump_.request_stop();
  if (pump_.joinable()) pump_.join();
}

std::vector<std::string> MailboxLoad::judge() {
  end();
  for (auto& sender : senders_)
    if (const auto flushed = sender->client->flush(kPatienceMs); !flushed)
      complain(sender->name + " has " + std::to_string(sender->client->stats().outbox_messages) +
               " messages without an answer: " + flushed.error().to_string());
  {
    std::unique_lock lock(mutex_);
    if (!answered_changed_.wait_for(lock, std::chrono::milliseconds(kPatienceMs),
                                    [&] { return reads_under_way_ == 0; }))
      complaints_.push_back(std::to_string(reads_under_way_) + " reads were never answered");
  }
  for (std::size_t i = 0; i < listeners_.size(); i += shape_.devices) judge_recipient(i);
  judge_acks();
  for (auto& sender : senders_) sender->client->close();
  if (checker_.stored_count() != checker_.sent_count())
    complain(std::to_string(checker_.stored_count()) + " of " + std::to_string(checker_.sent_count()) +
             " messages were told stored");
  std::vector<std::string> all = checker_.complaints();
  all.insert(all.end(), complaints_.begin(), complaints_.end());
  return all;
}

void MailboxLoad::judge_recipient(std::size_t first_listener) {
  auto& first = listeners_[first_listener];
  if (const auto connected = (*first.client)->wait_connected(kPatienceMs); !connected)
    return complain(first.user + " is not connected: " + connected.error().to_string());
  const auto mailbox = whole_mailbox(first.client->client());
  checker_.check_mailbox(first.user, mailbox);
  for (std::uint32_t i = 0; i < shape_.devices; ++i) {
    Listener& listener = listeners_[first_listener + i];
    listener.mailbox_end = mailbox.size();
    listener.client->wait_received(mailbox.size());
    const client::Stats stats = (*listener.client)->stats();
    checker_.check_device(listener.name(), mailbox, listener.messages());
    if (stats.lost != 0) complain(listener.name() + " was told of losses");
    if (stats.checksum_failures != 0) complain(listener.name() + " got altered bodies");
  }
  if (!wait_for_acks(first_listener)) complain(first.user + ": not all that its devices acked is acked");
  for (std::uint32_t i = 0; i < shape_.devices; ++i) judge_logins(listeners_[first_listener + i]);
}

// Until all devices of a recipient have acked its mailbox, and that is committed.
bool MailboxLoad::wait_for_acks(std::size_t first_listener) {
  auto& first = listeners_[first_listener];
  const auto give_up = Clock::now() + std::chrono::milliseconds(kPatienceMs);
  do {
    const auto devices = first.client->client().devices().get();
    if (devices && std::ranges::count_if(*devices, [&](const DeviceInfo& device) {
                     return device.up_to.value == first.mailbox_end;
                   }) == shape_.devices)
      return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  } while (Clock::now() < give_up);
  return false;
}

// A new session begins where the device's acks have led: not before what was said to be acked, nor after what the
// device has got.
void MailboxLoad::judge_logins(Listener& listener) {
  (*listener.client)->close();
  std::uint64_t before = 0;
  for (const Device::Login& login : listener.client->logins()) {
    if (login.cursor < std::max(before, login.acked))
      complain(listener.name() + " had acked " + std::to_string(std::max(before, login.acked)) + ", and was told " +
               std::to_string(login.cursor) + " at its next login");
    if (login.cursor > login.received)
      complain(listener.name() + " had received " + std::to_string(login.received) +
               " messages, and was told at a login that it has acked " + std::to_string(login.cursor));
    before = login.cursor;
  }
}

// What is acked is never pushed again: a device that has forgotten everything itself gets what is new, and only that.
void MailboxLoad::judge_acks() {
  for (Listener& listener : listeners_) open(listener);
  for (Listener& listener : listeners_)
    if (const auto connected = (*listener.client)->wait_connected(kPatienceMs); !connected)
      return complain(listener.name() + " is not connected: " + connected.error().to_string());
  send_marks();
  for (Listener& listener : listeners_) {
    listener.client->wait_for(listener.mailbox_end + 1);
    (*listener.client)->close();
    const auto messages = listener.messages();
    if (messages.size() != 1 || messages.front().sequence.value != listener.mailbox_end + 1)
      complain(listener.name() + " got " + std::to_string(messages.size()) + " messages from sequence " +
               std::to_string(messages.empty() ? 0 : messages.front().sequence.value) + " on, having acked all to " +
               std::to_string(listener.mailbox_end));
  }
}

// One message to each recipient.
void MailboxLoad::send_marks() {
  Sender& sender = *senders_.front();
  std::vector<client::Letter> letters;
  {
    const std::lock_guard lock(mutex_);
    for (std::uint32_t i = 0; i < shape_.recipients; ++i)
      letters.push_back(next_letter(sender, recipient_name(i), Clock::now()));
    sender.unanswered += shape_.recipients;
  }
  if (const auto taken = sender.client->send(std::move(letters)); !taken)
    return complain(sender.name + ": send: " + taken.error().to_string());
  if (const auto flushed = sender.client->flush(kPatienceMs); !flushed)
    complain(sender.name + ": " + flushed.error().to_string());
}

}  // namespace earshot::tests
