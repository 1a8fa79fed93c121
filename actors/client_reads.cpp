#include "actors/client_reads.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "actors/session_refusals.hpp"
#include "base/limits.hpp"

namespace earshot::actors {
namespace {

Error too_many() {
  return Error{ErrorCode::kOverloaded, "callsInFlight",
               "at most " + std::to_string(limits::kCallsInFlightMax) + " reads", limits::kRetryAfterMs};
}

}  // namespace

std::optional<ClientReads::Answer> ClientReads::start(Read read, const Forward& forward) {
  if (read.limit > limits::kFetchMessagesMax) {
    return Answer{read.call, fail(refusals::above_limit("limit", limits::kFetchMessagesMax))};
  }
  if (reads_.size() >= limits::kCallsInFlightMax) return Answer{read.call, fail(too_many())};
  if (read.limit == 0) read.limit = limits::kFetchMessagesMax;
  const RequestId request = forward(read);
  reads_.push_back(UnderWay{request, read});
  return std::nullopt;
}

std::optional<ClientReads::Answer> ClientReads::answered(RequestId request, Result<Batch> batch) {
  const auto found = std::ranges::find(reads_, request, &UnderWay::request);
  if (found == reads_.end()) return std::nullopt;
  const Read read = found->read;
  reads_.erase(found);
  if (reads_.empty()) std::vector<UnderWay>().swap(reads_);  // an idle session takes no memory for them
  if (read.kind == Kind::kFetch && batch) {
    if (!batch->messages.empty()) fetched_ = std::max(fetched_, batch->messages.back().sequence);
    if (!batch->lost.empty()) fetched_ = std::max(fetched_, batch->lost.back().last);
  }
  return Answer{read.call, std::move(batch)};
}

const ClientReads::Read& ClientReads::again(RequestId was, RequestId id) {
  const auto found = std::ranges::find(reads_, was, &UnderWay::request);
  EARSHOT_INVARIANT(found != reads_.end(), "a read that is asked again is under way");
  found->request = id;
  return found->read;
}

}  // namespace earshot::actors
