#pragma once

#include <algorithm>
#include <functional>
#include <string>

#include "actors/ports.hpp"
#include "actors/session_refusals.hpp"
#include "base/limits.hpp"

namespace earshot::actors {

// Whether a client may ack this. `newest`: the newest message that it can have. `is_cumulative`: it is subscribed in a
// mode whose acks name no single messages. kInvalidArgument, naming the field.
inline Status check_ack(const AckRequest& ack, Sequence newest, bool is_cumulative) {
  const auto beyond = [newest](const char* field) {
    return fail(refusals::invalid(field, "the newest message of this session is " + std::to_string(newest.value)));
  };
  if (ack.up_to > newest) return beyond("upTo");
  if (ack.above.empty()) return {};
  if (is_cumulative) return fail(refusals::invalid("above", "only in unordered mode: acks are cumulative"));
  if (ack.above.size() > limits::kSelectiveAcksMax) {
    return fail(refusals::above_limit("above", limits::kSelectiveAcksMax));
  }
  if (std::ranges::adjacent_find(ack.above, std::ranges::greater_equal{}) != ack.above.end()) {
    return fail(refusals::invalid("above", "must ascend"));
  }
  if (ack.above.back() > newest) return beyond("above");
  return {};
}

// Whether a nack keeps its limits; what it names is the window's to judge. kInvalidArgument, naming the field.
inline Status check_nack(const NackRequest& nack) {
  if (nack.delay_ms > limits::kNackDelayMsMax) {
    return fail(refusals::above_limit("delayMs", limits::kNackDelayMsMax));
  }
  if (nack.sequences.empty()) return fail(refusals::invalid("sequences", "names no message"));
  return {};
}

}  // namespace earshot::actors
