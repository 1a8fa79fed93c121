#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_set>

#include <capnp/common.h>
#include <capnp/rpc.capnp.h>
#include <kj/array.h>

namespace earshot::transport {

// What the RPC system would take from a peer without a bound, for either end of a connection:
//
//  * calls whose answers the peer never lets go stay in the RPC system's tables, until it finishes them or the answer
//    says that it need not (from Cap'n Proto 1.0 on): beyond unfinished_calls_max the connection fails;
//  * a question's number that is in use may not be used for another: the connection fails;
//  * an answer that is to stay here instead of being sent back is never written, so nothing would count what it takes:
//    a call that asks for that fails the connection;
//  * every capability in a message takes a table entry, even in a call that is refused: more than
//    message_capabilities_max fail the connection.
class MessageBounds {
 public:
  // A message that came in. Throws what the connection fails with.
  void check(capnp::rpc::Message::Reader message);
  // One that goes out.
  void sent(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> message);

 private:
  void begin(std::uint32_t question);

  std::unordered_set<std::uint32_t> unfinished_;  // calls, by the peer's numbers of its questions
};

}  // namespace earshot::transport
