#pragma once

#include <string>

namespace earshot::bench {

// What the bare disk does, to compare the broker with: measured in the same directory and the same run.

// Median time of one append of 4 KiB + fdatasync, in µs.
double fdatasync_p50_us(const std::string& directory);
// Records of 200 bytes per second through storage's log, 256 to a synced commit: the ceiling of every committed send.
// In a journal, as the node keeps its log, and in LMDB, for comparison.
double journal_group_commit_rate(const std::string& directory);
double lmdb_group_commit_rate(const std::string& directory);

}  // namespace earshot::bench
