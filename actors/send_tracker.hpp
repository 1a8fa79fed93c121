#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "actors/counters.hpp"
#include "actors/ports.hpp"

namespace earshot::actors {

// A client's send calls on their way through the shards: each call is split by shard, keeping the order within every
// lane, and answered as a whole when every part is answered or given up.
//
// The one judgement made here is about the body's checksum: an altered message is held back, and so is the rest of its
// lane in that call, since a lane takes nothing out of order. Everything else about lanes is the shard's to decide.
class SendTracker {
 public:
  struct Answers {
    CallId call = 0;
    std::vector<SendAnswer> answers;
  };
  // Posts a part to its shard and returns the id of that request.
  using Forward = std::function<RequestId(ShardId shard, std::vector<SendItem> items)>;

  // `takes_altered_bodies`: for mutation tests only.
  SendTracker(std::uint16_t shard_count, SessionCounters& counters, bool takes_altered_bodies = false);

  // Splits and forwards a call. Its answers, when nothing of it had to be forwarded.
  std::optional<Answers> start(ClientSend call, const Forward& forward);
  // A part's answers; the call's, when it was the last part.
  std::optional<Answers> answered(RequestId request, std::vector<SendAnswer> answers);
  // The same for a part without an answer: everything in it is held with this error.
  std::optional<Answers> failed(RequestId request, const Error& error);
  // A whole call that is not taken: everything in it is held with this error.
  Answers refuse(const ClientSend& call, const Error& error);

  [[nodiscard]] std::size_t messages_in_flight() const { return messages_in_flight_; }

 private:
  struct Call {
    CallId id = 0;
    std::vector<SendAnswer> answers;  // one per message of the call
    std::size_t parts_left = 0;
  };
  struct Part {
    std::shared_ptr<Call> call;
    std::vector<std::uint32_t> places;  // of its messages in the call
  };
  struct Outgoing {
    ShardId shard;
    std::vector<SendItem> items;
    std::vector<std::uint32_t> places;
  };

  std::vector<Outgoing> split(std::vector<LaneItem> items, std::vector<SendAnswer>& answers) const;
  std::optional<Answers> finish(const std::shared_ptr<Call>& call, std::size_t messages);
  void note(const std::vector<SendAnswer>& answers);

  SessionCounters& counters_;
  const bool takes_altered_bodies_;
  const std::uint16_t shard_count_;
  std::unordered_map<RequestId, Part> parts_;
  std::size_t messages_in_flight_ = 0;
};

}  // namespace earshot::actors
