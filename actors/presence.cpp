#include "actors/presence.hpp"

#include <algorithm>
#include <utility>

#include "actors/shard_refusals.hpp"

namespace earshot::actors {
namespace {

bool is_same(const ShardRegister& one, const Presence::Registration& other) {
  return one.session == other.session && one.node == other.node;
}

bool is_before(const ShardRegister& one, const Presence::Registration& other) {
  if (one.order.is_before(other.order)) return true;
  return !other.order.is_before(one.order) && one.node == other.node && one.session < other.session;
}

Error too_many() {
  return Error{ErrorCode::kOverloaded, "sessions", "the shard keeps as many live sessions as it may",
               limits::kRetryAfterMs, 0};
}

}  // namespace

void Presence::add(ShardRegister registration) {
  const auto user = users_.find(registration.user);
  if (user != users_.end()) {
    const auto same_device = [&](const Registration& r) { return r.device == registration.device; };
    const auto known = std::find_if(user->second.begin(), user->second.end(), same_device);
    if (known != user->second.end()) {
      if (is_before(registration, *known)) {
        registration.from->post(SessionEvicted{refusals::device_replaced()});
        return;
      }
      if (is_same(registration, *known)) {
        // Its first word may come after its second, when it went by way of another node.
        registration.push |= known->push;
      } else {
        known->port->post(SessionEvicted{refusals::device_replaced()});
      }
      discount(user->first, *known);
      known->session = registration.session;
      known->push = registration.push;
      known->port = std::move(registration.from);
      known->order = registration.order;
      known->node = registration.node;
      count(user->first, *known);
      return;
    }
  }
  if (size_ >= registrations_max_) {
    registration.from->post(SessionEvicted{too_many()});
    return;
  }
  const auto at = user != users_.end() ? user : users_.try_emplace(std::move(registration.user)).first;
  at->second.push_back(Registration{std::move(registration.device), registration.session, registration.push,
                                    std::move(registration.from), registration.order, registration.node});
  count(at->first, at->second.back());
  ++size_;
}

void Presence::remove(const ShardUnregister& registration) {
  const auto user = users_.find(registration.user);
  if (user == users_.end()) return;
  remove_if(user, [&](const Registration& r) {
    return r.device == registration.device && r.session == registration.session && r.node == registration.node;
  });
}

void Presence::evict(const UserId& user, const DeviceId& device, const Error& reason) {
  const auto found = users_.find(user);
  if (found == users_.end()) return;
  remove_if(found, [&](const Registration& r) {
    if (r.device != device) return false;
    r.port->post(SessionEvicted{reason});
    return true;
  });
}

void Presence::remove_node(NodeId node) {
  if (!digests_.contains(node)) return;
  for (auto user = users_.begin(); user != users_.end();) {
    user = remove_if(user, [node](const Registration& r) { return r.node == node; });
  }
}

void Presence::count(const UserId& user, const Registration& session) {
  digests_[session.node].add(RegistrationDigest::part_of(session.session, user, session.device, session.push));
}

void Presence::discount(const UserId& user, const Registration& session) {
  const auto digest = digests_.find(session.node);
  digest->second.remove(RegistrationDigest::part_of(session.session, user, session.device, session.push));
  if (digest->second.count() == 0) digests_.erase(digest);
}

RegistrationDigest Presence::digest_of(NodeId node) const {
  const auto found = digests_.find(node);
  return found == digests_.end() ? RegistrationDigest() : found->second;
}

const Presence::Sessions& Presence::sessions_of(const UserId& user) const {
  static const Sessions kNone;
  const auto found = users_.find(user);
  return found == users_.end() ? kNone : found->second;
}

const Presence::Registration* Presence::find(const UserId& user, const DeviceId& device) const {
  const Sessions& sessions = sessions_of(user);
  const auto found = std::find_if(sessions.begin(), sessions.end(), [&](const auto& r) { return r.device == device; });
  return found == sessions.end() ? nullptr : &*found;
}

void Presence::end(const std::vector<cluster::EndedMessages>& ended) const {
  if (empty()) return;
  // What ends of one mailbox stands together.
  for (auto first = ended.begin(); first != ended.end();) {
    const auto last = std::find_if(first, ended.end(), [&](const auto& one) { return one.user != first->user; });
    std::vector<LostRange> ranges;
    for (auto one = first; one != last; ++one) ranges.push_back(one->range);
    for (const auto& session : sessions_of(first->user)) {
      if (session.push) session.port->post(MessagesEnded{ranges});
    }
    first = last;
  }
}

void Presence::park(const UserId& user, const DeviceId& device, const std::vector<Sequence>& parked) const {
  const Registration* session = find(user, device);
  if (session == nullptr || !session->push || parked.empty()) return;
  std::vector<LostRange> ranges;
  for (const Sequence sequence : parked) {
    if (!ranges.empty() && ranges.back().last.next() == sequence) {
      ranges.back().last = sequence;
    } else {
      ranges.push_back(LostRange{sequence, sequence, LostReason::kParked});
    }
  }
  session->port->post(MessagesEnded{std::move(ranges)});
}

bool Presence::add_slot(std::size_t slot, std::size_t devices_max, std::vector<TouchCommand::Name>& devices) const {
  const std::size_t before = devices.size();
  for (auto user = users_.cbegin(slot); user != users_.cend(slot); ++user) {
    for (const auto& session : user->second) {
      // More than one command can hold, in one slot: the rest has its turn in another round.
      if (devices.size() == devices_max && before == 0) return true;
      devices.push_back(TouchCommand::Name{user->first, session.device});
    }
  }
  if (devices.size() <= devices_max) return true;
  devices.resize(before);
  return false;
}

void Presence::push(const std::vector<cluster::NewMessage>& messages) const {
  if (empty()) return;
  using Messages = std::vector<std::shared_ptr<const IncomingMessage>>;
  std::vector<std::pair<const Sessions*, Messages>> groups;
  std::unordered_map<const Sessions*, std::size_t> place;
  for (std::size_t i = 0; i < messages.size();) {
    // Messages to one user often stand together: look the user up once for such a run.
    std::size_t end = i + 1;
    while (end < messages.size() && messages[end].user == messages[i].user) ++end;
    const auto user = users_.find(messages[i].user);
    if (user != users_.end()) {
      const auto [at, is_new] = place.try_emplace(&user->second, groups.size());
      if (is_new) groups.emplace_back(&user->second, Messages{});
      for (std::size_t m = i; m < end; ++m) groups[at->second].second.push_back(messages[m].message);
    }
    i = end;
  }
  for (auto& [sessions, group] : groups) {
    for (const auto& session : *sessions) {
      if (session.push) session.port->post(MailboxPush{group});
    }
  }
}

}  // namespace earshot::actors
