#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "base/ids.hpp"
#include "cluster/pulse_message.hpp"

namespace earshot::cluster {

// Heartbeats of a group in which nothing happens, said for it by its node. Such a group rests: all that its leader has
// is stored, committed and known to be so at every member. Then a heartbeat says nothing but that the leader is there,
// and one pulse from node to node says that for all groups that rest; their replicas send and answer heartbeats of
// their own only now and then (limits::kRestBeats), and none of them is woken in between.
//
//   leader's replica ── leads() ──► GroupPulse ── beats_for() ──► pulse ══ node to node ══► heard() ── GroupPulse
//          ▲                             │                          ▲                          │          ▲  │
//          └──────── heard_ms() ─────────┘◄──── heard() ════════════╧══ the same back ═════════┘  follows()  heard_ms()
//                                                                                                 follower's replica
//
// A pulse moves nothing but timers: a follower is said to have heard of its leader, a leader of its follower, which may
// be late, doubled or lost as with any heartbeat. It counts only where both have the same leader, term and last index,
// and only so long: a replica that is stuck does not go on beating.
//
// One replica, and any thread for pulses.
class GroupPulse {
 public:
  // ---- the replica's. Each replaces what was said before; who was heard is forgotten unless it is the same again.
  void follows(NodeId leader, Term term, LogIndex last, std::uint64_t until_ms);
  void leads(std::span<const NodeId> followers, Term term, LogIndex last, std::uint64_t until_ms);
  // Something happens again.
  void stirs();
  // When a pulse of that node was heard last, since it rests; 0: none.
  [[nodiscard]] std::uint64_t heard_ms(NodeId node) const;

  // ---- the node's
  // Whether to say to that node that this group's leader is here, and of which group.
  [[nodiscard]] bool beats_for(NodeId node, std::uint64_t now_ms, GroupBeat& beat) const;
  // That node says so of its replica (`from_leader`), or answers. False: it counts for nothing here.
  bool heard(NodeId from, const GroupBeat& beat, bool from_leader, std::uint64_t now_ms);

 private:
  struct Other {
    NodeId node;
    std::uint64_t heard_ms = 0;
  };

  void rest(bool leads, std::span<const NodeId> others, Term term, LogIndex last, std::uint64_t until_ms);

  mutable std::mutex mutex_;
  std::vector<Other> others_;  // empty: it does not rest
  bool leads_ = false;
  Term term_;
  LogIndex last_;
  std::uint64_t until_ms_ = 0;
};

}  // namespace earshot::cluster
