#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/queue.hpp"
#include "peers/credits.hpp"
#include "peers/frame.hpp"

namespace earshot::peers {

// A part of a frame's body, as it goes out.
struct Piece {
  storage::SharedBytes body;
  std::size_t offset = 0;
  std::size_t bytes = 0;
  std::uint8_t kind = 0;
  std::uint8_t flags = 0;
  std::uint16_t group = 0;

  [[nodiscard]] std::string_view view() const {
    return body ? std::string_view(*body).substr(offset, bytes) : std::string_view();
  }
};

struct QueueBounds {
  PerClass<std::size_t> bytes_max{limits::kPeerQueueBytesMax, limits::kPeerQueueBytesMax, limits::kPeerQueueBytesMax};
  std::size_t frames_max = limits::kPeerQueueFramesMax;  // of each class
};

// Frames that wait for one link, and which of them goes next. Each class has bounds of its own, so that none keeps
// another out.
//
//   urgent   small frames of Raft               before everything, also between the pieces of a large frame
//   raft     the others of it                   \  in turns
//   calls    everything else but seeds          /
//   seed     states on their way                when nothing else can go
//
// Frames of one topic go in the order in which they came; those of kRaft within each group: a small one does not
// overtake a large one of its own group. Pure; one owner.
class SendQueue {
 public:
  explicit SendQueue(const QueueBounds& bounds) : bounds_(bounds) {}

  // False, and not taken: its class is full, or it is larger than a frame may be.
  bool push(PeerFrame frame);
  // What goes next: about so many bytes, as far as there is credit for them, which is spent.
  std::vector<Piece> take(std::size_t bytes_max, Credits& credits);
  [[nodiscard]] bool empty() const;
  // Of all classes.
  [[nodiscard]] std::size_t bytes() const;
  [[nodiscard]] std::vector<cluster::PeerReading::Waiting> waiting() const;
  void clear();

 private:
  // What a frame takes in memory beside its body, and on the wire.
  static constexpr std::size_t kFrameOverheadBytes = 64;

  enum Lane : std::uint8_t { kUrgent, kRaft, kCalls, kSeed, kLanes };
  static constexpr FrameClass class_of_lane(Lane lane) {
    if (lane == kUrgent || lane == kRaft) return FrameClass::kRaft;
    return lane == kSeed ? FrameClass::kSeed : FrameClass::kCalls;
  }

  [[nodiscard]] Lane lane_for(const PeerFrame& frame, std::size_t bytes) const;
  // kLanes: none.
  [[nodiscard]] Lane next_lane(const Credits& credits) const;
  Piece take_from(Lane lane);
  void forget(Lane lane);

  const QueueBounds bounds_;
  std::array<Queue<PeerFrame>, kLanes> lanes_;
  PerClass<std::size_t> bytes_{};
  PerClass<std::size_t> frames_{};
  std::unordered_map<std::uint16_t, std::size_t> large_;  // frames in the lane kRaft, by group
  Lane begun_ = kLanes;                                   // whose first frame is on its way …
  std::size_t begun_bytes_ = 0;                           // … and how far
  bool calls_next_ = false;                               // it is the calls' turn
};

}  // namespace earshot::peers
