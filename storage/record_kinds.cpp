#include "storage/record_kinds.hpp"

#include <algorithm>
#include <array>

#include "schema/meta.hpp"
#include "schema/records.hpp"
#include "schema/seed_head.hpp"
#include "schema/shard_sums.hpp"

namespace earshot::storage {
namespace {

template <auto decode>
Status check(std::string_view value) {
  auto record = decode(value);
  if (!record) return fail(std::move(record.error()));
  return {};
}

Status check_empty(std::string_view value) {
  if (value.empty()) return {};
  return fail(ErrorCode::kCorrupt, "value", "must be empty: its key says it all");
}

// Of no bytes, as it was written at first: forgotten long ago.
Status check_forgotten_producer(std::string_view value) {
  return value.empty() ? Status{} : check<decode_forgotten_producer>(value);
}

constexpr bool kAtStart = true;

// Ascending, as the keys.
constexpr std::array kKinds = {
    RecordKind{'B', "heads of fetches", kAtStart, &check<decode_seed_head>},
    RecordKind{'C', "cursors", kAtStart, &check<decode_cursor_record>},
    RecordKind{'D', "sums", false, &check<decode_shard_sums>},
    RecordKind{'E', "expiry marks", false, &check_empty},
    RecordKind{'F', "forgotten producers", kAtStart, &check_forgotten_producer},
    RecordKind{'G', "positions", false, &check<decode_position_record>},
    RecordKind{'H', "mailbox heads", kAtStart, &check<decode_mailbox_head>},
    RecordKind{'I', "inbound heads", kAtStart, &check<decode_inbound_head>},
    RecordKind{'K', "parked messages", false, &check<decode_parked_record>},
    RecordKind{'L', "lanes", kAtStart, &check<decode_lane_record>},
    RecordKind{'M', "messages", false, &check<decode_mailbox_record>},
    RecordKind{'N', "records of nodes and placement", kAtStart, &check<decode_meta_record>},
    RecordKind{'O', "outbox records", false, &check<decode_outbox_record>},
    RecordKind{'P', "policies", kAtStart, &check<decode_policy_record>},
    RecordKind{'Q', "marks of last logins", false, &check_empty},
    RecordKind{'R', "last logins", false, &check<decode_last_login>},
    RecordKind{'S', "shard heads", kAtStart, &check<decode_shard_head>},
    RecordKind{'T', "outbox heads", kAtStart, &check<decode_outbox_head>},
    RecordKind{'V', "privacies of layers", kAtStart, &check<decode_layer_privacy_record>},
    RecordKind{'W', "sweep heads", kAtStart, &check<decode_sweep_head>},
    RecordKind{'X', "position expiry marks", false, &check_empty},
    RecordKind{'Y', "layer heads", kAtStart, &check<decode_layer_head>},
};
constexpr RecordKind kUnknown;

}  // namespace

std::string_view record_kind_letters() {
  static const std::string letters = [] {
    std::string all;
    for (const RecordKind& kind : kKinds) all.push_back(kind.letter);
    return all;
  }();
  return letters;
}

const RecordKind& record_kind(char letter) {
  const auto found =
      std::find_if(kKinds.begin(), kKinds.end(), [&](const RecordKind& k) { return k.letter == letter; });
  return found == kKinds.end() ? kUnknown : *found;
}

std::string plural_of(char letter) {
  const RecordKind& kind = record_kind(letter);
  if (kind.letter != 0) return kind.plural;
  const bool is_readable = letter > ' ' && letter < '\x7f';
  return "records of kind " +
         (is_readable ? std::string(1, letter) : std::to_string(static_cast<unsigned char>(letter)));
}

}  // namespace earshot::storage
