#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/array.h>

#include "actors/ports.hpp"
#include "schema/wire.hpp"

// What goes over a simulated connection: calls and answers of the client's interface, encoded by the product's own
// codec. Only the envelope around them (which call, which number) is the simulation's; in the product it is Cap'n Proto
// RPC's.
namespace earshot::simulation {

enum class FrameKind : std::uint8_t {
  // from the client
  kLogin,
  kSubscribe,
  kSend,
  kAck,
  kNack,
  kFetch,
  kHistory,
  kLogout,
  kManage,
  kTaken,  // of a delivery
  // from the server
  kWelcome,
  kStatus,
  kAnswers,
  kCursor,
  kBatch,
  kManaged,
  kDelivery,
  kGoAway,
  kRefused,  // a call that broke a limit as a whole: an RPC exception
  kClosed,
};

struct Frame {
  FrameKind kind;
  std::uint64_t number = 0;  // of the call, or of the delivery
  std::shared_ptr<const kj::Array<capnp::word>> body;
  std::size_t method = 0;  // of calls that look after mailboxes, and their answers (manage_frames.hpp)
};

// A frame whose body is a Schema that `fill` writes.
template <class Schema, class Fill>
Frame make_frame(FrameKind kind, std::uint64_t number, Fill&& fill) {
  capnp::MallocMessageBuilder message;
  fill(message.initRoot<Schema>());
  return Frame{kind, number, std::make_shared<kj::Array<capnp::word>>(capnp::messageToFlatArray(message))};
}
template <class Schema, class Value>
Frame write_frame(FrameKind kind, std::uint64_t number, const Value& value) {
  return make_frame<Schema>(kind, number, [&](auto root) { wire::write(value, root); });
}

// Calls read(root) with the frame's body.
template <class Schema, class Read>
auto with_body(const Frame& frame, Read&& read) {
  capnp::FlatArrayMessageReader reader(*frame.body);
  return read(reader.getRoot<Schema>());
}
template <class Schema>
auto read_frame(const Frame& frame) {
  return with_body<Schema>(frame, [](auto root) { return wire::read(root); });
}

// ---- those that the codec has in parts only

Frame write_login_answer(std::uint64_t number, const Result<Welcome>& welcome);
Result<Welcome> read_login_answer(const Frame& frame);
Frame write_answers(std::uint64_t number, const std::vector<SendAnswer>& answers);
std::vector<SendAnswer> read_answers(const Frame& frame);
Frame write_delivery(const actors::Delivery& delivery);
Frame empty_frame(FrameKind kind, std::uint64_t number);

}  // namespace earshot::simulation
