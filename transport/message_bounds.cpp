#include "transport/message_bounds.hpp"

#include <capnp/message.h>
#include <kj/debug.h>

#include "base/limits.hpp"

namespace earshot::transport {
namespace {

// What a call is answered with has to be written, or nothing here would count it.
void check_answer_is_sent(capnp::rpc::Call::Reader call) {
  bool is_sent = call.getSendResultsTo().isCaller();
#if CAPNP_VERSION >= 1000000
  is_sent = is_sent && !call.getOnlyPromisePipeline();
#endif
  KJ_REQUIRE(is_sent, "a call whose answer is not to be sent back");
}

}  // namespace

void MessageBounds::check(capnp::rpc::Message::Reader message) {
  const auto check_capabilities = [](capnp::rpc::Payload::Reader payload) {
    const std::size_t count = payload.getCapTable().size();
    KJ_REQUIRE(count <= limits::kMessageCapabilitiesMax, "too many capabilities in one message", count);
  };
  switch (message.which()) {
    case capnp::rpc::Message::CALL:
      check_answer_is_sent(message.getCall());
      begin(message.getCall().getQuestionId());
      check_capabilities(message.getCall().getParams());
      break;
    case capnp::rpc::Message::BOOTSTRAP: begin(message.getBootstrap().getQuestionId()); break;
    case capnp::rpc::Message::FINISH: unfinished_.erase(message.getFinish().getQuestionId()); break;
    case capnp::rpc::Message::RETURN:
      if (message.getReturn().isResults()) check_capabilities(message.getReturn().getResults());
      break;
    default: break;
  }
  KJ_REQUIRE(unfinished_.size() <= limits::kUnfinishedCallsMax, "too many calls that were not finished");
}

// A number is in use until its Finish, or until its answer goes out that needs none. The RPC system of Cap'n Proto 1.0
// forgets it before that: a second call of the same number would then be let go here in the place of the first.
void MessageBounds::begin(std::uint32_t question) {
  KJ_REQUIRE(unfinished_.insert(question).second, "a question's number that is in use", question);
}

// An answer without capabilities may tell the peer that the RPC system has let the call go: then no Finish need come.
void MessageBounds::sent([[maybe_unused]] kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> message) {
#if CAPNP_VERSION >= 1000000
  capnp::SegmentArrayMessageReader reader(message);
  const auto root = reader.getRoot<capnp::rpc::Message>();
  if (root.isReturn() && root.getReturn().getNoFinishNeeded()) unfinished_.erase(root.getReturn().getAnswerId());
#endif
}

}  // namespace earshot::transport
