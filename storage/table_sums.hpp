#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string_view>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "schema/shard_sums.hpp"
#include "storage/environment.hpp"

// Count and digest of each shard's records, kept beside the applied index (key D of storage/keys.hpp) by the very
// transactions that change the records. A seal shows that a record is damaged; only these show that one is missing, or
// stands there in an older version with a seal that fits.
//
// What is summed is the guard as it stands on disk. A damaged value whose guard is whole is therefore counted as what
// was meant to be there, and stays so when it is replaced. A damaged guard cannot be subtracted, as nobody knows what
// it was. When such a record of a kind that check_sums() looks at is replaced or erased, the kind's digest is summed
// anew, or else the node would not start again although nothing is damaged any more; how many there are is known all
// the time. With other kinds, of which there may be many, the digest then differs for good, which is said (by `earshot
// verify`) until the sums are counted anew.
namespace earshot::storage {

// The sums of one shard within one write transaction.
//   begin ──► put/erase, each before its record is changed ──► write
class SumsUpdate {
 public:
  // kCorrupt when the stored sums are damaged. A shard that has none yet begins with nothing.
  static Result<SumsUpdate> begin(WriteTransaction& transaction, ShardId shard);
  // Begins with nothing, whatever is stored: for a shard that is being fetched, whose last overlay brings its sums.
  static SumsUpdate begin_anew(WriteTransaction& transaction, ShardId shard);

  // The record at `full_key` is about to become `sealed`, or to go: looks up what stands there now.
  Status put(std::string_view full_key, std::string_view sealed);
  Status erase(std::string_view full_key);
  // These are right, whatever was counted.
  void replace(ShardSums sums);
  // Puts the sums among the shard's records.
  Status write();
  // A record that was changed had been damaged. It may have been another one, found under an altered key: then the sums
  // hide from now on that this one is missing.
  [[nodiscard]] bool has_met_damage() const { return has_met_damage_; }

 private:
  SumsUpdate(WriteTransaction& transaction, ShardId shard, ShardSums sums)
      : transaction_(transaction), shard_(shard), sums_(std::move(sums)) {}
  Status subtract(std::string_view full_key);
  Status sum_anew(char kind);

  WriteTransaction& transaction_;
  ShardId shard_;
  ShardSums sums_;
  std::set<char> damaged_kinds_;  // that check_sums() looks at
  bool has_met_damage_ = false;
};

// Adds a record with this guard to a kind, or takes one away.
void add_to_sums(ShardSums& sums, char kind, std::uint64_t guard);
void subtract_from_sums(ShardSums& sums, char kind, std::uint64_t guard);
// Of a shard that has this record alone.
ShardSums sums_of_record(ShardId shard, std::string_view key, std::string_view value);

// The stored sums; nothing when the shard has none. kCorrupt when they are damaged.
Result<std::optional<ShardSums>> read_sums(ReadTransaction& transaction, ShardId shard);

// Hears of each record that is counted.
using OnCounted = std::function<void(std::string_view full_key, std::size_t bytes)>;

// What is really there, by a scan of the shard's whole range.
Result<ShardSums> count_sums(ReadTransaction& transaction, ShardId shard, const OnCounted& counted = {});

// Counts the shards 0 .. shard_count - 1 and the meta group as they are, and stores the sums: for data that was written
// before there were any, and for an operator who accepts what is left. `committing` is called when all is counted: from
// then on until the return it is open whether it will have been stored.
Status store_counted_sums(Environment& environment, std::uint16_t shard_count, const OnCounted& counted = {},
                          const std::function<void()>& committing = {});

// What a node looks at before it serves: the records that everything else is found by, which are few per user (heads,
// cursors, lanes, …; not messages and the like, whose holes show when they are read). Each must be there, in order, be
// found by its key, and all together match the stored sums; so must there be sums wherever there is a record. kCorrupt
// says which kind of which shard does not; the meta group is one of them here. A shard whose state is being fetched has
// nothing to check. Damaged values are not searched for here: they show when they are read.
Status check_sums(Environment& environment, std::uint16_t shard_count);
// The same of one shard, or of the meta group. Without `takes_damage` a damaged record is kCorrupt, too: its key may be
// what was altered, so that it would be looked for in vain.
Status check_sums(Environment& environment, ShardId shard, bool takes_damage);

// Whether all records of one kind are there, as they were counted: whole, in order, each found by its key. Looks at
// every one of them, of whatever kind. kCorrupt says what is wrong.
Status check_records(Environment& environment, ShardId shard, char kind);

}  // namespace earshot::storage
