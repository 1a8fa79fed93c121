#include "client/intake.hpp"

#include <chrono>

namespace earshot::client {

Intake::Intake(std::shared_ptr<Store> store, const StoredState& state, Bounds bounds, std::thread::id loop_thread)
    : store_(std::move(store)), bounds_(bounds), loop_thread_(loop_thread), head_(state.outbox_head) {
  messages_ = state.outbox.size();
  for (const OutboxMessage& message : state.outbox) bytes_ += message.message.body.size();
}

void Intake::on_committed(std::function<void()> notify, std::function<void()> vacant) {
  notify_ = std::move(notify), vacant_ = std::move(vacant);
}

Status Intake::add(std::span<OutboxMessage> messages) {
  std::size_t bytes = 0;
  for (const OutboxMessage& message : messages) bytes += message.message.body.size();
  std::unique_lock lock(mutex_);
  if (closed_) return fail(ErrorCode::kClosed, "", "the client is closed");
  if (messages_ + messages.size() > bounds_.messages_max || bytes_ + bytes > bounds_.bytes_max)
    return fail(Error{ErrorCode::kOverloaded, "outbox",
                      "holds " + std::to_string(messages_) + " messages, " + std::to_string(bytes_) + " bytes",
                      limits::kRetryAfterMs, 0});
  messages_ += messages.size(), bytes_ += bytes;
  for (OutboxMessage& message : messages) gathering_.push_back(std::move(message));
  const std::shared_ptr<Group> group = gathering_group_;
  const bool on_loop = std::this_thread::get_id() == loop_thread_;
  while (!group->done) {
    if (!busy_ && (!reserving_ || on_loop) && !gathering_.empty()) {
      commit_group(lock);
    } else {
      changed_.wait(lock);
    }
  }
  return group->status;
}

// Commits everything gathered. Called and left with the lock held, which is open while the store works.
void Intake::commit_group(std::unique_lock<std::mutex>& lock) {
  busy_ = true;
  std::vector<OutboxMessage> messages = std::exchange(gathering_, {});
  const std::shared_ptr<Group> group = std::exchange(gathering_group_, std::make_shared<Group>());
  next_head_ = head_;
  std::size_t bytes = 0;
  for (OutboxMessage& message : messages) {
    number(message, next_head_);
    bytes += message.message.body.size();
  }
  if (online_) next_head_.sent_through = next_head_.next_ticket.previous();
  lock.unlock();

  // The store may answer on another thread; only this one waits.
  struct Outcome {
    std::mutex mutex;
    std::condition_variable told;
    bool done = false;
    Status status;
  };
  const auto outcome = std::make_shared<Outcome>();
  store_->add(next_head_, messages, [outcome](Status status) {
    const std::lock_guard guard(outcome->mutex);
    outcome->status = std::move(status);
    outcome->done = true;
    outcome->told.notify_one();
  });
  {
    std::unique_lock guard(outcome->mutex);
    outcome->told.wait(guard, [&] { return outcome->done; });
  }

  lock.lock();
  busy_ = false;
  group->done = true;
  group->status = std::move(outcome->status);
  bool notify = false;
  if (group->status) {
    std::swap(head_, next_head_);
    accepted_ += messages.size();
    if (committed_.empty()) {
      committed_ = std::move(messages);
    } else {
      committed_.insert(committed_.end(), std::make_move_iterator(messages.begin()),
                        std::make_move_iterator(messages.end()));
    }
    notify = !notified_ && committed_.size() >= awaited_;
    if (notify) notified_ = true;
  } else {
    messages_ -= messages.size(), bytes_ -= bytes;
  }
  const bool vacant = reserving_;
  changed_.notify_all();
  if (!notify && !vacant) return;
  lock.unlock();
  if (notify) notify_();
  if (vacant) vacant_();
  lock.lock();
}

void Intake::number(OutboxMessage& message, OutboxHead& head) const {
  message.ticket = head.next_ticket;
  head.next_ticket = head.next_ticket.next();
  if (head.shard_count == 0) return;
  message.lane = shard_of(message.message.recipient, head.shard_count);
  LaneNumber& next = head.next[message.lane.value];
  message.message.number = next;
  next = next.next();
}

std::vector<OutboxMessage> Intake::take() {
  const std::lock_guard lock(mutex_);
  notified_ = false;
  awaited_ = 1;
  return std::exchange(committed_, {});
}

void Intake::wait_for(std::size_t messages) {
  const std::lock_guard lock(mutex_);
  awaited_ = messages;
}

bool Intake::try_reserve() {
  const std::lock_guard lock(mutex_);
  reserving_ = busy_;
  if (busy_) return false;
  busy_ = true;
  return true;
}

void Intake::withdraw() {
  {
    const std::lock_guard lock(mutex_);
    reserving_ = false;
  }
  changed_.notify_all();
}

void Intake::release(const OutboxHead* head) {
  {
    const std::lock_guard lock(mutex_);
    if (head != nullptr) head_ = *head;
    busy_ = false;
  }
  changed_.notify_all();
}

OutboxHead Intake::head() const {
  const std::lock_guard lock(mutex_);
  return head_;
}

void Intake::set_online(bool online) {
  const std::lock_guard lock(mutex_);
  online_ = online;
}

void Intake::removed(std::size_t messages, std::size_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    messages_ -= messages, bytes_ -= bytes;
    if (messages_ > 0) return;
  }
  changed_.notify_all();
}

void Intake::close() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
    reserving_ = false;
  }
  changed_.notify_all();
}

Status Intake::flush(std::uint64_t timeout_ms) {
  if (std::this_thread::get_id() == loop_thread_)
    return fail(ErrorCode::kInvalidArgument, "", "the runtime's thread cannot wait for itself");
  std::unique_lock lock(mutex_);
  const bool settled =
      changed_.wait_for(lock, std::chrono::milliseconds(timeout_ms), [&] { return messages_ == 0 || closed_; });
  if (messages_ == 0) return {};
  if (settled) return fail(ErrorCode::kClosed, "", "the client is closed");
  return fail(ErrorCode::kDeadlineExceeded, "outbox", std::to_string(messages_) + " messages are unanswered");
}

Intake::Level Intake::level() const {
  const std::lock_guard lock(mutex_);
  return Level{messages_, bytes_, accepted_};
}

}  // namespace earshot::client
