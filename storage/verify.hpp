#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "storage/environment.hpp"

// Looks at everything a node has on disk and says what is not as it should be, and what that means for those who use
// the broker. Plain functions over environments, so that they run on the model too. They read only, but a damaged page
// can crash LMDB or lead it in circles: `earshot verify` runs them in a process that may die, section by section.
namespace earshot::storage {

struct Finding {
  enum class Kind : std::uint8_t {
    kUnreadable,    // the environment itself cannot be read there
    kDamaged,       // a record fails its checksum, or is none of its kind
    kMissing,       // a record that others say must be there is not
    kMiscounted,    // count or digest of a kind of records are not what was written last
    kMisplaced,     // a record where none belongs, or one that is not found by its key
    kInconsistent,  // sound records that contradict each other
  };
  Kind kind = Kind::kDamaged;
  std::string file;                  // below the data directory: "state/data.mdb", or "log" for all files there
  std::string table;                 // the kind of records, in words
  std::string where;                 // the keys, readable: "shard 3, user bob, sequences 17..19"
  std::string lost;                  // what it means for users
  bool keeps_from_starting = false;  // the node, also when what is left was counted anew (store_counted_sums)
  bool operator==(const Finding&) const = default;
};
std::string_view name_of(Finding::Kind kind);  // "damaged"

// Where verification tells what it does. It calls from the thread that it was called on.
class Witness {
 public:
  virtual ~Witness() = default;
  // The record at this key, of so many bytes, was reached: what kills the process now lies behind it.
  virtual void reached(std::string_view full_key, std::size_t bytes) = 0;
  // One more page of the disk's own structure was looked at.
  virtual void looked_at_page() = 0;
  virtual void found(Finding finding) = 0;
  // The state of a shard stands at this log index.
  virtual void stands(ShardId shard, LogIndex applied) = 0;
  // What the shard has is no state: it is being fetched from another node (seed_mark.hpp), and is not looked at.
  virtual void is_fetching(ShardId shard) = 0;
};

// A stretch of keys of one table that is looked at in one go.
struct Section {
  enum class Part : std::uint8_t { kState, kStatePages, kLogPages, kLog, kHardStates, kSnapshots };
  Part part = Part::kState;
  ShardId shard;     // of the state
  char kind = 0;     // of the state: the letter; 0: kinds that this release does not know
  std::string from;  // full keys [from, to); an empty `to` is the end
  std::string to;
  bool has_sums = true;  // of the state: count and digest were kept since the directory was made

  [[nodiscard]] bool is_of_state() const { return part == Part::kState || part == Part::kStatePages; }
  [[nodiscard]] bool is_of_pages() const { return part == Part::kStatePages || part == Part::kLogPages; }
  [[nodiscard]] std::string file() const;
  [[nodiscard]] std::string table() const;  // the kind of records, in words
};
// All there is to look at, in the order in which to do it: the state first, since it decides what damage to the log
// means. Together they cover every key.
std::vector<Section> sections_of(std::uint16_t shard_count, bool has_sums);

// A key of a section for people: "user bob, sequence 17".
std::string describe_key(const Section& section, std::string_view full_key);
// The first key behind all that share `full_key` without its last `bytes_cut` bytes: where to go on behind what cannot
// be read. Empty: behind the section.
std::string key_behind(const Section& section, std::string_view full_key, std::size_t bytes_cut);

// Looks at a section from `from` on (empty: from its beginning; what is then not seen is not counted either).
void verify_state(Environment& state, const Section& section, std::string_view from, Witness& witness);

// The pages that all records of an environment hang in, in a section of their own: much of what they say is met by
// writers only, so that a flaw there may leave every record readable.
void verify_pages(Environment& environment, const Section& section, Witness& witness);

// The index at which a shard's state stands; nothing when that is not known.
using Applied = std::function<std::optional<LogIndex>(ShardId)>;
void verify_log(Environment& log, const Section& section, std::string_view from, std::uint16_t shard_count,
                const Applied& applied, Witness& witness);

}  // namespace earshot::storage
