#include "storage/table_sums.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "storage/keys.hpp"
#include "storage/log_types.hpp"
#include "storage/record_kinds.hpp"
#include "storage/seal.hpp"
#include "storage/seed_mark.hpp"
#include "storage/state_store.hpp"

namespace earshot::storage {
namespace {

constexpr std::size_t kKindOffset = sizeof(ShardId::value);

char kind_of(std::string_view full_key) { return full_key.size() > kKindOffset ? full_key[kKindOffset] : '\0'; }

tl::unexpected<Error> corrupt(ShardId shard, const std::string& what) {
  return fail(ErrorCode::kCorrupt, "state", name_of_group(shard) + ": " + what);
}

Status put_sums(WriteTransaction& transaction, ShardId shard, const ShardSums& sums) {
  const std::string key = state_key(shard, keys::shard_sums());
  return transaction.put(kStateTable, key, seal(key, encode(sums)));
}

// One kind's records, read as a node will read them: in order, and each found by its key.
struct KindReading {
  ShardSums::Kind sum;
  bool has_damage = false;  // a record fails its seal
  bool is_disordered = false;
};

Result<KindReading> read_kind(ReadTransaction& transaction, ShardId shard, char kind) {
  KindReading reading;
  const std::string from = state_key(shard, std::string(1, kind));
  const std::string to = state_key(shard, std::string(1, static_cast<char>(kind + 1)));
  std::string previous;
  const auto visit = [&](std::string_view key, std::string_view sealed) {
    auto found = transaction.get(kStateTable, key);
    if (key < from || key <= previous || !found || !*found || (*found)->data() != sealed.data()) {
      reading.is_disordered = true;
      return false;
    }
    previous = key;
    ++reading.sum.count;
    reading.sum.digest += guard_in(sealed);
    reading.has_damage = reading.has_damage || !open_sealed(key, sealed);
    return true;
  };
  if (auto scanned = transaction.scan(kStateTable, from, to, visit); !scanned) return fail(std::move(scanned.error()));
  return reading;
}

// A damaged record may have it in its guard, which is in the digest: `takes_damage` leaves it to whoever reads it.
Status check_kind(ReadTransaction& transaction, ShardId shard, char kind, const ShardSums& sums, bool takes_damage) {
  auto reading = read_kind(transaction, shard, kind);
  if (!reading) return fail(std::move(reading.error()));
  const auto stored = sums.kinds.find(static_cast<std::uint8_t>(kind));
  const ShardSums::Kind expected = stored == sums.kinds.end() ? ShardSums::Kind{} : stored->second;
  if (reading->is_disordered) return corrupt(shard, "the " + plural_of(kind) + " are in disorder");
  if (reading->sum.count != expected.count) {
    return corrupt(shard, "there are " + std::to_string(reading->sum.count) + " " + plural_of(kind) + " where " +
                              std::to_string(expected.count) + " should be");
  }
  if (reading->has_damage)
    return takes_damage ? Status() : corrupt(shard, "of the " + plural_of(kind) + " some are damaged");
  if (reading->sum.digest != expected.digest)
    return corrupt(shard, "the " + plural_of(kind) + " are not those that were written last");
  return {};
}

Status check_shard(ReadTransaction& transaction, ShardId shard, bool takes_damage) {
  auto whole = is_whole(transaction, shard);
  if (!whole) return fail(std::move(whole.error()));
  if (!*whole) return {};  // nobody serves it, and what was wrong with it before it is fetched does not matter
  auto sums = read_sums(transaction, shard);
  if (!sums) return fail(std::move(sums.error()));
  if (!*sums) {
    bool has_records = false;
    const auto visit = [&has_records](std::string_view, std::string_view) { return !(has_records = true); };
    auto scanned = transaction.scan(kStateTable, state_key(shard, {}), end_of_shard(shard), visit);
    if (scanned && has_records) return corrupt(shard, "has records, but nothing tells how many there should be");
    return scanned;
  }
  for (const char kind : record_kind_letters()) {
    if (!record_kind(kind).is_checked_at_start) continue;
    if (auto checked = check_kind(transaction, shard, kind, **sums, takes_damage); !checked) return checked;
  }
  return {};
}

}  // namespace

void add_to_sums(ShardSums& sums, char kind, std::uint64_t guard) {
  ShardSums::Kind& sum = sums.kinds[static_cast<std::uint8_t>(kind)];
  ++sum.count;
  sum.digest += guard;
}

void subtract_from_sums(ShardSums& sums, char kind, std::uint64_t guard) {
  const auto sum = sums.kinds.find(static_cast<std::uint8_t>(kind));
  // Only damage shows a record that was never counted. It is none of those that the sums tell of.
  if (sum == sums.kinds.end() || sum->second.count == 0) return;
  sum->second.digest -= guard;
  if (--sum->second.count == 0 && sum->second.digest == 0) sums.kinds.erase(sum);
}

ShardSums sums_of_record(ShardId shard, std::string_view key, std::string_view value) {
  ShardSums sums;
  add_to_sums(sums, key.front(), guard_of(state_key(shard, key), value));
  return sums;
}

Result<SumsUpdate> SumsUpdate::begin(WriteTransaction& transaction, ShardId shard) {
  auto sums = read_sums(transaction, shard);
  if (!sums) return fail(std::move(sums.error()));
  return SumsUpdate(transaction, shard, *sums ? std::move(**sums) : ShardSums{});
}

SumsUpdate SumsUpdate::begin_anew(WriteTransaction& transaction, ShardId shard) {
  return SumsUpdate(transaction, shard, ShardSums{});
}

void SumsUpdate::replace(ShardSums sums) {
  sums_ = std::move(sums);
  damaged_kinds_.clear();
}

Status SumsUpdate::put(std::string_view full_key, std::string_view sealed) {
  auto gone = subtract(full_key);
  if (gone) add_to_sums(sums_, kind_of(full_key), guard_in(sealed));
  return gone;
}

Status SumsUpdate::erase(std::string_view full_key) { return subtract(full_key); }

Status SumsUpdate::subtract(std::string_view full_key) {
  auto old = transaction_.get(kStateTable, full_key);
  if (!old) return fail(std::move(old.error()));
  if (!*old) return {};
  const char kind = kind_of(full_key);
  if (!open_sealed(full_key, **old)) {
    has_met_damage_ = true;
    if (record_kind(kind).is_checked_at_start) damaged_kinds_.insert(kind);
  }
  subtract_from_sums(sums_, kind, guard_in(**old));
  return {};
}

Status SumsUpdate::sum_anew(char kind) {
  const auto sum = sums_.kinds.find(static_cast<std::uint8_t>(kind));
  if (sum == sums_.kinds.end()) return {};
  sum->second.digest = 0;
  const auto add = [&sum](std::string_view, std::string_view sealed) {
    sum->second.digest += guard_in(sealed);
    return true;
  };
  auto scanned = transaction_.scan(kStateTable, state_key(shard_, std::string(1, kind)),
                                   state_key(shard_, std::string(1, static_cast<char>(kind + 1))), add);
  if (sum->second.count == 0 && sum->second.digest == 0) sums_.kinds.erase(sum);
  return scanned;
}

Status SumsUpdate::write() {
  for (const char kind : damaged_kinds_) {
    if (auto summed = sum_anew(kind); !summed) return summed;
  }
  return put_sums(transaction_, shard_, sums_);
}

Result<std::optional<ShardSums>> read_sums(ReadTransaction& transaction, ShardId shard) {
  const std::string key = state_key(shard, keys::shard_sums());
  auto sealed = transaction.get(kStateTable, key);
  if (!sealed) return fail(std::move(sealed.error()));
  if (!*sealed) return std::optional<ShardSums>{};
  const auto value = unseal(key, **sealed);
  auto sums = value ? decode_shard_sums(*value) : Result<ShardSums>(fail(ErrorCode::kCorrupt, "", ""));
  if (!sums) return corrupt(shard, "the sums are damaged that tell how many records there should be");
  return std::optional<ShardSums>(std::move(*sums));
}

Result<ShardSums> count_sums(ReadTransaction& transaction, ShardId shard, const OnCounted& counted) {
  ShardSums sums;
  const std::string own_key = state_key(shard, keys::shard_sums());
  const auto visit = [&](std::string_view key, std::string_view sealed) {
    if (key != own_key) add_to_sums(sums, kind_of(key), guard_in(sealed));
    if (counted) counted(key, sealed.size());
    return true;
  };
  auto scanned = transaction.scan(kStateTable, state_key(shard, {}), end_of_shard(shard), visit);
  if (!scanned) return fail(std::move(scanned.error()));
  return sums;
}

Status store_counted_sums(Environment& environment, std::uint16_t shard_count, const OnCounted& counted,
                          const std::function<void()>& committing) {
  auto transaction = environment.begin_write();
  if (!transaction) return fail(std::move(transaction.error()));
  for (const ShardId shard : groups_of(shard_count)) {
    auto sums = count_sums(**transaction, shard, counted);
    if (!sums) return fail(std::move(sums.error()));
    if (sums->kinds.empty()) {
      auto erased = (*transaction)->erase(kStateTable, state_key(shard, keys::shard_sums()));
      if (!erased) return fail(std::move(erased.error()));
      continue;
    }
    if (auto put = put_sums(**transaction, shard, *sums); !put) return put;
  }
  if (committing) committing();
  return (*transaction)->commit();
}

Status check_sums(Environment& environment, std::uint16_t shard_count) {
  auto transaction = environment.begin_read();
  if (!transaction) return fail(std::move(transaction.error()));
  for (const ShardId shard : groups_of(shard_count)) {
    if (auto checked = check_shard(**transaction, shard, true); !checked) return checked;
  }
  return {};
}

Status check_sums(Environment& environment, ShardId shard, bool takes_damage) {
  auto transaction = environment.begin_read();
  if (!transaction) return fail(std::move(transaction.error()));
  return check_shard(**transaction, shard, takes_damage);
}

Status check_records(Environment& environment, ShardId shard, char kind) {
  auto transaction = environment.begin_read();
  if (!transaction) return fail(std::move(transaction.error()));
  auto sums = read_sums(**transaction, shard);
  if (!sums) return fail(std::move(sums.error()));
  return check_kind(**transaction, shard, kind, *sums ? **sums : ShardSums(), false);
}

}  // namespace earshot::storage
