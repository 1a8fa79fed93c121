#include "watch/health.hpp"

#include <utility>

#include <capnp/compat/json.h>
#include <capnp/message.h>

#include "schema/health.capnp.h"

namespace earshot::watch {

void Readiness::add(Check check) {
  const std::lock_guard lock(mutex_);
  checks_.push_back(std::move(check));
}

std::vector<Missing> Readiness::missing() const {
  std::vector<Check> checks;
  {
    const std::lock_guard lock(mutex_);
    checks = checks_;
  }
  std::vector<Missing> all;
  for (const Check& check : checks)
    if (auto missing = check()) all.push_back(std::move(*missing));
  return all;
}

std::string readiness_json(const std::vector<Missing>& missing) {
  capnp::MallocMessageBuilder message;
  auto readiness = message.initRoot<schema::Readiness>();
  readiness.setReady(missing.empty());
  auto list = readiness.initMissing(static_cast<capnp::uint>(missing.size()));
  for (capnp::uint i = 0; i < list.size(); ++i) {
    list[i].setWhat(missing[i].what);
    list[i].setWhy(missing[i].why);
  }
  return capnp::JsonCodec().encode(readiness.asReader()).cStr();
}

std::string health_json(bool is_alive, const std::string& why) {
  capnp::MallocMessageBuilder message;
  auto health = message.initRoot<schema::Health>();
  health.setAlive(is_alive);
  if (!why.empty()) health.setWhy(why);
  return capnp::JsonCodec().encode(health.asReader()).cStr();
}

}  // namespace earshot::watch
