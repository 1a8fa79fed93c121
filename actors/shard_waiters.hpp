#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "actors/ports.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/shard_machine.hpp"

namespace earshot::actors {

// Who waits for the result of one command.
struct SendWaiter {
  std::shared_ptr<SessionPort> from;
  RequestId request = 0;
  std::size_t items = 0;
};
struct LoginWaiter {
  std::shared_ptr<SessionPort> from;
  RequestId request = 0;
};
struct AckWaiter {
  std::shared_ptr<SessionPort> from;
  RequestId request = 0;
};
struct TransferWaiter {  // another shard; a transfer that is refused gets no answer and is sent again
  ShardId origin;
  Epoch epoch;
};
struct ManageWaiter {
  std::shared_ptr<SessionPort> from;
  RequestId request = 0;
  std::optional<UserId> policy_of;  // it sets this one's policy, or (empty) the default
};
struct AttemptsWaiter {
  std::shared_ptr<SessionPort> from;  // null: its session has ended
  RequestId request = 0;
  UserId user;
  DeviceId device;
};
struct PositionsWaiter {
  std::function<void(Result<PositionsAnswer>)> done;
};
struct AheadWaiter {  // nobody waits: it was answered when it was accepted
  LayerId layer;
  std::vector<std::string> members;
  std::uint64_t number = 0;  // among all that were told ahead
};
struct NobodyWaits {};  // our own confirmations and touches
using Waiter = std::variant<SendWaiter, LoginWaiter, AckWaiter, TransferWaiter, ManageWaiter, AttemptsWaiter,
                            PositionsWaiter, AheadWaiter, NobodyWaits>;

// Gives the waiter its command's result. `self` and `router` are for answers to other shards (which come in only when
// there is one).
void answer(const Waiter& waiter, cluster::CommandResult result, ShardId self, const Router* router);
// Tells the waiter that its command was not done, or that nobody knows: held back for messages, an error for the rest.
void refuse(const Waiter& waiter, const Error& error);

// Who waits for which log entry: the entries that were submitted and are not applied yet, in log order.
class Waiters {
 public:
  struct Entry {
    LogIndex index;
    Term term;
    std::vector<Waiter> waiters;  // one per command of the entry
    std::size_t bytes = 0;        // admitted with it
  };

  // Indices ascend.
  void add(Entry entry);
  // The oldest entry with an index up to `applied`, nothing when there is none. One with a lower index, or with another
  // term than the applied entry's, lost its place to another leader's.
  std::optional<Entry> pop_through(LogIndex applied);
  // Whether somebody waits for the entry of this index and term.
  [[nodiscard]] bool expects(LogIndex index, Term term) const;
  // Takes all entries submitted in another term: this replica lost its leadership in between.
  std::vector<Entry> take_other_than(Term term);

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  [[nodiscard]] bool empty() const { return entries_.empty(); }

 private:
  std::deque<Entry> entries_;
};

}  // namespace earshot::actors
