#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "actors/ports.hpp"
#include "base/checksum.hpp"
#include "tests/support/deaf_shard.hpp"

// Ports that record, and the values that tests of shards send through them.
namespace earshot::tests {

inline constexpr std::uint16_t kShardCount = 4;

// The n-th user (from 0) whose name hashes to the shard.
inline UserId user_in(ShardId shard, std::size_t n = 0, std::uint16_t shard_count = kShardCount) {
  for (std::size_t i = 0;; ++i) {
    UserId user = UserId::trusted("user-" + std::to_string(i));
    if (shard_of(user, shard_count) == shard && n-- == 0) return user;
  }
}

inline DeviceId device(std::string_view name) { return DeviceId::trusted(name); }

inline OutgoingMessage outgoing(UserId recipient, std::uint64_t number, std::string body = "hello") {
  OutgoingMessage message;
  message.recipient = std::move(recipient);
  message.number = LaneNumber(number);
  message.id = MessageId{number * 7919, number};
  message.checksum = checksum_of(body);
  message.body = std::move(body);
  return message;
}

// A session that writes down what it is told. Other nodes find it where it has an address.
class RecordingSession final : public actors::SessionPort {
 public:
  RecordingSession() = default;
  explicit RecordingSession(const actors::PortAddress& address) : address_(address) {}

  [[nodiscard]] actors::PortAddress address() const override { return address_; }
  void post(actors::SendsAnswered message) override { sends.push_back(std::move(message)); }
  void post(actors::LoginAnswered message) override { logins.push_back(std::move(message)); }
  void post(actors::AckAnswered message) override { acks.push_back(std::move(message)); }
  void post(actors::FetchAnswered message) override { fetches.push_back(std::move(message)); }
  void post(actors::MailboxPush message) override { pushes.push_back(std::move(message)); }
  void post(actors::ManageAnswered message) override { manages.push_back(std::move(message)); }
  void post(actors::AttemptsAnswered message) override { attempts.push_back(std::move(message)); }
  void post(actors::MessagesEnded message) override {
    ended.insert(ended.end(), message.ranges.begin(), message.ranges.end());
  }
  void post(actors::ParkingRule message) override { rules.push_back(message.deliveries_max); }
  void post(actors::SessionExplain message) override { explains.push_back(std::move(message)); }
  void post(actors::SessionExplained message) override { explained.push_back(std::move(message)); }
  void post(actors::SessionEvicted message) override { evicted = std::move(message.reason); }
  void post(actors::LeaderAnnounced) override {}

  // Sequences that were pushed, in their order.
  [[nodiscard]] std::vector<std::uint64_t> pushed() const {
    std::vector<std::uint64_t> sequences;
    for (const auto& push : pushes) {
      for (const auto& message : push.messages) sequences.push_back(message->sequence.value);
    }
    return sequences;
  }
  // Sequences under which sent messages were stored, in the order of the answers; 0 for one that was not.
  [[nodiscard]] std::vector<std::uint64_t> stored() const {
    std::vector<std::uint64_t> sequences;
    for (const auto& answered : sends) {
      for (const auto& answer : answered.answers) {
        const auto* stored = std::get_if<Stored>(&answer.value);
        sequences.push_back(stored != nullptr ? stored->sequence.value : 0);
      }
    }
    return sequences;
  }
  // Why the newest message was held; nothing when it was not.
  [[nodiscard]] std::optional<ErrorCode> held() const {
    if (sends.empty() || sends.back().answers.empty()) return std::nullopt;
    const auto* held = std::get_if<SendAnswer::Held>(&sends.back().answers.back().value);
    return held != nullptr ? std::optional(held->error.code) : std::nullopt;
  }

  std::vector<actors::SendsAnswered> sends;
  std::vector<actors::LoginAnswered> logins;
  std::vector<actors::AckAnswered> acks;
  std::vector<actors::FetchAnswered> fetches;
  std::vector<actors::MailboxPush> pushes;
  std::vector<actors::ManageAnswered> manages;
  std::vector<actors::AttemptsAnswered> attempts;
  std::vector<LostRange> ended;
  std::vector<std::uint32_t> rules;
  std::vector<actors::SessionExplain> explains;
  std::vector<actors::SessionExplained> explained;
  std::optional<Error> evicted;

 private:
  const actors::PortAddress address_;
};

// A shard elsewhere that writes down what it is sent.
class RecordingShard final : public DeafShard {
 public:
  using DeafShard::post;
  void post(actors::ShardTransfer message) override { transfers.push_back(std::move(message.command)); }
  void post(actors::ShardTransferred message) override { answers.push_back(message); }

  std::vector<TransferCommand> transfers;
  std::vector<actors::ShardTransferred> answers;
};

}  // namespace earshot::tests
