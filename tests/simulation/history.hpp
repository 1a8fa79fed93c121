#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "client/client.hpp"
#include "client/store.hpp"
#include "schema/messages.hpp"
#include "tests/simulation/accepted.hpp"
#include "tests/simulation/lives.hpp"
#include "tests/simulation/world.hpp"

namespace earshot::simulation {

// What a device's own database holds of its mailbox.
struct Received {
  DeliveryMode mode = DeliveryMode::kOrdered;
  Epoch epoch;
  Sequence began_at;  // nothing up to here was kept any more when it came
  Sequence last_received;
  std::map<Sequence, MessageId> messages;
  std::vector<LostRange> lost;
  Sequence cursor_told;  // the newest cursor that the server has answered
};

// A read on demand as it was asked for, with what was known by then: whoever answers must know as much.
struct AskedRead {
  bool from_end = false;  // history(): the newest below `place` (0: from the end); else fetch(): those after it
  Sequence place;
  Sequence known_end;              // History::known_end()
  std::uint64_t committed_ms = 0;  // Lives::committed_ms_min()
};

// What happened, as the applications and their databases saw it. The checks that can be made at once are made here;
// those that need the end are in checkers.hpp. Knows nothing of how the load or the faults are made.
class History {
 public:
  explicit History(World& world) : world_(world), lives_(messages_) {}

  void violation(const std::string& what);
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

  // ---- faults that excuse something
  void message_damaged(const UserId& user, Sequence sequence) { lives_.damaged(user, sequence); }

  // ---- what ends messages
  [[nodiscard]] Lives& lives() { return lives_; }
  [[nodiscard]] const Lives& lives() const { return lives_; }
  // The life of a message as the server tells it.
  void explained(const Explanation& explanation);
  void listed(const UserId& user, const std::vector<DeviceInfo>& devices);

  // ---- sending
  void accepted(MessageId id, Accepted message);
  void reported(const DeviceName& device, const client::SendReport& report);

  // ---- receiving
  Received& device(const DeviceName& name, DeliveryMode mode);
  void welcomed(const DeviceName& name, const Welcome& welcome);
  void acked(const DeviceName& name, Sequence cursor);
  // The device's database has committed what a login said.
  void began(const DeviceName& name, const client::InboxHead& head);
  // The device's database has committed these.
  void committed(const DeviceName& name, const client::InboxHead& head, std::span<const IncomingMessage> messages,
                 std::span<const LostRange> lost);
  // Read on demand: nothing is kept of it, but it must be true, whole, and no older than what was known when it was
  // asked for.
  [[nodiscard]] AskedRead asks(const UserId& user, bool from_end, Sequence place) const;
  void read(const DeviceName& name, const Batch& batch, const AskedRead& asked);
  // The last sequence of a mailbox that anybody was told of, by an answer to its sender or as a recipient. It is
  // committed: whoever asks from now on must be told at least as much.
  [[nodiscard]] Sequence known_end(const UserId& user) const;
  // A message as it stands in `user`'s mailbox, seen by anybody: must be what its sender gave.
  void check_content(const UserId& user, const IncomingMessage& message);

  [[nodiscard]] const std::map<MessageId, Accepted>& messages() const { return messages_; }
  // In the order in which each device's send() took them.
  [[nodiscard]] const std::map<DeviceName, std::vector<MessageId>>& order() const { return order_; }
  [[nodiscard]] const std::map<DeviceName, Received>& devices() const { return devices_; }
  [[nodiscard]] std::uint64_t answered() const { return answered_; }

 private:
  void commit_in_order(const DeviceName& name, Received& device, std::span<const IncomingMessage> messages,
                       std::span<const LostRange> lost);
  void check_lost(const DeviceName& name, const LostRange& range);
  void know(const UserId& user, Sequence sequence);
  [[nodiscard]] bool may_have(const DeviceName& name, Sequence sequence) const;

  World& world_;
  std::vector<std::string> violations_;
  std::map<MessageId, Accepted> messages_;
  std::map<DeviceName, std::vector<MessageId>> order_;
  std::map<DeviceName, Received> devices_;
  std::map<UserId, Epoch> epochs_;
  std::map<UserId, Sequence> known_ends_;
  std::uint64_t answered_ = 0;
  Lives lives_;
};

}  // namespace earshot::simulation
