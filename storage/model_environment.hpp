#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/environment.hpp"

namespace earshot::storage {

// What a disk holds, in memory, for simulation: the environment is "the process's view", the disk outlives it. It keeps
// three states apart: written in a transaction, committed (visible to readers, lost by a power cut until synced),
// synced.
//
// Two ways of use:
//   * automatic (default): commit() syncs at once, as LMDB does; the contract suite runs this.
//   * manual: begin_write().commit() makes changes visible; they survive crash() only after sync(). A simulator delays
//   sync()
//     to stand for a slow disk, and crash() drops everything after the last sync.
// Faults: fill(bytes) makes commits beyond that size answer kStorageFull; damage() flips a bit of a stored value,
// damage_key() of a key.
class ModelDisk {
 public:
  explicit ModelDisk(std::size_t tables);
  ~ModelDisk();
  ModelDisk(const ModelDisk&) = delete;
  ModelDisk& operator=(const ModelDisk&) = delete;

  // A new process's view of what is on the disk. Valid while the disk lives; at most one at a time.
  [[nodiscard]] std::unique_ptr<Environment> open();

  void set_manual_sync(bool manual);
  // Everything committed so far survives a crash from now on.
  void sync();
  // Power cut: back to the last sync. Environments opened before must be destroyed first.
  void crash();
  // Commits that would make the stored bytes exceed this answer kStorageFull; 0 lifts the bound.
  void set_capacity(std::uint64_t bytes);
  // Flips one bit of the value (chosen by `bit` modulo its size). False when the key is absent.
  bool damage(Table table, std::string_view key, std::uint64_t bit);
  // Flips one of the bits of the key behind its first `from` bytes, so that the record is found there no more. False
  // when it is absent, not synced yet or has no such bytes, or when there is a record under the other key.
  bool damage_key(Table table, std::string_view key, std::size_t from, std::uint64_t bit);
  // Counts the commits that there were, synced or not. Does not go back.
  [[nodiscard]] std::uint64_t commits() const;
  [[nodiscard]] std::uint64_t used_bytes() const;

  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace earshot::storage
