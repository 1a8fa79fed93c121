#include "actors/state_writer.hpp"

#include <algorithm>
#include <iterator>
#include <span>
#include <unordered_map>
#include <utility>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "actors/writer_actor.hpp"

namespace earshot::actors {

namespace {

FlushOutcome outcome_of(ShardId shard, const storage::WriteDamage& damage) {
  const auto has = [shard](const std::vector<ShardId>& shards) {
    return std::ranges::find(shards, shard) != shards.end();
  };
  if (has(damage.unwritten)) return FlushOutcome::kRefused;
  return has(damage.met) ? FlushOutcome::kWrittenOverDamage : FlushOutcome::kWritten;
}

}  // namespace

StateWriter::StateWriter(storage::Environment& environment, DiskState& disk, const Clock& clock, Random random,
                         std::size_t transaction_bytes_max, std::shared_ptr<DiskWatch> watch)
    : environment_(environment),
      disk_(disk),
      retry_("state writer", clock, std::move(random)),
      transaction_bytes_max_(transaction_bytes_max),
      watch_(std::move(watch)) {}

std::size_t StateWriter::next_transaction() const {
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (; count < queue_.size(); ++count) {
    bytes += queue_[count]->changes.bytes();
    if (count > 0 && bytes > transaction_bytes_max_) break;
  }
  return count;
}

// Leaves in `count` how many were written, or tried last.
Status StateWriter::write_next(std::size_t& count, storage::WriteDamage& damage) {
  Status written = storage::write_overlays(environment_, std::span(queue_).first(count), &damage);
  if (written || written.error().code != ErrorCode::kStorageFull) return written;
  const bool ballast_given = watch_ != nullptr && watch_->ran_full();
  if (!ballast_given && count == 1) return written;
  count = 1;
  const auto smallest =
      std::ranges::min_element(queue_, {}, [](const auto& overlay) { return overlay->changes.bytes(); });
  std::iter_swap(queue_.begin(), smallest);  // shards' overlays are independent of each other
  damage = {};
  return storage::write_overlays(environment_, std::span(queue_).first(count), &damage);
}

std::vector<StateWriter::Completion> StateWriter::commit() {
  std::vector<Completion> completions;
  if (queue_.empty()) return completions;
  std::size_t count = next_transaction();
  storage::WriteDamage damage;
  const Status written = write_next(count, damage);
  disk_.set_state_full(!written.has_value());
  if (!written.has_value()) {
    retry_after_ms_ = retry_.failed(written.error());
    return completions;
  }
  retry_.succeeded();
  retry_after_ms_ = 0;
  for (std::size_t i = 0; i < count; ++i)
    completions.push_back({queue_[i]->shard, outcome_of(queue_[i]->shard, damage)});
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  return completions;
}

namespace {

class StateWriterActor final : public WriterActor<StateWriter> {
 public:
  StateWriterActor(caf::actor_config& config, storage::Environment& environment, WriterSetup setup)
      : WriterActor(config,
                    StateWriter(environment, setup.budgets->disk, *setup.clock, Random(setup.seed),
                                limits::kStateTransactionBytesMax, setup.budgets->watch),
                    setup.counters),
        budgets_(std::move(setup.budgets)) {}

  const char* name() const override { return "state-writer"; }

 private:
  caf::behavior make_behavior() override {
    return writer_behavior([this](FlushOverlay& message) {
      shards_[message.overlay->shard] = caf::actor_cast<caf::actor>(current_sender());
      writer().add(std::move(message.overlay));
      gather_soon();
    });
  }
  void tell(StateWriter::Completion completion) override {
    send(shards_.at(completion.shard), StateFlushed{completion.outcome});
  }
  void on_exit() override { shards_.clear(); }

  const std::shared_ptr<NodeBudgets> budgets_;
  std::unordered_map<ShardId, caf::actor> shards_;
};

}  // namespace

caf::actor spawn_state_writer(caf::actor_system& system, storage::Environment& environment, WriterSetup setup) {
  if (!setup.has_thread) return system.spawn<StateWriterActor>(std::ref(environment), std::move(setup));
  return system.spawn<StateWriterActor, caf::detached>(std::ref(environment), std::move(setup));
}

}  // namespace earshot::actors
