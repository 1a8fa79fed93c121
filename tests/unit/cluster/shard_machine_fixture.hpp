#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "base/checksum.hpp"
#include "cluster/shard_machine.hpp"
#include "schema/commands.hpp"
#include "storage/environment.hpp"
#include "storage/model_environment.hpp"
#include "storage/shard_state.hpp"
#include "storage/state_store.hpp"

namespace earshot::cluster {

inline constexpr std::uint16_t kTestShards = 4;
inline constexpr ShardId kTestShard{1};
inline constexpr ShardId kOtherShard{2};

// The n-th user (from 0) whose name hashes to the shard.
inline UserId user_in(ShardId shard, std::size_t n) {
  for (std::size_t i = 0;; ++i) {
    UserId user = UserId::trusted("user-" + std::to_string(i));
    if (shard_of(user, kTestShards) == shard && n-- == 0) return user;
  }
}

inline DeviceId device(std::string_view name) { return DeviceId::trusted(name); }
inline MessageId id_of(std::uint64_t number) { return MessageId{number * 7919, number}; }

inline OutgoingMessage outgoing(UserId recipient, std::uint64_t number, std::string body = "hello") {
  OutgoingMessage message;
  message.recipient = std::move(recipient);
  message.number = LaneNumber(number);
  message.id = id_of(number);
  message.checksum = checksum_of(body);
  message.body = std::move(body);
  message.sent_at_ms = 1000 + number;
  return message;
}

// Everything that an entry caused, as lines; texts for people are left out. For comparing effects and reading failures.
std::string describe(const Effects& effects);
std::string describe(const Batch& batch);

// One replica of the test shard: a machine over a state environment, and the log that made it.
class TestReplica {
 public:
  using OpenEnvironment = std::function<std::unique_ptr<storage::Environment>()>;

  explicit TestReplica(OpenEnvironment open, MachineLimits limits = {}, ShardId shard = kTestShard)
      : open_(std::move(open)), limits_(limits), shard_(shard) {
    start();
  }

  ShardMachine& operator*() { return *machine_; }
  ShardMachine* operator->() { return machine_.get(); }
  storage::ShardState& state() { return *state_; }

  // Appends a batch to the log and applies it.
  Effects apply(const CommandBatch& batch) {
    log_.push_back(encode(batch));
    Effects effects = machine_->apply(LogIndex(log_.size()), Term(1), log_.back());
    effects_.push_back(describe(effects));
    return effects;
  }
  Effects apply(Command command, std::uint64_t tick_ms = 0) {
    CommandBatch batch;
    batch.tick_ms = tick_ms;
    batch.commands.push_back(std::move(command));
    return apply(batch);
  }

  // One item of a lane, and its answer.
  SendAnswer send(ProducerId producer, const UserId& user, OutgoingMessage message,
                  std::optional<Error> refusal = std::nullopt) {
    SendCommand command{producer, user, device("phone"), {}};
    command.items.push_back(SendItem{std::move(message), std::move(refusal)});
    return std::get<SendResult>(apply(std::move(command)).results.at(0)).answers.at(0);
  }
  Result<LoginOutcome> login(LoginCommand command) {
    return std::get<LoginResult>(apply(std::move(command)).results.at(0)).outcome;
  }
  Result<Sequence> ack(const UserId& user, std::uint64_t up_to, std::vector<std::uint64_t> above = {}) {
    AckCommand command{user, device("phone"), Sequence(up_to), {}};
    for (auto sequence : above) command.above.push_back(Sequence(sequence));
    return std::get<AckResult>(apply(std::move(command)).results.at(0)).cursor;
  }
  Batch fetch(const UserId& user, std::uint64_t after = 0, std::uint32_t limit = 1000) {
    return machine_->fetch(user, Sequence(after), limit, 1 << 20).value();
  }

  // Begins a flush; nullptr when there is none to begin.
  std::shared_ptr<const storage::FrozenOverlay> freeze() { return machine_->freeze(); }
  void write(const std::shared_ptr<const storage::FrozenOverlay>& overlay) {
    ASSERT_TRUE(storage::write_overlays(*environment_, {&overlay, 1}).has_value());
    machine_->flushed();
  }
  void flush() {
    if (auto overlay = freeze()) write(overlay);
  }

  // The process ends and starts again: what was not flushed comes from the log, with the same effects.
  void reopen() {
    machine_.reset(), state_.reset(), environment_.reset();
    start();
  }
  void flush_and_reopen() { flush(), reopen(); }

  // As reopen(), but meets the disk in between.
  void reopen_after(const std::function<void()>& between) {
    machine_.reset(), state_.reset(), environment_.reset();
    between();
    start();
  }

  [[nodiscard]] std::size_t log_size() const { return log_.size(); }

 private:
  void start() {
    environment_ = open_();
    state_ = std::make_unique<storage::ShardState>(*environment_, shard_);
    auto machine = ShardMachine::open(*state_, shard_, kTestShards, limits_);
    ASSERT_TRUE(machine.has_value()) << machine.error().to_string();
    machine_ = std::move(*machine);
    for (std::uint64_t index = machine_->applied_index().value + 1; index <= log_.size(); ++index) {
      EXPECT_EQ(describe(machine_->apply(LogIndex(index), Term(1), log_[index - 1])), effects_[index - 1])
          << "applying entry " << index << " again had other effects";
    }
  }

  OpenEnvironment open_;
  MachineLimits limits_;
  ShardId shard_;
  std::vector<std::string> log_;      // entry i + 1
  std::vector<std::string> effects_;  // its effects when it was applied first
  std::unique_ptr<storage::Environment> environment_;
  std::unique_ptr<storage::ShardState> state_;
  std::unique_ptr<ShardMachine> machine_;
};

// ---- descriptions

inline std::string describe(const Error& error) {
  return std::string(name_of(error.code)) + "(" + error.field + ")" +
         (error.expected > 0 ? " expected " + std::to_string(error.expected) : "") +
         (error.retry_after_ms > 0 ? " retry" : "");
}

inline std::string describe(const SendAnswer& answer) {
  if (const auto* stored = std::get_if<Stored>(&answer.value)) {
    return "stored " + std::to_string(stored->sequence.value) + "@" + std::to_string(stored->epoch.value);
  }
  if (const auto* refused = std::get_if<SendAnswer::Refused>(&answer.value))
    return "refused " + describe(refused->error);
  return "held " + describe(std::get<SendAnswer::Held>(answer.value).error);
}

inline std::string describe(const IncomingMessage& message) {
  return std::to_string(message.sequence.value) + " " + message.id.to_string() + " from " + message.sender.text() +
         "/" + message.sender_device.text() + " copy of '" + message.copy_of.text() + "' sent " +
         std::to_string(message.sent_at_ms) + " stored " + std::to_string(message.stored_at_ms) + " attempt " +
         std::to_string(message.attempt) + " sum " + std::to_string(message.checksum) + " '" + message.body + "'" +
         (message.expires_at_ms > 0 ? " until " + std::to_string(message.expires_at_ms) : "") +
         (message.replay_of > Sequence{} ? " replay of " + std::to_string(message.replay_of.value) : "");
}

inline std::string describe(const LostRange& lost) {
  return "lost " + std::to_string(lost.first.value) + ".." + std::to_string(lost.last.value) + " " +
         std::string(name_of(lost.reason));
}

inline std::string describe(const CommandResult& result) {
  struct Describe {
    std::string operator()(const SendResult& r) const {
      std::string text = "send";
      for (const auto& answer : r.answers) text += ", " + describe(answer);
      return text;
    }
    std::string operator()(const LoginResult& r) const {
      if (!r.outcome.has_value()) return "login " + describe(r.outcome.error());
      const LoginOutcome& o = *r.outcome;
      return "login producer " + std::to_string(o.producer.value) + (o.new_producer ? " new" : "") + " epoch " +
             std::to_string(o.epoch.value) + " restored " + std::to_string(o.restored_up_to.value) + " cursor " +
             std::to_string(o.cursor.value) + " last " + std::to_string(o.last_sequence.value) +
             (o.parked.empty() ? "" : " parked" + list_of(o.parked));
    }
    std::string operator()(const AckResult& r) const {
      return "ack " + (r.cursor.has_value() ? std::to_string(r.cursor->value) : describe(r.cursor.error()));
    }
    std::string operator()(const TransferResult& r) const { return "transfer " + std::to_string(r.last); }
    std::string operator()(const ConfirmResult&) const { return "confirm"; }
    std::string operator()(const TouchResult&) const { return "touch"; }
    std::string operator()(const AttemptsResult& r) const { return "attempts, parked" + list_of(r.parked); }
    std::string operator()(const ReplayResult& r) const {
      return "replay" + (r.sequences.has_value() ? list_of(*r.sequences) : " " + describe(r.sequences.error()));
    }
    std::string operator()(const StatusResult& r) const {
      return "status " + (r.status.has_value() ? "ok" : describe(r.status.error()));
    }
    std::string operator()(const PositionsResult& r) const {
      if (!r.outcomes.has_value()) return "positions " + describe(r.outcomes.error());
      std::string text = "positions";
      for (const PositionOutcome outcome : *r.outcomes) text += " " + std::to_string(static_cast<int>(outcome));
      return text;
    }
    std::string operator()(const ClearedResult& r) const {
      return "cleared " + (r.members.has_value() ? std::to_string(*r.members) : describe(r.members.error()));
    }
    std::string operator()(const LayersClearedResult& r) const {
      if (!r.members.has_value()) return "cleared " + describe(r.members.error());
      std::string text = "cleared";
      for (const std::uint64_t members : *r.members) text += " " + std::to_string(members);
      return text;
    }
    static std::string list_of(const std::vector<Sequence>& sequences) {
      std::string text;
      for (const Sequence sequence : sequences) text += " " + std::to_string(sequence.value);
      return text;
    }
  };
  return std::visit(Describe{}, result);
}

inline std::string describe(const Effects& effects) {
  std::string text;
  for (const auto& result : effects.results) text += describe(result) + "\n";
  for (const auto& [user, message] : effects.delivered) text += user.text() + " gets " + describe(*message) + "\n";
  for (const auto target : effects.outbox_targets) text += "outbox to " + std::to_string(target.value) + "\n";
  for (const auto& [user, range] : effects.ended) text += user.text() + " " + describe(range) + "\n";
  for (const auto& [user, gone] : effects.removed_devices) text += "removed " + user.text() + "/" + gone.text() + "\n";
  for (const Move& move : effects.moves)
    text += move.layer.text() + "/" + move.member + (move.score ? " to " + std::to_string(*move.score) : " gone") +
            " by " + std::to_string(move.version) + "\n";
  for (const auto& [layer, version] : effects.cleared_layers)
    text += layer.text() + " cleared by " + std::to_string(version) + "\n";
  if (effects.dropped > 0) text += "dropped " + std::to_string(effects.dropped) + "\n";
  if (effects.damaged > 0) text += "damaged " + std::to_string(effects.damaged) + "\n";
  return text;
}

inline std::string describe(const Batch& batch) {
  std::string text = "last " + std::to_string(batch.last_sequence.value) + "\n";
  for (const auto& message : batch.messages) text += describe(message) + "\n";
  for (const auto& lost : batch.lost) text += describe(lost) + "\n";
  return text;
}

}  // namespace earshot::cluster
