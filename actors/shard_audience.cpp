#include "actors/shard_audience.hpp"

#include <utility>
#include <variant>

#include <spdlog/spdlog.h>

#include "actors/shard_refusals.hpp"

namespace earshot::actors {

void Audience::add(ShardRegister registration, std::uint64_t now_ms) {
  const std::shared_ptr<SessionPort> port = registration.from;
  ParkingRule rule;
  if (registration.push) rule.deliveries_max = deliveries_max(registration.user);
  if (registration.push && registration.node != self_) rule.mailbox_end = mailbox_end(registration.user);
  presence_.add(std::move(registration));
  // A session begins with the rule that nothing is parked.
  if (rule.deliveries_max != 0 || rule.mailbox_end != Sequence()) port->post(rule);
  touches_.registered(now_ms);
}

bool Audience::agrees(NodeId node, const RegistrationDigest& theirs) {
  if (presence_.digest_of(node) == theirs) {
    doubted_.erase(node);
    return true;
  }
  if (doubted_.insert(node).second) return true;
  doubted_.erase(node);
  presence_.remove_node(node);
  return false;
}

void Audience::clear() {
  doubted_.clear();
  presence_ = Presence();
  touches_ = TouchRound();
}

void Audience::tell(const cluster::Effects& effects) {
  presence_.push(effects.delivered);
  presence_.end(effects.ended);
  for (const auto& [user, device] : effects.removed_devices) {
    presence_.evict(user, device, refusals::device_removed());
  }
}

void Audience::tell_result(const Waiter& waiter, const cluster::CommandResult& result) const {
  if (const auto* attempts = std::get_if<AttemptsWaiter>(&waiter)) {
    // Not only to the session that counted: by now another one may have the device.
    const auto* noted = std::get_if<cluster::AttemptsResult>(&result);
    if (noted != nullptr) presence_.park(attempts->user, attempts->device, noted->parked);
  } else if (const auto* manage = std::get_if<ManageWaiter>(&waiter)) {
    const auto* status = std::get_if<cluster::StatusResult>(&result);
    if (manage->policy_of && status != nullptr && status->status) tell_rule(*manage->policy_of);
  }
}

// A policy has changed: this one's, or (empty) the default.
void Audience::tell_rule(const UserId& user) const {
  const auto tell = [this](const UserId& owner, const Presence::Registration& session) {
    if (session.push) session.port->post(ParkingRule{deliveries_max(owner)});
  };
  if (user.empty()) return presence_.for_each(tell);
  for (const auto& session : presence_.sessions_of(user)) tell(user, session);
}

// One that cannot be read is found to be so by whoever reads it.
Sequence Audience::mailbox_end(const UserId& user) const {
  const auto nothing = machine_.fetch(user, Sequence(), 0, 0);
  return nothing ? nothing->last_sequence : Sequence();
}

std::uint32_t Audience::deliveries_max(const UserId& user) const {
  const auto policy = machine_.policy(user);
  if (policy) return policy->policy.deliveries_max;
  spdlog::error("shard {}: the policy of {} cannot be read: {}", shard_.value, user.text(), policy.error().to_string());
  return 0;
}

}  // namespace earshot::actors
