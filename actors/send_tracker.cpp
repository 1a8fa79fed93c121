#include "actors/send_tracker.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/checksum.hpp"
#include "base/limits.hpp"

namespace earshot::actors {
namespace {

SendAnswer held(Error error) { return SendAnswer{SendAnswer::Held{std::move(error)}}; }

Error altered() { return Error{ErrorCode::kChecksumMismatch, "checksum", "the body does not fit its checksum"}; }

Error out_of_order(LaneNumber expected) {
  return Error{ErrorCode::kOutOfOrder, "number", "an earlier message of this lane was held", 0, expected.value};
}

bool is_altered(const SendItem& item) {
  // A message refused at the door only uses up its number; its body may be gone already.
  return !item.refusal && item.message.checksum != checksum_of(item.message.body);
}

// The lanes of a call that are stopped by an altered message, with its number. Nearly always empty.
class StoppedLanes {
 public:
  void stop(ShardId shard, LaneNumber at) { lanes_.emplace_back(shard, at); }
  [[nodiscard]] const LaneNumber* find(ShardId shard) const {
    const auto lane = std::ranges::find(lanes_, shard, &std::pair<ShardId, LaneNumber>::first);
    return lane == lanes_.end() ? nullptr : &lane->second;
  }

 private:
  std::vector<std::pair<ShardId, LaneNumber>> lanes_;
};

}  // namespace

SendTracker::SendTracker(std::uint16_t shard_count, SessionCounters& counters, bool takes_altered_bodies)
    : counters_(counters), takes_altered_bodies_(takes_altered_bodies), shard_count_(shard_count) {}

std::optional<SendTracker::Answers> SendTracker::start(ClientSend call, const Forward& forward) {
  const std::size_t messages = call.items.size();
  count(counters_.sends, messages);
  if (messages > limits::kBatchMessagesMax) {
    const std::string limit = std::to_string(limits::kBatchMessagesMax);
    return refuse(call, Error{ErrorCode::kInvalidArgument, "messages", "at most " + limit + " in one call"});
  }
  if (messages_in_flight_ + messages > limits::kSendsInFlightMax) {
    return refuse(call, Error{ErrorCode::kOverloaded, "messages", "too many messages of this session are under way",
                              limits::kRetryAfterMs});
  }
  auto whole = std::make_shared<Call>();
  whole->id = call.call;
  whole->answers.resize(messages);
  std::vector<Outgoing> outgoing = split(std::move(call.items), whole->answers);
  whole->parts_left = outgoing.size();
  if (outgoing.empty()) return finish(whole, 0);
  for (Outgoing& part : outgoing) {
    messages_in_flight_ += part.places.size();
    const RequestId request = forward(part.shard, std::move(part.items));
    parts_.emplace(request, Part{whole, std::move(part.places)});
  }
  return std::nullopt;
}

std::vector<SendTracker::Outgoing> SendTracker::split(std::vector<LaneItem> items,
                                                      std::vector<SendAnswer>& answers) const {
  // 1 + the place of a shard's part, 0: none yet. All zero between two calls.
  static thread_local std::vector<std::uint16_t> part_of_shard;
  if (part_of_shard.size() < shard_count_) part_of_shard.resize(shard_count_, 0);
  std::vector<Outgoing> parts;
  StoppedLanes stopped;
  for (std::uint32_t place = 0; place < items.size(); ++place) {
    auto& [shard, item] = items[place];
    if (shard.value >= shard_count_) {
      answers[place] = held(Error{ErrorCode::kInvalidArgument, "recipient", "there is no such shard"});
    } else if (const LaneNumber* at = stopped.find(shard)) {
      answers[place] = held(out_of_order(*at));
    } else if (is_altered(item) && !takes_altered_bodies_) {
      answers[place] = held(altered());
      stopped.stop(shard, item.message.number);
    } else {
      std::uint16_t& part = part_of_shard[shard.value];
      if (part == 0) {
        parts.push_back(Outgoing{shard, {}, {}});
        part = static_cast<std::uint16_t>(parts.size());
      }
      parts[part - 1].items.push_back(std::move(item));
      parts[part - 1].places.push_back(place);
    }
  }
  for (const Outgoing& part : parts) part_of_shard[part.shard.value] = 0;
  return parts;
}

std::optional<SendTracker::Answers> SendTracker::answered(RequestId request, std::vector<SendAnswer> answers) {
  auto node = parts_.extract(request);
  if (node.empty()) return std::nullopt;
  Part& part = node.mapped();
  if (answers.size() != part.places.size()) {
    const Error error{ErrorCode::kInternal, "answers", "the shard answered another number of messages"};
    answers.assign(part.places.size(), held(error));
  }
  if (part.places.size() == part.call->answers.size()) {
    part.call->answers = std::move(answers);
  } else {
    for (std::size_t i = 0; i < answers.size(); ++i) part.call->answers[part.places[i]] = std::move(answers[i]);
  }
  --part.call->parts_left;
  return finish(part.call, part.places.size());
}

std::optional<SendTracker::Answers> SendTracker::failed(RequestId request, const Error& error) {
  const auto part = parts_.find(request);
  if (part == parts_.end()) return std::nullopt;
  return answered(request, std::vector<SendAnswer>(part->second.places.size(), held(error)));
}

SendTracker::Answers SendTracker::refuse(const ClientSend& call, const Error& error) {
  count(counters_.held_of(error.code), call.items.size());
  return Answers{call.call, std::vector<SendAnswer>(call.items.size(), held(error))};
}

std::optional<SendTracker::Answers> SendTracker::finish(const std::shared_ptr<Call>& call, std::size_t messages) {
  messages_in_flight_ -= messages;
  if (call->parts_left > 0) return std::nullopt;
  note(call->answers);
  return Answers{call->id, std::move(call->answers)};
}

// Those of one kind at once: a call has up to a thousand, and nearly all of them are stored.
void SendTracker::note(const std::vector<SendAnswer>& answers) {
  std::uint64_t stored = 0;
  std::uint64_t repeats = 0;
  for (const SendAnswer& answer : answers) {
    if (const auto* held = std::get_if<SendAnswer::Held>(&answer.value)) {
      count(counters_.held_of(held->error.code));
    } else if (answer.repeat) {
      ++repeats;
    } else if (const auto* refused = std::get_if<SendAnswer::Refused>(&answer.value)) {
      count(counters_.refused_of(refused->error.code));
    } else {
      ++stored;
    }
  }
  if (stored > 0) count(counters_.stored, stored);
  if (repeats > 0) count(counters_.repeats, repeats);
}

}  // namespace earshot::actors
