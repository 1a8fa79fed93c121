#include "actors/shard_outbox.hpp"

#include <algorithm>

#include <spdlog/spdlog.h>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

// The head of the stream to `target`, if it has undrained records.
std::optional<OutboxHead> undrained_head(cluster::ShardMachine& machine, ShardId target) {
  const auto heads = machine.outbox_heads();
  if (!heads.has_value()) return std::nullopt;
  const auto found =
      std::find_if(heads->begin(), heads->end(), [target](const auto& head) { return head.first == target; });
  if (found == heads->end()) return std::nullopt;
  return found->second;
}

bool is_lost(const OutboxRecord& record) { return record.cause == OutboxCause::kLost; }

}  // namespace

OutboxDrain::OutboxDrain(ShardId self, cluster::ShardMachine& machine, BackoffPolicy resend, Random random)
    : self_(self), machine_(machine), resend_(resend), random_(std::move(random)) {}

Status OutboxDrain::begin(const Router& router, std::uint64_t now_ms, bool is_alone) {
  end();
  is_alone_ = is_alone;
  const auto heads = machine_.outbox_heads();
  if (!heads.has_value()) return fail(heads.error());
  for (const auto& [id, head] : *heads) {
    Target& target = targets_[id];
    target.committed = target.confirmed = target.sent = head.confirmed;
    send(id, target, router, now_ms);
  }
  return {};
}

void OutboxDrain::end() {
  targets_.clear();
  confirms_due_ = 0;
  met_damage_ = false;
}

void OutboxDrain::written(ShardId id, const Router& router, std::uint64_t now_ms) {
  auto found = targets_.find(id);
  if (found == targets_.end()) {
    const auto head = undrained_head(machine_, id);
    if (!head.has_value()) return;  // confirmed meanwhile: nothing is left to send
    found = targets_.emplace(id, Target{}).first;
    found->second.committed = found->second.confirmed = found->second.sent = head->confirmed;
  }
  if (found->second.resend_at_ms == 0) send(id, found->second, router, now_ms);
}

void OutboxDrain::transferred(const ShardTransferred& answer, const Router& router, std::uint64_t now_ms) {
  const auto found = targets_.find(answer.target);
  if (found == targets_.end() || answer.epoch != machine_.epoch()) return;
  Target& target = found->second;
  // No progress: an answer to a repeat, or the target misses something, and the timer will send it again.
  if (answer.last <= target.committed) return;
  std::uint64_t committed = answer.last;
  if (committed > target.sent) {
    // An earlier leader sent it and its confirmation did not make it into the log. Never beyond what exists.
    const auto head = undrained_head(machine_, answer.target);
    if (!head.has_value() || head->next <= target.committed) return;
    committed = std::min(committed, head->next - 1);
  }
  if (target.committed == target.confirmed) ++confirms_due_;
  target.committed = committed;
  target.attempts = 0;
  send(answer.target, target, router, now_ms);
}

void OutboxDrain::wake(const Router& router, std::uint64_t now_ms) {
  for (auto& [id, target] : targets_) {
    if (target.resend_at_ms != 0 && target.resend_at_ms <= now_ms) send(id, target, router, now_ms);
  }
}

std::uint64_t OutboxDrain::wake_at() const {
  std::uint64_t at_ms = 0;
  for (const auto& [id, target] : targets_) {
    if (target.resend_at_ms != 0 && (at_ms == 0 || target.resend_at_ms < at_ms)) at_ms = target.resend_at_ms;
  }
  return at_ms;
}

std::vector<ConfirmCommand> OutboxDrain::take_confirms() {
  std::vector<ConfirmCommand> confirms;
  if (confirms_due_ == 0) return confirms;
  for (auto& [id, target] : targets_) {
    if (target.committed == target.confirmed) continue;
    target.confirmed = target.committed;
    confirms.push_back(ConfirmCommand{id, target.committed});
  }
  confirms_due_ = 0;
  return confirms;
}

void OutboxDrain::send(ShardId id, Target& target, const Router& router, std::uint64_t now_ms) {
  const auto read = [&] {
    return machine_.outbox(id, target.committed + 1, limits::kOutboxWindowMax, limits::kTransferBytesMax);
  };
  auto records = read();
  if (!records.has_value() && records.error().code == ErrorCode::kNotFound) {
    // An earlier leader's confirmation, which the log held and the state had not when this one began.
    if (target.committed != target.confirmed) --confirms_due_;
    target.committed = target.confirmed = records.error().expected - 1;
    target.attempts = 0;
    records = read();
  }
  const std::uint64_t first = target.committed + 1;
  target.sent = target.committed;
  if (records.has_value() && records->empty()) {
    target.attempts = 0;
    target.resend_at_ms = 0;
    return;
  }
  target.attempts += 1;
  target.resend_at_ms = now_ms + backoff_ms(resend_, target.attempts, random_);
  if (!records.has_value()) {
    spdlog::error("shard {}: outbox for shard {} stands still: {}", self_.value, id.value, records.error().to_string());
    return;
  }
  if (!is_alone_ && std::ranges::any_of(*records, &is_lost)) {
    met_damage_ = true;
    return;
  }
  target.sent += records->size();
  router.shard(id).post(ShardTransfer{TransferCommand{self_, machine_.epoch(), first, std::move(*records)}});
}

}  // namespace earshot::actors
