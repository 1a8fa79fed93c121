#include "tests/simulation/lives.hpp"

#include <algorithm>

namespace earshot::simulation {
namespace {

std::string text(Sequence sequence) { return std::to_string(sequence.value); }

}  // namespace

// ---- asked for

void Lives::replay_asked(const UserId& user, const std::vector<Sequence>& sequences) {
  for (const Sequence sequence : sequences) ++replays_asked_[user][sequence];
}

void Lives::replayed(const UserId& user, const std::vector<Sequence>& sequences, const std::vector<Sequence>& copies) {
  for (std::size_t i = 0; i < std::min(sequences.size(), copies.size()); ++i) {
    if (copies[i] != Sequence()) replays_seen_[user][sequences[i]].insert(copies[i]);
  }
}

template <class Number>
Number Lives::smallest(const UserId& user, Number Policy::*field) const {
  Number found = 0;
  for (const UserId& owner : {user, UserId()}) {
    const auto asked = policies_.find(owner);
    if (asked == policies_.end()) continue;
    for (const Policy& policy : asked->second) {
      if (policy.*field != 0) found = found == 0 ? policy.*field : std::min(found, policy.*field);
    }
  }
  return found;
}

// ---- seen

std::optional<std::string> Lives::seen(const UserId& user, const IncomingMessage& message) {
  const Seen now{message.id, message.stored_at_ms, message.expires_at_ms};
  const auto [known, is_new] = seen_[user].try_emplace(message.sequence, now);
  if (!is_new && known->second.id != message.id) return "was another message before";
  auto& newest_ms = newest_stored_ms_[user];
  if (tells_a_tick_(message.stored_at_ms)) newest_ms = std::max(newest_ms, message.stored_at_ms);
  if (message.replay_of != Sequence()) return check_replay(user, message);

  const Accepted& sent = messages_.at(message.id);
  if (sent.expired) return "is there, though its sender was told that it came too late";
  if (sent.ttl_ms == 0 && message.expires_at_ms != 0) return "has a time to live that nobody gave it";
  if (sent.ttl_ms == 0) return std::nullopt;
  if (message.expires_at_ms <= message.stored_at_ms || message.expires_at_ms - message.stored_at_ms > sent.ttl_ms)
    return "has another time to live than the " + std::to_string(sent.ttl_ms) + " ms of its sender";
  return std::nullopt;
}

std::optional<std::string> Lives::check_replay(const UserId& user, const IncomingMessage& message) {
  if (message.replay_of >= message.sequence) return "is a replay of what comes after it";
  if (message.expires_at_ms != 0) return "is a replay that ends";
  const Seen* first = find(user, message.replay_of);
  if (first != nullptr && first->id != message.id) return "is a replay of " + text(message.replay_of) + ", another one";
  auto& copies = replays_seen_[user][message.replay_of];
  copies.insert(message.sequence);
  if (copies.size() > replays_asked_[user][message.replay_of])
    return "is a replay of " + text(message.replay_of) + " that nobody asked for";
  return std::nullopt;
}

std::uint64_t Lives::committed_ms_min(const UserId& user) const {
  const auto newest = newest_stored_ms_.find(user);
  return newest == newest_stored_ms_.end() ? 0 : newest->second;
}

std::optional<std::string> Lives::ended_and_shown(const std::vector<IncomingMessage>& messages,
                                                  std::uint64_t committed_ms_min) const {
  for (const IncomingMessage& message : messages) {
    if (tells_a_tick_(message.stored_at_ms)) committed_ms_min = std::max(committed_ms_min, message.stored_at_ms);
  }
  for (const IncomingMessage& message : messages) {
    if (message.expires_at_ms != 0 && message.expires_at_ms <= committed_ms_min)
      return text(message.sequence) + " is shown after its time: it was to end at " +
             std::to_string(message.expires_at_ms) + ", and " + std::to_string(committed_ms_min) + " is committed";
  }
  return std::nullopt;
}

// ---- lost

std::optional<std::string> Lives::lost(const UserId& user, const DeviceId* device, Sequence sequence,
                                       LostReason reason) {
  switch (reason) {
    case LostReason::kCorrupt:
      if (is_damaged(user, sequence)) return std::nullopt;
      break;
    case LostReason::kExpired: ended_[user].emplace(sequence, reason); return expired(user, sequence);
    case LostReason::kTrimmed: ended_[user].emplace(sequence, reason); return trimmed(user, sequence);
    case LostReason::kParked: {
      const std::uint32_t least = smallest(user, &Policy::deliveries_max);
      if (device == nullptr || least == 0) break;
      const std::uint64_t deliveries = deliveries_of(user, *device, sequence);
      if (deliveries >= least) return std::nullopt;
      return text(sequence) + " is parked after " + std::to_string(deliveries) + " deliveries of " +
             std::to_string(least);
    }
    case LostReason::kUnknown: break;
  }
  return text(sequence) + " is said to be lost (" + std::string(name_of(reason)) + ") without cause";
}

std::optional<std::string> Lives::expired(const UserId& user, Sequence sequence) const {
  const Seen* message = find(user, sequence);
  if (message == nullptr) return std::nullopt;  // the end of the run tells
  if (message->expires_at_ms == 0) return text(sequence) + " has expired without a time to live";
  if (message->expires_at_ms > committed_ms_max_()) return text(sequence) + " has expired before its time";
  return std::nullopt;
}

// A damaged message goes as trimmed when one behind it has expired.
std::optional<std::string> Lives::trimmed(const UserId& user, Sequence sequence) const {
  if (damaged_.contains(user)) return std::nullopt;
  const std::uint64_t age_ms = smallest(user, &Policy::retention_age_ms);
  if (smallest(user, &Policy::retention_messages) != 0) return std::nullopt;  // the end of the run tells
  if (age_ms == 0) return text(sequence) + " is trimmed, though no policy trims";
  const Seen* message = find(user, sequence);
  const bool is_old = message == nullptr || message->stored_at_ms + age_ms <= committed_ms_max_();
  const bool has_expired = message != nullptr && message->expires_at_ms != 0;
  if (is_old || has_expired) return std::nullopt;
  return text(sequence) + " is trimmed before its time";
}

std::uint64_t Lives::deliveries_of(const UserId& user, const DeviceId& device, Sequence sequence) const {
  const auto of_device = deliveries_.find(DeviceName{user, device});
  if (of_device == deliveries_.end()) return 0;
  const auto found = of_device->second.find(sequence);
  return found == of_device->second.end() ? 0 : found->second;
}

const Lives::Seen* Lives::find(const UserId& user, Sequence sequence) const {
  const auto mailbox = seen_.find(user);
  if (mailbox == seen_.end()) return nullptr;
  const auto message = mailbox->second.find(sequence);
  return message == mailbox->second.end() ? nullptr : &message->second;
}

bool Lives::is_damaged(const UserId& user, Sequence sequence) const {
  const auto mailbox = damaged_.find(user);
  return mailbox != damaged_.end() && mailbox->second.contains(sequence);
}

// ---- at the end

std::uint64_t Lives::replays() const {
  std::uint64_t replays = 0;
  for (const auto& [user, copies_of] : replays_seen_) {
    for (const auto& [sequence, copies] : copies_of) replays += copies.size();
  }
  return replays;
}

Lives::Failures Lives::check(const UserId& user, const std::vector<IncomingMessage>& present, Sequence end) const {
  Failures failures;
  const std::string mailbox = "mailbox " + user.text() + ": ";
  std::map<Sequence, const IncomingMessage*> there;
  for (const IncomingMessage& message : present) there.emplace(message.sequence, &message);

  std::map<Sequence, const Accepted*> answered;
  for (const auto& [id, message] : messages_) {
    if (message.to == user && message.answer) answered.emplace(message.answer->sequence, &message);
  }
  const std::uint64_t kept = smallest(user, &Policy::retention_messages);
  const bool by_age = smallest(user, &Policy::retention_age_ms) != 0 || damaged_.contains(user);
  const auto ended = ended_.find(user);
  for (const auto& [sequence, reason] : ended == ended_.end() ? Sequences{} : ended->second) {
    const bool is_expired = reason == LostReason::kExpired;
    // A message that a policy hid by its age comes to light again when the policy goes.
    if ((is_expired || !by_age) && there.contains(sequence))
      failures.push_back(mailbox + text(sequence) + " was said to have ended, and is there");
    const auto message = answered.find(sequence);
    const bool has_ttl = message == answered.end() || message->second->ttl_ms != 0;
    if (is_expired && !has_ttl) failures.push_back(mailbox + text(sequence) + " has expired without a time to live");
    if (reason == LostReason::kTrimmed && !by_age && sequence.value + kept > end.value && message != answered.end() &&
        !has_ttl)
      failures.push_back(mailbox + text(sequence) + " is trimmed, though " + std::to_string(kept) +
                         " messages are to be kept of " + text(end));
  }
  const auto replays = replays_seen_.find(user);
  if (replays == replays_seen_.end()) return failures;
  for (const auto& [sequence, copies] : replays->second) {
    for (const Sequence copy : copies) {
      const auto found = there.find(copy);
      if (found != there.end() && found->second->replay_of != sequence)
        failures.push_back(mailbox + text(copy) + " is not the replay of " + text(sequence) +
                           " that it was said to be");
    }
  }
  return failures;
}

}  // namespace earshot::simulation
