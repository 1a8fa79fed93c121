#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "storage/log_types.hpp"

namespace earshot::cluster {

// What a heartbeat of a group that rests would say: see cluster/pulse.hpp.
struct GroupBeat {
  storage::GroupId group;
  Term term;
  LogIndex last;  // of the leader's log, and of the follower's
  bool operator==(const GroupBeat&) const = default;
};

// A frame of PeerTopic::kPulses: of all groups that rest and are led where it comes from; or the answer to one, of
// those that rest where that comes from, under that leader.
struct Pulse {
  bool is_answer = false;
  std::vector<GroupBeat> beats;
  bool operator==(const Pulse&) const = default;
};

// One Cap'n Proto message (schema/peer.capnp), then 8 bytes of checksum over it.
std::string encode(const Pulse& pulse);
// kChecksumMismatch for altered bytes; kCorrupt for others that are no pulse.
Result<Pulse> decode_pulse(std::string_view bytes);

}  // namespace earshot::cluster
