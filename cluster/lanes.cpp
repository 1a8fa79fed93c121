#include "cluster/lanes.hpp"

#include <utility>

#include "storage/keys.hpp"

namespace earshot::cluster {
namespace {

SendAnswer held(Error error) { return SendAnswer{SendAnswer::Held{std::move(error)}}; }

SendAnswer reset(std::string detail) { return held(Error{ErrorCode::kProducerReset, "producer", std::move(detail)}); }

SendAnswer again(const KnownAnswer& answer) {
  if (const auto* stored = std::get_if<Stored>(&answer)) return SendAnswer{*stored, true};
  return SendAnswer{SendAnswer::Refused{std::get<Error>(answer)}, true};
}

}  // namespace

std::string LaneTraits::key_of(ProducerId producer) { return storage::keys::lane(producer); }

Result<Lane> LaneTraits::decode(std::string_view bytes) {
  auto record = decode_lane_record(bytes);
  if (!record.has_value()) return fail(std::move(record.error()));
  if (record->expected.value <= record->known.size()) {
    return fail(ErrorCode::kCorrupt, "known", "more answers than numbers");
  }
  if (record->known.size() > limits::kLaneWindowMax) return fail(ErrorCode::kCorrupt, "known", "more than a window");
  Lane lane{std::move(record->user), std::move(record->device),
            Lane::Stream(limits::kLaneWindowMax, record->expected.value - record->known.size()), record->last_used_ms};
  for (auto& known : record->known) lane.stream.record(known.id, std::move(known.answer));
  return lane;
}

std::string LaneTraits::encode(const Lane& lane) {
  LaneRecord record{lane.user, lane.device, LaneNumber(lane.stream.expected()), {}, lane.last_used_ms};
  record.known.reserve(lane.stream.known().size());
  for (const auto& known : lane.stream.known()) record.known.push_back({known.identity, known.answer});
  return earshot::encode(record);
}

std::size_t LaneTraits::bytes_of(const Lane& lane) {
  // Texts of refusals are left out: they are short and rare.
  return sizeof(Lane) + lane.user.text().size() + lane.device.text().size() +
         lane.stream.known().size() * sizeof(Lane::Stream::Known);
}

Lanes::Lanes(storage::ShardState& state, const MachineLimits& limits, const MachineFaults& faults)
    : cache_(state, limits.cache_bytes_max), window_max_(limits.lane_window_max), faults_(faults) {
  EARSHOT_INVARIANT(window_max_ <= limits::kLaneWindowMax, "a lane's window fits what a lane can remember");
}

Lanes::Visit Lanes::visit(ProducerId producer, const UserId& user, const DeviceId& device) {
  return Visit(*this, cache_.require(producer), producer, user, device);
}

std::optional<SendAnswer> Lanes::Visit::judge(const OutgoingMessage& message) {
  if (entry_.is_damaged()) return reset("what this producer sent here is no longer known");
  if (is_foreign()) return reset("this producer belongs to another device");
  release(message.answered_below);
  if (lanes_.faults_.takes_any_number) return std::nullopt;

  static const Lane::Stream kNew(limits::kLaneWindowMax);
  const Lane* lane = entry_.get();
  const Lane::Stream& stream = lane != nullptr ? lane->stream : kNew;
  switch (stream.judge(message.number.value, message.id)) {
    case StreamVerdict::kRepeat: return again(stream.find(message.number.value)->answer);
    case StreamVerdict::kReset: return reset("the answer to this number is forgotten or belongs to another message");
    case StreamVerdict::kOutOfOrder:
      return held(Error{ErrorCode::kOutOfOrder, "number", "send again from the expected number", 0, stream.expected()});
    case StreamVerdict::kAccept: break;
  }
  if (stream.known().size() < lanes_.window_max_) return std::nullopt;
  return held(Error{ErrorCode::kOverloaded, "answeredBelow",
                    "lane_window_max (" + std::to_string(lanes_.window_max_) + ") answers are not released",
                    limits::kRetryAfterMs});
}

void Lanes::Visit::record(MessageId id, KnownAnswer answer, std::uint64_t now_ms) {
  const bool is_new = entry_.get() == nullptr;
  Lane& lane = lanes_.cache_.edit(entry_);
  if (is_new) lane.user = user_, lane.device = device_;
  lane.stream.record(id, std::move(answer));
  lane.last_used_ms = now_ms;
}

void Lanes::Visit::release(LaneNumber answered_below) {
  const Lane* lane = entry_.get();
  if (lane == nullptr || lane->stream.known().empty()) return;
  if (lane->stream.first_known() >= answered_below.value) return;
  lanes_.cache_.edit(entry_).stream.forget_below(answered_below.value);
}

bool Lanes::Visit::is_foreign() const {
  if (producer_ == ProducerId()) return true;
  const Lane* lane = entry_.get();
  return lane != nullptr && (lane->user != user_ || lane->device != device_);
}

}  // namespace earshot::cluster
