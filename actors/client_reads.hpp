#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "actors/ports.hpp"

namespace earshot::actors {

// The client's own reads of its mailbox, fetch and history, from the call to its answer. At most calls_in_flight_max
// are under way.
//
// What a fetch brought may be acked from then on. History may not: it leaves out what lies before it.
// Thread: its session's.
class ClientReads {
 public:
  enum class Kind : std::uint8_t { kFetch, kHistory };
  struct Read {
    CallId call = 0;
    Kind kind = Kind::kFetch;
    Sequence from;  // fetch: after this; history: before it
    std::uint32_t limit = 0;
  };
  struct Answer {
    CallId call = 0;
    Result<Batch> batch;
  };
  // Posts a read to the shard and returns the id of that request.
  using Forward = std::function<RequestId(const Read& read)>;

  // Forwards a read; the call's answer when it is refused.
  std::optional<Answer> start(Read read, const Forward& forward);
  // The shard's answer, or the error that stands for it. Nothing for a request that is not under way.
  std::optional<Answer> answered(RequestId request, Result<Batch> batch);

  // What to ask again for a request, which has another id from now on.
  const Read& again(RequestId was, RequestId id);

  // The newest sequence that a fetch has brought.
  [[nodiscard]] Sequence fetched() const { return fetched_; }
  [[nodiscard]] std::size_t under_way() const { return reads_.size(); }

 private:
  struct UnderWay {
    RequestId request;
    Read read;
  };

  std::vector<UnderWay> reads_;
  Sequence fetched_;
};

}  // namespace earshot::actors
