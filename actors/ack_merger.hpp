#pragma once

#include <optional>
#include <vector>

#include "actors/ports.hpp"

namespace earshot::actors {

// A device's acks on their way into its committed cursor. One request to the shard is under way at a time; what arrives
// meanwhile is merged into the next, and every call is answered by the commit that covers it.
//
//   add ──► waiting ──next()──► under way ──answered──► committed
//              ▲                    │
//              └── temporary error ─┘   its calls get the error, what they acked goes with the next request
//
// A final refusal is forgotten, so that one bad ack cannot spoil the good ones after it.
class AckMerger {
 public:
  // `committed`: the cursor at login.
  explicit AckMerger(Sequence committed) : committed_(committed) {}

  // kOverloaded when too many calls or selective acks wait; nothing is changed then.
  Status add(CallId call, const AckRequest& ack);
  // What to send to the shard now, if anything; it is under way after that.
  std::optional<AckRequest> next();

  struct Answers {
    std::vector<CallId> calls;
    Result<Sequence> cursor;
  };
  // The shard's answer to what is under way, or the error that stands for it.
  Answers answered(Result<Sequence> cursor);

  // Whether this ack says nothing beyond the committed cursor.
  [[nodiscard]] bool is_committed(const AckRequest& ack) const {
    return ack.up_to <= committed_ && ack.above.empty() && waiting_.calls.empty();
  }
  [[nodiscard]] Sequence committed() const { return committed_; }

 private:
  struct Gathered {
    Sequence up_to;
    std::vector<Sequence> above;  // ascending
    std::vector<CallId> calls;
  };

  static std::vector<Sequence> merged(const std::vector<Sequence>& a, const std::vector<Sequence>& b, Sequence up_to);

  Sequence committed_;
  Gathered waiting_;
  std::optional<Gathered> under_way_;
};

}  // namespace earshot::actors
