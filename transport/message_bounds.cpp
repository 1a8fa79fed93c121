#include "transport/message_bounds.hpp"

#include <capnp/message.h>
#include <kj/debug.h>

#include "base/limits.hpp"

namespace earshot::transport {
namespace {

using capnp::rpc::Message;

// What a call is answered with has to be written, or nothing here would count it.
void check_answer_is_sent(capnp::rpc::Call::Reader call) {
  bool is_sent = call.getSendResultsTo().isCaller();
#if CAPNP_VERSION >= 1000000
  is_sent = is_sent && !call.getOnlyPromisePipeline();
#endif
  KJ_REQUIRE(is_sent, "a call whose answer is not to be sent back");
}

void check_target(capnp::rpc::MessageTarget::Reader target) {
  if (!target.isPromisedAnswer()) return;
  const auto steps = target.getPromisedAnswer().getTransform();
  KJ_REQUIRE(steps.size() <= limits::kCallsAheadStepsMax, "a call on what is too many steps into an answer",
             steps.size());
  for (const auto step : steps)
    KJ_REQUIRE(step.isGetPointerField() && step.getGetPointerField() < limits::kCallsAheadFieldsMax,
               "a call on what no answer holds");
}

void check_capabilities(capnp::rpc::Payload::Reader payload) {
  const auto table = payload.getCapTable();
  KJ_REQUIRE(table.size() <= limits::kMessageCapabilitiesMax, "too many capabilities in one message", table.size());
  for (const auto capability : table)
    KJ_REQUIRE(capability.isNone() || capability.isSenderHosted(), "a capability that is not its sender's own");
}

}  // namespace

void MessageBounds::check(Message::Reader message) {
  switch (message.which()) {
    case Message::CALL: {
      const auto call = message.getCall();
      check_answer_is_sent(call);
      check_target(call.getTarget());
      check_capabilities(call.getParams());
      begin(call.getQuestionId());
      break;
    }
    case Message::BOOTSTRAP: begin(message.getBootstrap().getQuestionId()); break;
    case Message::FINISH: finished(message.getFinish().getQuestionId()); break;
    case Message::RETURN:
      if (message.getReturn().isResults()) check_capabilities(message.getReturn().getResults());
      break;
    case Message::RELEASE:
    case Message::UNIMPLEMENTED:
    case Message::ABORT: break;
    default: KJ_FAIL_REQUIRE("a message that belongs to capabilities of others", message.which());
  }
}

void MessageBounds::begin(std::uint32_t question) {
  KJ_REQUIRE(unfinished_.try_emplace(question).second, "a question's number that is in use", question);
  KJ_REQUIRE(unfinished_.size() <= limits::kUnfinishedCallsMax, "too many calls that were not finished");
}

// From Cap'n Proto 1.0 on the RPC system may forget a call before its answer is on the line. Its number is not free
// until then: the answer would let a second call of that number go in the place of the first.
void MessageBounds::finished(std::uint32_t question) {
  const auto found = unfinished_.find(question);
  if (found == unfinished_.end()) return;  // from Cap'n Proto 1.0 on the RPC system passes over it
  found->second.is_finished = true;
  if (found->second.is_answered) unfinished_.erase(found);
}

void MessageBounds::answered(capnp::rpc::Return::Reader answer) {
  const auto found = unfinished_.find(answer.getAnswerId());
  if (found == unfinished_.end()) return;
  bool is_finished = found->second.is_finished;
#if CAPNP_VERSION >= 1000000
  is_finished = is_finished || answer.getNoFinishNeeded();
#endif
  found->second.is_answered = true;
  if (is_finished) unfinished_.erase(found);
}

void MessageBounds::sent(kj::ArrayPtr<const kj::ArrayPtr<const capnp::word>> message) {
  capnp::SegmentArrayMessageReader reader(message);
  const auto root = reader.getRoot<Message>();
  if (root.isReturn()) answered(root.getReturn());
}

}  // namespace earshot::transport
