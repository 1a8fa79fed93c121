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

bool shows_damage(const Result<Batch>& batch) {
  if (!batch) return batch.error().code == ErrorCode::kCorrupt;
  return std::ranges::any_of(batch->lost, [](const LostRange& range) { return range.reason == LostReason::kCorrupt; });
}

bool post(SessionPort& to, RequestId request, Result<Batch> batch, const std::shared_ptr<NodeBudgets>& budgets,
          bool tells_damage) {
  if (!tells_damage && shows_damage(batch)) return false;
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
  return true;
}

}  // namespace

bool answer_read(const ShardFetch& read, cluster::ShardMachine& machine, const std::shared_ptr<NodeBudgets>& budgets,
                 bool tells_damage) {
  return post(*read.from, read.request,
              machine.fetch(read.user, read.after, bounded(read.limit), bounded(read.bytes_max)), budgets,
              tells_damage);
}

bool answer_read(const ShardHistory& read, cluster::ShardMachine& machine, const std::shared_ptr<NodeBudgets>& budgets,
                 bool tells_damage) {
  return post(*read.from, read.request,
              machine.history(read.user, read.before, bounded(read.limit), bounded(read.bytes_max)), budgets,
              tells_damage);
}

bool answer_read(const ShardWhere& read, cluster::ShardMachine& machine, bool tells_damage) {
  WhereAnswer answer;
  answer.reserve(read.members.size());
  for (const std::string& member : read.members) {
    const auto position = machine.position(read.layer, member);
    if (!position) {
      if (!tells_damage) return false;
      read.done(fail(position.error()));
      return true;
    }
    answer.push_back(*position
                         ? std::optional(Whereabouts{(*position)->score, (*position)->version, (*position)->hidden})
                         : std::nullopt);
  }
  read.done(std::move(answer));
  return true;
}

}  // namespace earshot::actors
