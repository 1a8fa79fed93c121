#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cluster/expiry_index.hpp"
#include "schema/records.hpp"
#include "storage/keys.hpp"

namespace earshot::cluster {

// What decides whether a stored message is over.
struct EndRules {
  std::uint64_t tick_ms = 0;
  std::uint64_t retention_age_ms = 0;  // 0: none
};

// Why a message is shown no more; nothing: it lives. Readers ask this, so that between its end and the moment when it
// is cleared away nobody sees it.
std::optional<LostReason> ended_reason(const MailboxRecord& record, const EndRules& rules);

struct MessageExpiries {
  using Mark = storage::keys::Expiry;
  static constexpr std::string_view kFirstKey = "E";
  static std::string key_of(const Mark& mark) { return storage::keys::expiry(mark); }
  static Mark mark_of(std::string_view key) { return storage::keys::expiry_of(key); }
  static std::string end_of(std::uint64_t at_ms) { return storage::keys::expiries_to(at_ms); }
};
// A damaged mark ends nothing and is dropped: whoever reads its message still sees when that ends.
using MessageExpiryIndex = ExpiryIndex<MessageExpiries>;

}  // namespace earshot::cluster
