#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "schema/records.hpp"
#include "storage/keys.hpp"
#include "storage/shard_state.hpp"

namespace earshot::cluster {

// What decides whether a stored message is over.
struct EndRules {
  std::uint64_t tick_ms = 0;
  std::uint64_t retention_age_ms = 0;  // 0: none
};

// Why a message is shown no more; nothing: it lives. Readers ask this, so that between its end and the moment when it
// is cleared away nobody sees it.
std::optional<LostReason> ended_reason(const MailboxRecord& record, const EndRules& rules);

// Which messages end when, in the order of time. Holds only the next moment in memory. A damaged mark ends nothing and
// is dropped: whoever reads its message still sees when that ends.
class ExpiryIndex {
 public:
  explicit ExpiryIndex(storage::ShardState& state) : state_(state) {}

  Status load() { return find_next(); }

  void add(const storage::keys::Expiry& expiry);
  void remove(const storage::keys::Expiry& expiry);
  // Those that are due, earliest first, at most `count_max`.
  [[nodiscard]] std::vector<storage::keys::Expiry> due(std::uint64_t tick_ms, std::size_t count_max);

  // When the next message ends; 0: none does. True after refresh(), which an entry's changes need.
  [[nodiscard]] std::uint64_t next_ms() const { return next_ms_; }
  void refresh(std::uint64_t tick_ms);

  [[nodiscard]] std::uint64_t damaged_met() const { return damaged_met_; }

 private:
  Status find_next();

  storage::ShardState& state_;
  std::uint64_t next_ms_ = 0;
  bool is_stale_ = false;
  std::uint64_t damaged_met_ = 0;
};

}  // namespace earshot::cluster
