#include "actors/live_actors.hpp"

#include <algorithm>
#include <utility>

#include <caf/all.hpp>

namespace earshot::actors {

void LiveActors::add(Key key, caf::actor actor) {
  auto* const watched = caf::actor_cast<caf::abstract_actor*>(actor);
  caf::actor kept = actor;  // lives until the watch is set, even if it ends meanwhile
  {
    const std::lock_guard lock(mutex_);
    actors_.emplace(key, std::move(actor));
  }
  watched->attach_functor([self = shared_from_this(), key] { self->remove(key); });
}

void LiveActors::remove(Key key) {
  caf::actor ended;  // given up outside the lock
  const std::lock_guard lock(mutex_);
  const auto found = actors_.find(key);
  if (found == actors_.end()) return;
  ended = std::move(found->second);
  actors_.erase(found);
  if (actors_.empty()) gone_.notify_all();
}

std::size_t LiveActors::size() const {
  const std::lock_guard lock(mutex_);
  return actors_.size();
}

std::optional<caf::actor> LiveActors::find(Key key) const {
  const std::lock_guard lock(mutex_);
  const auto found = actors_.find(key);
  return found == actors_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<LiveActors::Key> LiveActors::keys() const {
  std::vector<Key> keys;
  const std::lock_guard lock(mutex_);
  keys.reserve(actors_.size());
  for (const auto& [key, actor] : actors_) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  return keys;
}

void LiveActors::for_each(const std::function<void(const caf::actor&)>& visit) const {
  std::vector<caf::actor> actors;
  {
    const std::lock_guard lock(mutex_);
    actors.reserve(actors_.size());
    for (const auto& [key, actor] : actors_) actors.push_back(actor);
  }
  for (const auto& actor : actors) visit(actor);
}

bool LiveActors::wait_until_gone(std::chrono::milliseconds time) const {
  std::unique_lock lock(mutex_);
  return gone_.wait_for(lock, time, [this] { return actors_.empty(); });
}

}  // namespace earshot::actors
