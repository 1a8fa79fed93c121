#pragma once

namespace earshot::cluster {

// Rules that a test may switch off to prove that the simulation notices (mutation tests). All false in the product;
// nothing but a test sets one.
struct ReplicaFaults {
  bool send_before_hard_state = false;    // messages do not wait for term and vote
  bool report_stale_completions = false;  // a completed write is reported by its raw index
  bool apply_unsynced = false;            // committed entries are applied before this node has synced them
  bool joins_by_index_alone = false;      // a log goes on behind an installed snapshot whatever its terms are
  bool reads_without_check = false;       // a leader takes itself for one without asking anybody
};

}  // namespace earshot::cluster
