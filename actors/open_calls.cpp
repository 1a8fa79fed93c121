#include "actors/open_calls.hpp"

#include <utility>

#include "actors/remote_call_log.hpp"
#include "actors/shard_refusals.hpp"
#include "base/limits.hpp"

namespace earshot::actors {
namespace {

// Whether the answer is one to what was asked; then it is passed on.
struct PassingOn {
  const Asker& asker;

  template <class Kind>
  [[nodiscard]] const Kind* waiter() const {
    const auto* any = std::get_if<Waiter>(&asker);
    return any != nullptr ? std::get_if<Kind>(any) : nullptr;
  }
  template <class Kind, class Message>
  bool post(Message& message) const {
    const Kind* asked = waiter<Kind>();
    if (asked == nullptr || asked->from == nullptr || asked->request != message.request) return false;
    asked->from->post(std::move(message));
    return true;
  }

  bool operator()(SendsAnswered& message) const {
    const auto* asked = waiter<SendWaiter>();
    return asked != nullptr && asked->items == message.answers.size() && post<SendWaiter>(message);
  }
  bool operator()(LoginAnswered& message) const { return post<LoginWaiter>(message); }
  bool operator()(AckAnswered& message) const { return post<AckWaiter>(message); }
  bool operator()(ManageAnswered& message) const { return post<ManageWaiter>(message); }
  bool operator()(AttemptsAnswered& message) const { return post<AttemptsWaiter>(message); }
  bool operator()(FetchAnswered& message) const {
    const auto* asked = std::get_if<ReadAsker>(&asker);
    if (asked == nullptr || asked->request != message.request) return false;
    asked->from->post(std::move(message));
    return true;
  }
  bool operator()(PositionsAnswered& message) const {
    const auto* asked = waiter<PositionsWaiter>();
    if (asked == nullptr) return false;
    asked->done(std::move(message.answer));
    return true;
  }
  bool operator()(WhereAnswered& message) const {
    const auto* asked = std::get_if<WhereAsker>(&asker);
    if (asked == nullptr || (message.answer && message.answer->size() != asked->members)) return false;
    asked->done(std::move(message.answer));
    return true;
  }
  bool operator()(CallRefused& message) const {
    refuse(asker, message.error);
    return true;
  }
  template <class Other>
  bool operator()(Other&) const {
    return false;
  }
};

}  // namespace

std::uint64_t OpenCalls::open(NodeId to, ShardId shard, Asker& asker, std::uint64_t now_ms, const RequestTag& tag) {
  const std::lock_guard lock(mutex_);
  if (open_.size() >= limits::kOpenCallsMax) return 0;
  open_.emplace(++last_, Open{to, shard, std::move(asker), now_ms, tag});
  return last_;
}

std::uint64_t OpenCalls::take_number() {
  const std::lock_guard lock(mutex_);
  return ++last_;
}

Asker OpenCalls::take_back(std::uint64_t call) {
  const std::lock_guard lock(mutex_);
  auto taken = open_.extract(call);
  return taken ? std::move(taken.mapped().asker) : Asker(Waiter(NobodyWaits{}));
}

void OpenCalls::answered(std::uint64_t call, AnswerContent content) {
  std::unique_lock lock(mutex_);
  auto taken = open_.extract(call);
  lock.unlock();
  if (!taken || std::visit(PassingOn{taken.mapped().asker}, content)) return;
  lock.lock();
  open_.insert(std::move(taken));
}

std::optional<ShardId> OpenCalls::shard_of(std::uint64_t call) const {
  const std::lock_guard lock(mutex_);
  const auto found = open_.find(call);
  return found == open_.end() ? std::nullopt : std::optional(found->second.shard);
}

// Outside the lock: whoever is told may call again.
template <class Lost>
void OpenCalls::lose(Lost&& is_lost) {
  std::vector<Asker> askers;
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(open_, [&](auto& one) {
      if (!is_lost(one.first, one.second)) return false;
      askers.push_back(std::move(one.second.asker));
      RemoteCallLog::lost(one.second.tag, one.second.shard, one.second.to);
      return true;
    });
  }
  for (const Asker& asker : askers) refuse(asker, refusals::lost());
}

void OpenCalls::lose_node(NodeId to) {
  lose([to](std::uint64_t, const Open& one) { return one.to == to; });
}
void OpenCalls::lose_shard(ShardId shard, std::uint64_t last_before, NodeId node) {
  lose([=](std::uint64_t call, const Open& one) {
    return one.shard == shard && (call <= last_before || one.to != node);
  });
}
void OpenCalls::lose_older_than(std::uint64_t since_ms) {
  lose([since_ms](std::uint64_t, const Open& one) { return one.since_ms < since_ms; });
}

// Outside the lock: what is dropped may hold the last reference to anything.
void OpenCalls::forget() {
  std::unordered_map<std::uint64_t, Open> dropped;
  const std::lock_guard lock(mutex_);
  dropped.swap(open_);
}

std::size_t OpenCalls::size() const {
  const std::lock_guard lock(mutex_);
  return open_.size();
}

std::uint64_t OpenCalls::last() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

}  // namespace earshot::actors
