#include "actors/shard_reads.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

std::uint32_t bounded(std::uint32_t limit) { return std::clamp<std::uint32_t>(limit, 1, limits::kFetchMessagesMax); }
std::size_t bounded(std::size_t bytes_max) { return std::min(bytes_max, limits::kBatchBytesMax); }

ReadOutcome outcome_of(const Result<Batch>& batch, Tells tells) {
  if (tells == Tells::kAll) return ReadOutcome::kAnswered;
  const auto has = [&](LostReason reason) {
    return std::ranges::any_of(batch->lost, [reason](const LostRange& range) { return range.reason == reason; });
  };
  if (batch ? has(LostReason::kCorrupt) : batch.error().code == ErrorCode::kCorrupt) return ReadOutcome::kDamaged;
  // Where a message has ended there is a tombstone that says why.
  if (tells == Tells::kNothing && batch && has(LostReason::kUnknown)) return ReadOutcome::kHole;
  return ReadOutcome::kAnswered;
}

ReadOutcome post(SessionPort& to, RequestId request, Result<Batch> batch, const std::shared_ptr<NodeBudgets>& budgets,
                 Tells tells) {
  if (const auto outcome = outcome_of(batch, tells); outcome != ReadOutcome::kAnswered) return outcome;
  std::size_t bytes = sizeof(Batch);
  if (batch) {
    for (const auto& message : batch->messages) bytes += sizeof message + message.body.size();
  }
  // The budget lives as long as the last lease of it.
  struct Held {
    std::shared_ptr<NodeBudgets> budgets;
    ByteLease lease;
  };
  auto held = std::make_shared<Held>(Held{budgets, ByteLease(budgets->reads, bytes)});
  to.post(FetchAnswered{request, std::move(batch), std::shared_ptr<const ByteLease>(held, &held->lease)});
  return ReadOutcome::kAnswered;
}

}  // namespace

ReadOutcome answer_read(const ShardFetch& read, cluster::ShardMachine& machine,
                        const std::shared_ptr<NodeBudgets>& budgets, Tells tells) {
  return post(*read.from, read.request,
              machine.fetch(read.user, read.after, bounded(read.limit), bounded(read.bytes_max)), budgets, tells);
}

ReadOutcome answer_read(const ShardHistory& read, cluster::ShardMachine& machine,
                        const std::shared_ptr<NodeBudgets>& budgets, Tells tells) {
  return post(*read.from, read.request,
              machine.history(read.user, read.before, bounded(read.limit), bounded(read.bytes_max)), budgets, tells);
}

ReadOutcome answer_read(const ShardWhere& read, cluster::ShardMachine& machine, Tells tells) {
  WhereAnswer answer;
  answer.reserve(read.members.size());
  for (const std::string& member : read.members) {
    const auto position = machine.position(read.layer, member);
    if (!position) {
      if (tells != Tells::kAll) return ReadOutcome::kDamaged;
      read.done(fail(position.error()));
      return ReadOutcome::kAnswered;
    }
    answer.push_back(*position
                         ? std::optional(Whereabouts{(*position)->score, (*position)->version, (*position)->hidden})
                         : std::nullopt);
  }
  read.done(std::move(answer));
  return ReadOutcome::kAnswered;
}

}  // namespace earshot::actors
