#pragma once

#include <string>
#include <string_view>

#include "base/error.hpp"

// The kinds of records in a shard's state, by the letter that their keys begin with (storage/keys.hpp), for those who
// look at records without being the state machine: sums, verification.
namespace earshot::storage {

struct RecordKind {
  char letter = 0;
  const char* plural = "";  // "mailbox heads"
  // Few per user, and found by key: a missing one would be taken for one that never was. Checked before a node serves.
  bool is_checked_at_start = false;
  // Whether the value is a record of this kind.
  Status (*check)(std::string_view value) = nullptr;
};

// In the order of their keys.
std::string_view record_kind_letters();
// A letter of a later release is a kind with a name of its own and nothing to check.
const RecordKind& record_kind(char letter);
// "mailbox heads", or "records of kind X".
std::string plural_of(char letter);

}  // namespace earshot::storage
