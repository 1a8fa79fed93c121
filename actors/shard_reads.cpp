#include "actors/shard_reads.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

std::uint32_t bounded(std::uint32_t limit) { return std::clamp<std::uint32_t>(limit, 1, limits::kFetchMessagesMax); }
std::size_t bounded(std::size_t bytes_max) { return std::min(bytes_max, limits::kBatchBytesMax); }

void post(SessionPort& to, RequestId request, Result<Batch> batch, const std::shared_ptr<NodeBudgets>& budgets) {
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
}

}  // namespace

void answer_read(const ShardFetch& read, cluster::ShardMachine& machine, const std::shared_ptr<NodeBudgets>& budgets) {
  post(*read.from, read.request, machine.fetch(read.user, read.after, bounded(read.limit), bounded(read.bytes_max)),
       budgets);
}

void answer_read(const ShardHistory& read, cluster::ShardMachine& machine,
                 const std::shared_ptr<NodeBudgets>& budgets) {
  post(*read.from, read.request, machine.history(read.user, read.before, bounded(read.limit), bounded(read.bytes_max)),
       budgets);
}

}  // namespace earshot::actors
