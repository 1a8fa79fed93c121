#include "actors/log_writer.hpp"

#include <iterator>
#include <span>
#include <unordered_map>
#include <utility>

#include <caf/all.hpp>

#include "actors/interfaces.hpp"
#include "actors/writer_actor.hpp"

namespace earshot::actors {

LogWriter::LogWriter(storage::LogStore& store, DiskState& disk, const Clock& clock, Random random,
                     std::size_t transaction_bytes_max)
    : store_(store),
      disk_(disk),
      retry_("log writer", clock, std::move(random)),
      transaction_bytes_max_(transaction_bytes_max) {}

std::size_t LogWriter::next_transaction() const {
  std::size_t count = 0;
  std::size_t bytes = 0;
  for (; count < queue_.size(); ++count) {
    bytes += queue_[count].bytes();
    if (count > 0 && bytes > transaction_bytes_max_) break;
  }
  return count;
}

std::vector<LogWriter::Completion> LogWriter::commit() {
  std::vector<Completion> completions;
  if (queue_.empty()) return completions;
  const std::size_t count = next_transaction();
  const auto written = store_.write(std::span(queue_).first(count));
  disk_.set_log_full(!written.has_value());
  if (!written.has_value()) {
    retry_after_ms_ = retry_.failed(written.error());
    return completions;
  }
  retry_.succeeded();
  retry_after_ms_ = 0;

  std::unordered_map<storage::GroupId, std::size_t> places;
  for (std::size_t i = 0; i < count; ++i) {
    const auto [place, is_new] = places.try_emplace(queue_[i].group, completions.size());
    if (is_new) completions.push_back(Completion{queue_[i].group, {}});
    completions[place->second].tickets.push_back(queue_[i].ticket);
  }
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(count));
  return completions;
}

namespace {

class LogWriterActor final : public WriterActor<LogWriter> {
 public:
  LogWriterActor(caf::actor_config& config, storage::LogStore& store, WriterSetup setup)
      : WriterActor(config, LogWriter(store, setup.budgets->disk, *setup.clock, Random(setup.seed))),
        budgets_(std::move(setup.budgets)) {}

  const char* name() const override { return "log-writer"; }

 private:
  caf::behavior make_behavior() override {
    return writer_behavior([this](LogWrites& message) {
      shards_[message.shard] = caf::actor_cast<caf::actor>(current_sender());
      writer().add(std::move(message.write));
      gather_soon();
    });
  }
  void tell(LogWriter::Completion completion) override {
    send(shards_.at(completion.group), LogPersisted{std::move(completion.tickets)});
  }
  void on_exit() override { shards_.clear(); }

  const std::shared_ptr<NodeBudgets> budgets_;
  std::unordered_map<ShardId, caf::actor> shards_;
};

}  // namespace

caf::actor spawn_log_writer(caf::actor_system& system, storage::LogStore& store, WriterSetup setup) {
  if (!setup.has_thread) return system.spawn<LogWriterActor>(std::ref(store), std::move(setup));
  return system.spawn<LogWriterActor, caf::detached>(std::ref(store), std::move(setup));
}

}  // namespace earshot::actors
