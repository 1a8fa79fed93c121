#include "actors/shard_entries.hpp"

#include <string>
#include <utility>
#include <vector>

#include "actors/shard_refusals.hpp"

namespace earshot::actors {

ShardEntries::~ShardEntries() {
  budgets_->admitted.give_back(batcher_.bytes());
  for (const auto& entry : waiters_.take_other_than(Term{})) budgets_->admitted.give_back(entry.bytes);
}

void ShardEntries::add(Command command, Waiter waiter) {
  const std::size_t bytes = size_of(command);
  budgets_->admitted.take(bytes);
  batcher_.add(std::move(command), std::move(waiter), bytes);
}

ShardEntries::Submitted ShardEntries::submit(cluster::Replica& replica, TickSource& ticks, bool tick_alone,
                                             std::uint64_t now_ms) {
  std::vector<storage::SharedBytes> entries;
  std::vector<Batcher::Gathered> waiting;
  const auto put = [&](Batcher::Gathered gathered) {
    const TickSource::Time time = ticks.now();
    gathered.batch.tick_ms = time.tick_ms;
    gathered.batch.now_ms = time.now_ms;
    entries.push_back(std::make_shared<const std::string>(encode(gathered.batch)));
    waiting.push_back(std::move(gathered));
  };
  while (!batcher_.empty() && waiters_.size() + waiting.size() < limits::kEntriesInFlightMax) put(batcher_.take());
  // The time alone. Not refused when the disk is full: what it ends makes room.
  if (entries.empty() && tick_alone) put(Batcher::Gathered{});
  if (entries.empty()) return Submitted::kNothing;

  // An entry is applied only after its write is reported, so none of these can be applied inside submit().
  const auto first = replica.submit(std::move(entries), now_ms);
  if (!first) {
    refuse(std::move(waiting), first.error());
    return Submitted::kRefused;
  }
  LogIndex index = *first;
  for (auto& entry : waiting)
    waiters_.add({std::exchange(index, index.next()), replica.term(), std::move(entry.waiters), entry.bytes});
  return Submitted::kAll;
}

std::optional<std::vector<Waiter>> ShardEntries::take_applied(LogIndex index, Term term) {
  while (auto entry = waiters_.pop_through(index)) {
    if (entry->index != index || entry->term != term) {
      refuse_entry(std::move(entry->waiters), entry->bytes, refusals::lost());
      continue;
    }
    budgets_->admitted.give_back(entry->bytes);
    return std::move(entry->waiters);
  }
  return std::nullopt;
}

void ShardEntries::leave_other_terms(Term term) {
  for (auto& entry : waiters_.take_other_than(term))
    refuse_entry(std::move(entry.waiters), entry.bytes, refusals::lost());
}

void ShardEntries::refuse_entry(std::vector<Waiter> waiters, std::size_t bytes, const Error& error) {
  budgets_->admitted.give_back(bytes);
  for (auto& waiter : waiters) {
    if (auto* ahead = std::get_if<AheadWaiter>(&waiter))
      take_back_(std::move(*ahead));
    else
      actors::refuse(waiter, error);
  }
}

void ShardEntries::refuse_who_waits(const Error& error) { refuse({}, error); }

// In their order: what stays is done in it.
void ShardEntries::refuse(std::vector<Batcher::Gathered> pending, const Error& error) {
  while (!batcher_.empty()) pending.push_back(batcher_.take());
  for (auto& gathered : pending) {
    budgets_->admitted.give_back(gathered.bytes);
    for (std::size_t i = 0; i < gathered.waiters.size(); ++i) {
      if (std::holds_alternative<AheadWaiter>(gathered.waiters[i]))
        add(std::move(gathered.batch.commands[i]), std::move(gathered.waiters[i]));
      else
        actors::refuse(gathered.waiters[i], error);
    }
  }
}

void ShardEntries::refuse_all(const Error& error) {
  while (!batcher_.empty()) {
    auto gathered = batcher_.take();
    refuse_entry(std::move(gathered.waiters), gathered.bytes, error);
  }
}

}  // namespace earshot::actors
