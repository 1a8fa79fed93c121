#include "actors/session_directory.hpp"

#include <utility>

namespace earshot::actors {

SessionDirectory::Listing::Listing(std::shared_ptr<SessionDirectory> directory, ShardId home, SessionId session,
                                   std::shared_ptr<SessionPort> port)
    : directory_(std::move(directory)), home_(home), session_(session) {
  if (!directory_) return;
  Shard& shard = directory_->shards_.at(home_.value);
  const std::lock_guard lock(shard.mutex);
  shard.sessions.emplace(session_, Entry{std::move(port)});
}

SessionDirectory::Listing::~Listing() {
  if (!directory_) return;
  Shard& shard = directory_->shards_.at(home_.value);
  Entry ended;  // given up outside the lock: it may hold the last reference to the session's actor
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.sessions.find(session_);
  if (found == shard.sessions.end()) return;
  shard.note(found->second, false, 0);
  ended = std::move(found->second);
  shard.sessions.erase(found);
}

void SessionDirectory::Listing::registered(const UserId& user, const DeviceId& device, bool push) {
  if (!directory_) return;
  const std::uint64_t part = RegistrationDigest::part_of(session_, user, device, push);
  Shard& shard = directory_->shards_.at(home_.value);
  const std::lock_guard lock(shard.mutex);
  if (const auto found = shard.sessions.find(session_); found != shard.sessions.end()) {
    shard.note(found->second, true, part);
  }
}

void SessionDirectory::Listing::unregistered() {
  if (!directory_) return;
  Shard& shard = directory_->shards_.at(home_.value);
  const std::lock_guard lock(shard.mutex);
  if (const auto found = shard.sessions.find(session_); found != shard.sessions.end()) {
    shard.note(found->second, false, 0);
  }
}

void SessionDirectory::Shard::note(Entry& entry, bool is_registered, std::uint64_t part) {
  if (entry.is_registered) digest.remove(entry.part);
  if (is_registered) digest.add(part);
  entry.is_registered = is_registered;
  entry.part = part;
}

void SessionDirectory::announce(const LeaderAnnounced& leader) const {
  for_each(leader.shard, [&leader](SessionPort& session) { session.post(leader); });
}

void SessionDirectory::for_each(ShardId home, const std::function<void(SessionPort&)>& visit) const {
  const Shard& shard = shards_.at(home.value);
  std::vector<std::shared_ptr<SessionPort>> ports;
  {
    const std::lock_guard lock(shard.mutex);
    ports.reserve(shard.sessions.size());
    for (const auto& [session, entry] : shard.sessions) ports.push_back(entry.port);
  }
  for (const auto& port : ports) visit(*port);
}

RegistrationDigest SessionDirectory::digest(ShardId home) const {
  const Shard& shard = shards_.at(home.value);
  const std::lock_guard lock(shard.mutex);
  return shard.digest;
}

std::size_t SessionDirectory::size(ShardId home) const {
  const Shard& shard = shards_.at(home.value);
  const std::lock_guard lock(shard.mutex);
  return shard.sessions.size();
}

}  // namespace earshot::actors
