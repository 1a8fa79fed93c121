#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/support/raft_cluster.hpp"

namespace earshot::tests {

// What goes wrong in a RaftCluster, drawn from its seed.
class RaftFaults {
 public:
  // `loses_states`: states get damaged, too.
  RaftFaults(RaftCluster& cluster, bool loses_states) : cluster_(cluster), loses_states_(loses_states) {}

  // One random fault, or the end of one.
  void happen() {
    const std::size_t i = a_place();
    switch (random().below(16)) {
      case 0:
      case 1:
      case 2:
        cluster_.crash(i);
        cluster_.after(random().between(1, 1'500), [this, i] { cluster_.restart(i); });
        break;
      case 3: isolate(i); break;
      case 4: cluster_.block(i, a_place()); break;
      case 5: cluster_.heal(); break;
      case 6: cluster_.set_disk_ms(i, random().between(50, 600)); break;
      case 7: cluster_.set_disk_ms(i, 2); break;
      case 8: cluster_.set_network(random().chance(0.5) ? 0.2 : 0.02, 0.1, random().between(2, 200)); break;
      case 9:
      case 10: strand_leader(); break;
      case 11: flicker(); break;
      case 12: cluster_.pause(i, random().between(10, 2'500)); break;
      case 13:
        if (loses_states_) cluster_.lose_state(i);
        break;
      default: cluster_.heal(), cluster_.set_network(0.01, 0.02, 5); break;
    }
  }

  // The leader keeps taking commands that nobody else hears of, and its disk is slow: what it appends will be
  // truncated, some of it after the truncation only reported as synced.
  void strand_leader(std::uint64_t disk_ms_min = 50, std::uint64_t disk_ms_max = 600) {
    const auto stranded = cluster_.leader();
    if (!stranded) return;
    cluster_.heal();
    cluster_.set_disk_ms(*stranded, random().between(disk_ms_min, disk_ms_max));
    for (std::size_t j = 0; j < cluster_.size(); ++j) {
      cluster_.block(*stranded, j);
      if (random().chance(0.5)) cluster_.block(j, *stranded);
    }
    cluster_.after(random().between(300, 1'500), [this] { cluster_.heal(); });
  }

  // A node that is back before the others miss it may have forgotten whom it voted for: its disk is slow.
  void flicker() {
    const std::size_t i = a_place();
    cluster_.set_disk_ms(i, random().between(100, 600));
    cluster_.crash(i);
    cluster_.after(random().between(1, 60), [this, i] { cluster_.restart(i); });
  }

  // Nobody hears of the leader while every disk is slow, and the others die and are back again and again: each stands
  // and votes in terms that it may have forgotten since.
  void flicker_in_an_election() {
    strand_leader(100, 600);
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      cluster_.set_disk_ms(i, random().between(100, 600));
      for (std::uint64_t ms = random().between(200, 800); ms < 1'500; ms += random().between(50, 400)) {
        cluster_.after(ms, [this, i] {
          if (!over_) cluster_.crash(i);
        });
        cluster_.after(ms + random().between(1, 20), [this, i] { cluster_.restart(i); });
      }
    }
  }

  void end() {
    over_ = true;
    cluster_.heal();
    cluster_.set_network(0, 0, 5);
    for (std::size_t i = 0; i < cluster_.size(); ++i) {
      cluster_.set_disk_ms(i, 2);
      cluster_.restart(i);
    }
  }

 private:
  void isolate(std::size_t i) {
    for (std::size_t j = 0; j < cluster_.size(); ++j) {
      if (random().chance(0.7)) cluster_.block(i, j);
      if (random().chance(0.7)) cluster_.block(j, i);
    }
  }
  [[nodiscard]] Random& random() { return cluster_.random(); }
  [[nodiscard]] std::size_t a_place() { return random().below(cluster_.size()); }

  RaftCluster& cluster_;
  const bool loses_states_;
  bool over_ = false;
};

}  // namespace earshot::tests
