#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include <capnp/common.h>
#include <capnp/rpc.capnp.h>
#include <kj/array.h>

namespace earshot::transport {

// What the RPC system would take from a peer without a bound, for either end of a connection. Each of these fails the
// connection:
//
//  * more than unfinished_calls_max calls whose answers the peer never lets go: they stay in the RPC system's tables
//    until it finishes them, or the answer says that it need not (from Cap'n Proto 1.0 on);
//  * a question's number that is in use, for another question;
//  * an answer that is to stay here instead of being sent back: it is never written, so nothing would count what it
//    takes;
//  * more than message_capabilities_max capabilities in a message: each takes a table entry, even in a call that is
//    refused;
//  * a call on what an answer will hold, by a way of more than one step or beyond the first few fields: the RPC system
//    walks every step, which may take no byte in the message, and keeps a client for every way until the answer is
//    there;
//  * a capability that is not the peer's own, or not there yet, and the messages that belong to such ones: the promises
//    of both ends could be tied together without end. No call of Earshot takes or gives anything like that.
class MessageBounds {
 public:
  // A message that came in. Throws what the connection fails with.
  void check(capnp::rpc::Message::Reader message);
  // One that goes out.
  void sent(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> message);

 private:
  // A question's number is in use until its answer is sent and the peer has finished it, or need not.
  struct Question {
    bool is_answered = false;
    bool is_finished = false;
  };

  void begin(std::uint32_t question);
  void finished(std::uint32_t question);
  void answered(capnp::rpc::Return::Reader answer);

  std::map<std::uint32_t, Question> unfinished_;  // by the peer's numbers
};

}  // namespace earshot::transport
