#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/limits.hpp"
#include "storage/log_types.hpp"
#include "storage/record_rules.hpp"
#include "storage/verify.hpp"

// The work of one of the processes that verify a node's data, and how it speaks to the one that waits for its end
// (verify_run.hpp): where it is, in shared memory; what it found, over a pipe, one JSON object a line.
namespace earshot::app {

// What the worker is at. Read by the parent, while the worker runs as mere progress, after its death to the letter.
struct VerifyShared {
  // kCommit: what is changed becomes lasting, or is so already.
  enum Stage : std::uint32_t { kOpenState, kOpenLog, kSections, kCommit };

  std::atomic<std::uint32_t> stage{kOpenState};
  std::atomic<std::uint64_t> section{0};
  std::atomic<std::uint64_t> records{0};  // of all workers
  std::atomic<std::uint64_t> bytes{0};    //
  std::atomic<std::uint64_t> pages{0};    // looked at by themselves
  std::atomic<std::uint64_t> total{0};    // records there are
  std::atomic<std::size_t> key_bytes{0};  // of the record reached last in this section; 0: none
  std::array<char, storage::kKeyBytesMax> key{};
  std::array<std::atomic<std::uint64_t>, limits::kShardsMax + 1> applied_plus_1{};  // 0: not known
  std::array<std::atomic<bool>, limits::kShardsMax> is_fetching{};

  // Of a group in applied_plus_1; nullptr: there is no such group.
  std::atomic<std::uint64_t>* applied_plus_1_of(storage::GroupId group) {
    if (group == storage::kMetaGroup) return &applied_plus_1.back();
    return group.value < limits::kShardsMax ? &applied_plus_1[group.value] : nullptr;
  }

  [[nodiscard]] std::uint64_t steps() const { return records + pages; }
  [[nodiscard]] std::string reached_key() const { return {key.data(), std::min(key_bytes.load(), key.size())}; }
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "processes share no lock");

// Where a worker begins, and what it leaves out because an earlier one died of it.
struct VerifyStart {
  std::size_t section = 0;
  std::string key;
  bool opens_state = true;
  bool opens_log = true;
};

// What a worker speaks through.
class PipeWitness final : public storage::Witness {
 public:
  PipeWitness(VerifyShared& shared, int pipe) : shared_(shared), pipe_(pipe) {}

  void reached(std::string_view full_key, std::size_t bytes) override;
  void looked_at_page() override;
  // Ends the process when nobody listens any more.
  void found(storage::Finding finding) override;
  void stands(ShardId shard, LogIndex applied) override;
  void is_fetching(ShardId shard) override;

 private:
  VerifyShared& shared_;
  int pipe_;
};

// A line of the pipe; nothing when it is none.
std::optional<storage::Finding> finding_of_line(std::string_view line);

// Looks at the sections from `start` on.
void verify_sections(const std::string& path, std::uint16_t shard_count, const std::vector<storage::Section>& sections,
                     const VerifyStart& start, VerifyShared& shared, storage::Witness& witness);

}  // namespace earshot::app
