#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "schema/manage.hpp"
#include "schema/messages.hpp"
#include "tests/simulation/accepted.hpp"

namespace earshot::simulation {

// What may end messages, as it was asked for, and what was seen of them: hence which ends have a cause. What was asked
// for may take effect at any time after, or never, so everything asked for counts from then on.
class Lives {
 public:
  using Sequences = std::map<Sequence, LostReason>;
  using Failures = std::vector<std::string>;

  explicit Lives(const std::map<MessageId, Accepted>& messages) : messages_(messages) {}
  // The committed time is never beyond what the first gives. The second: whether a message stored at that time shows
  // that the committed time is not before it.
  void set_committed_time(std::function<std::uint64_t()> latest_ms, std::function<bool(std::uint64_t)> tells_a_tick) {
    committed_ms_max_ = std::move(latest_ms);
    tells_a_tick_ = std::move(tells_a_tick);
  }

  // ---- asked for
  void policy_asked(const UserId& user, const Policy& policy) { policies_[user].push_back(policy); }  // nobody: all
  void removal_asked(const DeviceName& device) { removed_.insert(device); }
  void replay_asked(const UserId& user, const std::vector<Sequence>& sequences);
  void replayed(const UserId& user, const std::vector<Sequence>& sequences, const std::vector<Sequence>& copies);
  [[nodiscard]] bool may_be_removed(const DeviceName& device) const { return removed_.contains(device); }

  // ---- faults
  void damaged(const UserId& user, Sequence sequence) { damaged_[user].insert(sequence); }

  // ---- seen
  void delivered(const DeviceName& device, Sequence sequence) { ++deliveries_[device][sequence]; }
  // A message as it stands in `user`'s mailbox. Nothing: it may be there.
  std::optional<std::string> seen(const UserId& user, const IncomingMessage& message);
  // The newest time that messages of this mailbox were stored at, as far as somebody has seen: the shard's time is not
  // before it any more.
  [[nodiscard]] std::uint64_t committed_ms_min(const UserId& user) const;
  // Of messages shown by the shard at that time or later: one that had ended by then. Nothing: none had.
  [[nodiscard]] std::optional<std::string> ended_and_shown(const std::vector<IncomingMessage>& messages,
                                                           std::uint64_t committed_ms_min) const;

  // Was kept no more when a device began behind it.
  void gone(const UserId& user, Sequence sequence) { ended_[user].emplace(sequence, LostReason::kUnknown); }
  // Says that a sequence is lost, to `device` or (none) to everybody. Nothing: there is a cause, or it takes the end of
  // the run to tell.
  std::optional<std::string> lost(const UserId& user, const DeviceId* device, Sequence sequence, LostReason reason);

  // ---- at the end
  // Copies of parked messages that somebody saw in a mailbox.
  [[nodiscard]] std::uint64_t replays() const;
  // What was said to have ended stays so, and had a cause. `present` is the mailbox, `end` its last sequence.
  [[nodiscard]] Failures check(const UserId& user, const std::vector<IncomingMessage>& present, Sequence end) const;

 private:
  struct Seen {
    MessageId id;
    std::uint64_t stored_at_ms = 0;
    std::uint64_t expires_at_ms = 0;
  };

  // The smallest that was ever asked for, of this mailbox or of all; 0: none.
  template <class Number>
  [[nodiscard]] Number smallest(const UserId& user, Number Policy::*field) const;
  [[nodiscard]] std::uint64_t deliveries_of(const UserId& user, const DeviceId& device, Sequence sequence) const;
  std::optional<std::string> expired(const UserId& user, Sequence sequence) const;
  std::optional<std::string> trimmed(const UserId& user, Sequence sequence) const;
  std::optional<std::string> check_replay(const UserId& user, const IncomingMessage& message);
  [[nodiscard]] const Seen* find(const UserId& user, Sequence sequence) const;
  [[nodiscard]] bool is_damaged(const UserId& user, Sequence sequence) const;

  const std::map<MessageId, Accepted>& messages_;
  std::function<std::uint64_t()> committed_ms_max_;
  std::function<bool(std::uint64_t)> tells_a_tick_;
  std::map<UserId, std::vector<Policy>> policies_;
  std::set<DeviceName> removed_;
  std::map<UserId, std::map<Sequence, std::uint32_t>> replays_asked_;
  std::map<UserId, std::map<Sequence, std::set<Sequence>>> replays_seen_;
  std::map<UserId, std::set<Sequence>> damaged_;
  std::map<DeviceName, std::map<Sequence, std::uint64_t>> deliveries_;
  std::map<UserId, std::map<Sequence, Seen>> seen_;
  std::map<UserId, std::uint64_t> newest_stored_ms_;
  std::map<UserId, Sequences> ended_;  // for everybody, as somebody was told
};

}  // namespace earshot::simulation
