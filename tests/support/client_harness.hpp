#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/client.hpp"
#include "client/kj_loop.hpp"
#include "client/memory_store.hpp"
#include "tests/support/client_eventually.hpp"
#include "tests/support/client_fake_server.hpp"

namespace earshot::tests {

// A store around another one that tests hold, fail and watch. Held operations wait for release().
class ControlledStore final : public client::Store {
 public:
  explicit ControlledStore(std::shared_ptr<client::Store> inner) : inner_(std::move(inner)) {}

  Result<client::StoredState> load() override { return inner_->load(); }
  void add(const client::OutboxHead& head, std::span<const client::OutboxMessage> messages,
           client::Done done) override {
    if (fails(fail_adds)) return done(fail(ErrorCode::kStorageFull, "", "told to"));
    inner_->add(head, messages, std::move(done));
  }
  void remove(std::span<const client::Ticket> tickets, client::Done done) override {
    if (fails(fail_removes)) return done(fail(ErrorCode::kStorageFull, "", "told to"));
    inner_->remove(tickets, std::move(done));
  }
  void welcome(const client::OutboxHead& outbox_head, const client::InboxHead& inbox_head,
               std::span<const client::OutboxMessage> changed, client::Done done) override {
    if (fails(fail_welcomes)) return done(fail(ErrorCode::kStorageFull, "", "told to"));
    inner_->welcome(outbox_head, inbox_head, changed, std::move(done));
  }
  void receive(const client::InboxHead& head, std::span<const IncomingMessage> messages,
               std::span<const LostRange> lost, client::Done done) override {
    ++receives;
    if (fails(fail_receives)) return done(fail(ErrorCode::kStorageFull, "", "told to"));
    if (!hold_receives) return inner_->receive(head, messages, lost, std::move(done));
    const std::lock_guard lock(mutex_);
    held_.push_back([this, &head, messages, lost, done] { inner_->receive(head, messages, lost, done); });
  }
  // Lets held receptions commit.
  void release() {
    hold_receives = false;
    std::vector<std::function<void()>> held;
    {
      const std::lock_guard lock(mutex_);
      held.swap(held_);
    }
    for (auto& run : held) run();
  }

  std::atomic<int> fail_adds = 0, fail_removes = 0, fail_welcomes = 0, fail_receives = 0;
  std::atomic<bool> hold_receives = false;
  std::atomic<int> receives = 0;

 private:
  static bool fails(std::atomic<int>& count) { return count > 0 && count-- > 0; }

  std::shared_ptr<client::Store> inner_;
  std::mutex mutex_;
  std::vector<std::function<void()>> held_;
};

// What an application saw.
class Recorder {
 public:
  client::Handlers handlers() {
    client::Handlers h;
    h.on_sent = [this](std::span<const client::SendReport> reports) {
      const std::lock_guard lock(mutex_);
      for (const auto& report : reports) ++reports_[report.id], outcomes_[report.outcome.index()]++;
    };
    h.on_messages = [this](std::span<const IncomingMessage> messages) {
      const std::lock_guard lock(mutex_);
      for (const auto& message : messages) bodies_.push_back(message.body);
    };
    h.on_lost = [this](std::span<const LostRange> ranges) {
      const std::lock_guard lock(mutex_);
      lost_.insert(lost_.end(), ranges.begin(), ranges.end());
    };
    h.on_state = [this](const client::ConnectionChange& change) {
      const std::lock_guard lock(mutex_);
      changes_.push_back(change);
    };
    h.on_restored = [this](const client::MailboxRestored& restored) {
      const std::lock_guard lock(mutex_);
      restored_.push_back(restored);
    };
    return h;
  }
  std::vector<std::string> bodies() const { return copy(bodies_); }
  std::vector<LostRange> lost() const { return copy(lost_); }
  std::vector<client::ConnectionChange> changes() const { return copy(changes_); }
  std::vector<client::MailboxRestored> restored() const { return copy(restored_); }
  int reports_of(MessageId id) const { return copy(reports_)[id]; }
  // By the place in SendOutcome: stored, refused, uncertain.
  int outcomes(std::size_t which) const { return copy(outcomes_)[which]; }
  std::size_t reported() const { return copy(reports_).size(); }

 private:
  template <class T>
  T copy(const T& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }
  mutable std::mutex mutex_;
  std::map<MessageId, int> reports_;
  std::map<std::size_t, int> outcomes_;
  std::vector<std::string> bodies_;
  std::vector<LostRange> lost_;
  std::vector<client::ConnectionChange> changes_;
  std::vector<client::MailboxRestored> restored_;
};

// The product's loop, with the timers counted that are asked of it.
class CountingLoop final : public client::Loop {
 public:
  void post(std::function<void()> task) override { loop_->post(std::move(task)); }
  void stop() override { loop_->stop(); }
  void hold() override { loop_->hold(); }
  void release() override { loop_->release(); }
  [[nodiscard]] std::thread::id thread_id() const override { return loop_->thread_id(); }
  void after(std::uint64_t delay_ms, std::function<void()> task) override {
    ++timers_;
    loop_->after(delay_ms, std::move(task));
  }
  [[nodiscard]] const Clock& clock() const override { return loop_->clock(); }
  Random random() override { return loop_->random(); }
  std::unique_ptr<client::Link> make_link(const client::Options& options, const std::string& address,
                                          client::LinkEvents& events) override {
    return loop_->make_link(options, address, events);
  }

  [[nodiscard]] int timers() const { return timers_; }

 private:
  const std::shared_ptr<client::KjLoop> loop_ = client::KjLoop::start().value();
  std::atomic<int> timers_ = 0;
};

// Alice's phone, with impatient times.
inline client::Options options_for(const FakeServer& server) {
  client::Options options;
  options.addresses = {server.address()};
  options.token = "alice";
  options.device = "phone";
  options.reconnect = {5, 50};
  return options;
}

inline std::shared_ptr<client::Runtime> start_runtime() { return client::Runtime::start().value(); }
inline UserId user(const std::string& name) { return UserId::parse(name, "user").value(); }

}  // namespace earshot::tests
