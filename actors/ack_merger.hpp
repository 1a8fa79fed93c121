#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "actors/ports.hpp"
#include "base/queue.hpp"

namespace earshot::actors {

// A device's acks on their way into its committed cursor. One request to the shard is under way at a time; what arrives
// meanwhile is merged into the next, and every call is answered by the commit that covers it. A request holds only what
// is not committed yet, however often clients repeat themselves.
//
//   add ──► waiting ──next()──► under way ──answered──► committed
//              ▲                  │    │
//              │                  │    └─ final refusal of several ──► each alone ──next()──► under way …
//              └─ temporary error ┘   its calls get the error, what they acked goes with the next request
//
// So one bad ack spoils neither those merged with it nor those after it.
class AckMerger {
 public:
  // The cursor at login, and what is acked beyond it, ascending.
  explicit AckMerger(Sequence committed, std::vector<Sequence> committed_above = {})
      : committed_(committed), committed_above_(std::move(committed_above)) {}

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

  // What is under way, to be asked again as it was; while something is.
  [[nodiscard]] const AckRequest& under_way() const { return request_; }
  // Whether this ack says nothing beyond what is committed.
  [[nodiscard]] bool is_committed(const AckRequest& ack) const;
  [[nodiscard]] Sequence committed() const { return committed_; }

 private:
  struct Ack {
    std::optional<CallId> call;  // nothing: it was answered with a temporary error
    AckRequest request;
  };

  [[nodiscard]] bool is_committed(Sequence sequence) const;
  void commit(Sequence cursor);
  void put_back(std::vector<Ack> acks);

  Sequence committed_;
  std::vector<Sequence> committed_above_;  // ascending, beyond committed_
  std::vector<Ack> waiting_;
  Queue<Ack> alone_;            // refused together: to be judged one by one
  std::vector<Ack> under_way_;  // one request
  AckRequest request_;          // that request
};

}  // namespace earshot::actors
