#pragma once

#include <atomic>
#include <cstdint>

namespace earshot::cluster {

// What the replicas of a node have done since it started, all groups together. Thread-safe: each number is exact,
// together they are no snapshot.
struct RaftCounters {
  using Counter = std::atomic<std::uint64_t>;

  Counter candidacies{0};         // stood for election, pre-votes that came to nothing included
  Counter leaderships{0};         // was elected
  Counter leaders_known{0};       // another one leads, or the same in a later term; itself included
  Counter entries_sent{0};        // to followers, those sent again included
  Counter entries_received{0};    // of leaders, those that were there already included
  Counter appends_refused{0};     // by followers, that lack what comes before, or know a later term
  Counter appends_unreadable{0};  // of leaders, with an entry that could not be applied here
  Counter snapshots_sent{0};      // said to followers that the log does not reach back far enough for
  Counter states_begun{0};        // of replicas here that lack theirs, fetched from another node …
  Counter states_fetched{0};      // … and there
  Counter seed_parts_sent{0};     // of states, to other nodes …
  Counter seed_bytes_sent{0};     //
  Counter seed_parts_received{0};
  Counter seed_bytes_received{0};
};

inline void count(RaftCounters::Counter& counter, std::uint64_t by = 1) {
  counter.fetch_add(by, std::memory_order_relaxed);
}

}  // namespace earshot::cluster
