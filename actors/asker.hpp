#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <variant>

#include "actors/ports.hpp"
#include "actors/shard_waiters.hpp"
#include "base/error.hpp"

namespace earshot::actors {

// Who asked for something, without what was asked: to be told that nothing came of it, or what another node answered.
struct ReadAsker {  // of ShardFetch and ShardHistory
  std::shared_ptr<SessionPort> from;
  RequestId request = 0;
};
struct WhereAsker {
  std::function<void(Result<WhereAnswer>)> done;
  std::size_t members = 0;  // that it asked about
};
using Asker = std::variant<Waiter, ReadAsker, WhereAsker>;

// Moves the port out of the request.
Asker take_asker(ShardRequest& request);
// The port of the request; null: nobody waits for its answer at a port.
[[nodiscard]] const SessionPort* port_of(const ShardRequest& request);
void refuse(const Asker& asker, const Error& error);
// About what it takes in memory.
[[nodiscard]] std::size_t bytes_of(const ShardRequest& request);

}  // namespace earshot::actors
