#include "peers/send_queue.hpp"

#include <algorithm>
#include <utility>

namespace earshot::peers {
namespace {

std::size_t size_of(const PeerFrame& frame) { return frame.body ? frame.body->size() : 0; }

}  // namespace

SendQueue::Lane SendQueue::lane_for(const PeerFrame& frame, std::size_t bytes) const {
  switch (class_of(frame.topic)) {
    case FrameClass::kCalls: return kCalls;
    case FrameClass::kSeed: return kSeed;
    case FrameClass::kRaft: break;
  }
  return bytes <= kUrgentBytesMax && !large_.contains(frame.group.value) ? kUrgent : kRaft;
}

bool SendQueue::push(PeerFrame frame) {
  const std::size_t bytes = size_of(frame);
  const std::size_t of = index_of(class_of(frame.topic));
  if (bytes > limits::kPeerFrameBytesMax || frames_[of] >= bounds_.frames_max) return false;
  // One frame always fits, whatever the bound is.
  if (frames_[of] > 0 && bytes_[of] + bytes + kFrameOverheadBytes > bounds_.bytes_max[of]) return false;
  const Lane lane = lane_for(frame, bytes);
  bytes_[of] += bytes + kFrameOverheadBytes;
  ++frames_[of];
  if (lane == kRaft) ++large_[frame.group.value];
  lanes_[lane].push_back(std::move(frame));
  return true;
}

SendQueue::Lane SendQueue::next_lane(const Credits& credits) const {
  const auto can_go = [&](Lane lane) { return !lanes_[lane].empty() && credits.has(class_of_lane(lane)); };
  if (can_go(kUrgent)) return kUrgent;
  if (begun_ != kLanes) return can_go(begun_) ? begun_ : kLanes;
  const Lane first = calls_next_ ? kCalls : kRaft;
  const Lane second = calls_next_ ? kRaft : kCalls;
  for (const Lane lane : {first, second, kSeed})
    if (can_go(lane)) return lane;
  return kLanes;
}

Piece SendQueue::take_from(Lane lane) {
  const PeerFrame& frame = lanes_[lane].front();
  const std::size_t offset = begun_ == lane ? begun_bytes_ : 0;
  const std::size_t left = size_of(frame) - offset;
  Piece piece{frame.body, offset,           std::min(left, kPieceBytesMax), static_cast<std::uint8_t>(frame.topic),
              0,          frame.group.value};
  if (offset > 0) piece.flags |= kContinues;
  if (piece.bytes < left) {
    piece.flags |= kMoreFollows;
    begun_ = lane;
    begun_bytes_ = offset + piece.bytes;
    return piece;
  }
  if (begun_ == lane) begun_ = kLanes, begun_bytes_ = 0;
  forget(lane);
  return piece;
}

void SendQueue::forget(Lane lane) {
  const PeerFrame& frame = lanes_[lane].front();
  const std::size_t of = index_of(class_of_lane(lane));
  bytes_[of] -= size_of(frame) + kFrameOverheadBytes;
  --frames_[of];
  if (lane == kRaft) {
    const auto group = large_.find(frame.group.value);
    if (--group->second == 0) large_.erase(group);
  }
  if (lane == kRaft || lane == kCalls) calls_next_ = lane == kRaft;
  lanes_[lane].pop_front();
}

std::vector<Piece> SendQueue::take(std::size_t bytes_max, Credits& credits) {
  std::vector<Piece> pieces;
  for (std::size_t bytes = 0; bytes < bytes_max;) {
    const Lane lane = next_lane(credits);
    if (lane == kLanes) break;
    Piece piece = take_from(lane);
    credits.spend(class_of_lane(lane), piece.bytes + kHeaderBytes);
    bytes += piece.bytes + kHeaderBytes;
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

bool SendQueue::empty() const {
  return std::ranges::all_of(lanes_, [](const auto& lane) { return lane.empty(); });
}

std::size_t SendQueue::bytes() const {
  std::size_t bytes = 0;
  for (const std::size_t of_class : bytes_) bytes += of_class;
  return bytes;
}

std::vector<cluster::PeerReading::Waiting> SendQueue::waiting() const {
  std::vector<cluster::PeerReading::Waiting> classes;
  for (const FrameClass one : {FrameClass::kRaft, FrameClass::kCalls, FrameClass::kSeed}) {
    const std::size_t of = index_of(one);
    classes.push_back({name_of(one), frames_[of], bounds_.frames_max, bytes_[of], bounds_.bytes_max[of]});
  }
  return classes;
}

void SendQueue::clear() {
  for (auto& lane : lanes_) lane.clear();
  bytes_ = {}, frames_ = {};
  large_.clear();
  begun_ = kLanes, begun_bytes_ = 0;
}

}  // namespace earshot::peers
