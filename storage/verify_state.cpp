#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/checksum.hpp"
#include "schema/meta.hpp"
#include "schema/records.hpp"
#include "storage/keys.hpp"
#include "storage/log_types.hpp"
#include "storage/record_kinds.hpp"
#include "storage/seal.hpp"
#include "storage/seed_mark.hpp"
#include "storage/state_store.hpp"
#include "storage/table_sums.hpp"
#include "storage/verify.hpp"
#include "storage/verify_words.hpp"

namespace earshot::storage {
namespace {

constexpr std::size_t kShardBytes = sizeof(ShardId::value);
using Kind = Finding::Kind;
constexpr char kSeedHeads = 'B';

// What a damaged record of a kind means to users. Messages have words of their own.
std::string loss_of(char kind, std::string_view key) {
  const std::string user = words::user(keys::user_of(key));
  switch (kind) {
    case 'C': return "the device's place is not known: it gets every kept message of " + user + " once more";
    case 'D': return "nothing tells how many records there should be: the node refuses to start";
    case 'E': return "a message that should expire is kept until something else ends it";
    case 'F': return "the lanes of a producer that is gone are kept until they expire";
    case 'H': return "the mailbox of " + user + " takes no message and gives none: its first and last are not known";
    case 'I': return "which copies of another shard's messages were taken is not known: the node refuses to start";
    case 'K':
      return "a message of " + user +
             " is parked no more and delivered again, or, where its device has taken notice, stays on the list";
    case 'L':
      return "what this producer sent here is not known: its device gets producerReset, and what it had sent without "
             "an "
             "answer is handed to its application as uncertain";
    case 'N':
      return "which nodes the cluster has, and where its shards live, is fetched from another node; one that has no "
             "other refuses to start";
    case 'O': return "a copy for a user of another shard is not delivered; that shard counts it";
    case 'P': return user + "'s policy is not known: messages are kept";
    case 'S': return "where the shard stands is not known: the node refuses to start";
    case 'T': return "which copies another shard has taken is not known: the node refuses to start";
    case 'W': return "the round that ends what is too old begins anew";
    default: return "not known to this release";
  }
}

// A shard cannot go on without these. Sums are counted anew.
bool keeps_from_starting_when_damaged(char kind) { return kind == 'I' || kind == 'S' || kind == 'T'; }

// Reads one section's records as they come, and holds each against what every record must be: in order, found by its
// key, sealed, and of its kind.
class SectionReader {
 public:
  SectionReader(ReadTransaction& transaction, const Section& section, std::string_view from, Witness& witness)
      : transaction_(transaction),
        section_(section),
        from_(std::max<std::string_view>(section.from, from)),
        is_whole_(from.empty() || from <= section.from),
        witness_(witness) {}

  // `visit` gets the key without its shard, and no value when the record is damaged.
  template <class Visit>
  void read(Visit&& visit) {
    const auto on_record = [&](std::string_view full_key, std::string_view sealed) {
      if (!take(full_key, sealed)) return false;
      const std::string_view key = full_key.substr(kShardBytes);
      visit(key, sound_value(full_key, key, sealed));
      return true;
    };
    if (auto scanned = transaction_.scan(kStateTable, from_, section_.to, on_record); !scanned) {
      is_whole_ = false;
      found(Kind::kUnreadable, "behind " + place(), "the disk's tree of records is damaged: " + scanned.error().detail,
            is_read_at_start());
    }
  }

  void found(Kind kind, std::string where, std::string lost, bool keeps_from_starting = false) {
    witness_.found(
        Finding{kind, section_.file(), section_.table(), std::move(where), std::move(lost), keeps_from_starting});
  }
  [[nodiscard]] std::string shard() const { return name_of_group(section_.shard); }
  [[nodiscard]] std::string describe(std::string_view key) const {
    return describe_key(section_, state_key(section_.shard, key));
  }
  // Every record of the section was seen, so that counting them means something.
  [[nodiscard]] bool is_whole() const { return is_whole_; }
  [[nodiscard]] bool has_damage() const { return has_damage_; }
  [[nodiscard]] ShardSums::Kind sum() const { return sum_; }
  ReadTransaction& transaction() { return transaction_; }

 private:
  // Damage to values shows in a message of its own, damage to the tree ends the section.
  bool take(std::string_view full_key, std::string_view sealed) {
    const bool is_inside = full_key.size() > kShardBytes && full_key >= from_ && full_key > previous_;
    if (!is_inside) {
      is_whole_ = false;
      found(Kind::kUnreadable, "behind " + place(), "the disk's tree of records is damaged: it goes on in disorder",
            is_read_at_start());
      return false;
    }
    previous_ = full_key;
    witness_.reached(full_key, sealed.size());
    if (auto same = transaction_.get(kStateTable, full_key); !same || !*same || (*same)->data() != sealed.data()) {
      found(Kind::kMisplaced, place(), "the record is there but is not found by its key: to the broker it is missing",
            is_read_at_start());
    }
    ++sum_.count;
    sum_.digest += guard_in(sealed);
    return true;
  }

  std::optional<std::string_view> sound_value(std::string_view full_key, std::string_view key,
                                              std::string_view sealed) {
    const auto value = open_sealed(full_key, sealed);
    const auto check = record_kind(section_.kind).check;
    const bool is_sound = value && (check == nullptr || check(*value).has_value());
    if (is_sound) return value;
    has_damage_ = true;
    if (section_.kind != 'M') {
      found(Kind::kDamaged, describe(key), loss_of(section_.kind, key),
            keeps_from_starting_when_damaged(section_.kind));
    }
    return std::nullopt;
  }

  // By check_sums(), which takes no disorder there.
  [[nodiscard]] bool is_read_at_start() const { return record_kind(section_.kind).is_checked_at_start; }
  [[nodiscard]] std::string place() const {
    return previous_.empty() ? "the beginning of " + shard() : describe_key(section_, previous_);
  }

  ReadTransaction& transaction_;
  const Section& section_;
  std::string from_;
  bool is_whole_;
  Witness& witness_;
  std::string previous_;
  bool has_damage_ = false;
  ShardSums::Kind sum_;
};

// A record that others refer to. Outer nothing: absent; inner nothing: damaged, which its own section says.
template <class Record>
std::optional<std::optional<Record>> look_up(SectionReader& reader, ShardId shard, std::string_view key,
                                             Result<Record> (*decode)(std::string_view)) {
  const std::string full_key = state_key(shard, key);
  auto sealed = reader.transaction().get(kStateTable, full_key);
  if (!sealed) return std::optional<Record>{};
  if (!*sealed) return std::nullopt;
  const auto value = open_sealed(full_key, **sealed);
  if (!value) return std::optional<Record>{};
  auto record = decode(*value);
  return record ? std::optional<Record>(std::move(*record)) : std::optional<Record>{};
}

std::optional<std::optional<MailboxHead>> head_of(SectionReader& reader, ShardId shard, const UserId& user) {
  return look_up<MailboxHead>(reader, shard, keys::mailbox_head(user), &decode_mailbox_head);
}

// Follows the messages of one mailbox after the other, and says in one finding what is lost in a row.
class MailboxFollower {
 public:
  MailboxFollower(SectionReader& reader, const Section& section) : reader_(reader), section_(section) {}

  void take(std::string_view key, std::optional<std::string_view> value) {
    const UserId user = keys::user_of(key);
    const Sequence sequence = keys::sequence_of(key);
    if (key != keys::message(user, sequence)) {
      reader_.found(Kind::kMisplaced, reader_.describe(key), "a record under a key that is none of a message");
      return;
    }
    if (!user_ || *user_ != user) begin(user, sequence);
    if (head_ && (sequence < head_->first || sequence > head_->last)) {
      reader_.found(Kind::kMisplaced, reader_.describe(key),
                    "the message is outside of its mailbox, which keeps " +
                        words::range(head_->first.value, head_->last.value) + ": nobody gets it");
      return;
    }
    if (sequence > next_) lose(next_, sequence.previous(), LostReason::kUnknown);
    if (!value || !is_sound(*value)) lose(sequence, sequence, LostReason::kCorrupt);
    next_ = sequence.next();
  }

  void finish() {
    if (!user_) return;
    if (head_ && reader_.is_whole() && next_ <= head_->last) lose(next_, head_->last, LostReason::kUnknown);
    say();
    user_.reset();
  }

 private:
  void begin(const UserId& user, Sequence sequence) {
    // Its end was not seen when the tree broke off, but then this is not reached.
    if (user_ && head_ && next_ <= head_->last) lose(next_, head_->last, LostReason::kUnknown);
    say();
    const bool is_first_of_rest = !user_ && !reader_.is_whole();
    user_ = user;
    head_.reset();
    next_ = sequence;
    const auto head = head_of(reader_, section_.shard, user);
    if (!head) {
      reader_.found(Kind::kMissing, reader_.shard() + ", " + words::user(user),
                    "there are messages, but the mailbox's head is missing: they are not served");
      return;
    }
    if (!*head) return;  // damaged: said with the heads
    head_ = **head;
    if (!is_first_of_rest) next_ = head_->first;
  }

  static bool is_sound(std::string_view value) {
    const auto record = decode_mailbox_record(value);
    if (!record) return false;
    // What has ended has no body any more, and keeps the checksum that its sender made.
    return record->ended != LostReason::kUnknown || checksum_of(record->body) == record->checksum;
  }

  void lose(Sequence first, Sequence last, LostReason reason) {
    if (lost_ && lost_->reason == reason && lost_->last.next() == first) {
      lost_->last = last;
      return;
    }
    say();
    lost_ = LostRange{first, last, reason};
  }

  void say() {
    if (!lost_) return;
    const LostRange lost = *std::exchange(lost_, std::nullopt);
    const std::string range = words::range(lost.first.value, lost.last.value);
    const bool is_missing = lost.reason == LostReason::kUnknown;
    reader_.found(is_missing ? Kind::kMissing : Kind::kDamaged,
                  reader_.shard() + ", " + words::user(*user_) + ", sequences " + range,
                  "messages " + range + " of " + words::printable(user_->text()) +
                      (is_missing ? " are missing" : " cannot be read") + ": readers get lost(" +
                      std::to_string(lost.first.value) + ", " + std::to_string(lost.last.value) + ", " +
                      (is_missing ? "unknown" : "corrupt") + ")");
  }

  SectionReader& reader_;
  const Section& section_;
  std::optional<UserId> user_;
  std::optional<MailboxHead> head_;
  Sequence next_;
  std::optional<LostRange> lost_;
};

// A mailbox of which no message is there does not show where messages are read.
void check_head(SectionReader& reader, const Section& section, std::string_view key, std::string_view value) {
  const UserId user = keys::user_of(key);
  const auto head = decode_mailbox_head(value);
  if (!head || head->last < head->first) return;
  bool has_message = false;
  const auto visit = [&has_message](std::string_view, std::string_view) { return !(has_message = true); };
  const auto scanned =
      reader.transaction().scan(kStateTable, state_key(section.shard, keys::message(user, Sequence(0))),
                                state_key(section.shard, keys::message(user, Sequence(UINT64_MAX))), visit);
  if (!scanned || has_message) return;
  const std::string range = words::range(head->first.value, head->last.value);
  reader.found(Kind::kMissing, reader.shard() + ", " + words::user(user) + ", sequences " + range,
               "messages " + range + " of " + words::printable(user.text()) + " are missing: readers get lost(" +
                   std::to_string(head->first.value) + ", " + std::to_string(head->last.value) + ", unknown)");
}

void check_cursor(SectionReader& reader, const Section& section, std::string_view key, std::string_view value) {
  const auto cursor = decode_cursor_record(value);
  const auto head = head_of(reader, section.shard, keys::user_of(key));
  if (!cursor || (head && !*head)) return;
  const Sequence last = head ? (*head)->last : Sequence();
  const Sequence top = cursor->above.empty() ? cursor->up_to : cursor->above.back();
  if (!head) {
    reader.found(Kind::kMissing, reader.describe(key), "the device has a place in a mailbox whose head is missing");
  } else if (top > last) {
    reader.found(Kind::kInconsistent, reader.describe(key),
                 "the device has acked " + std::to_string(top.value) + ", the mailbox ends at " +
                     std::to_string(last.value) + ": messages that were stored are gone from its end");
  }
}

// The records between what is confirmed and what was given out must all be there.
void check_outbox(SectionReader& reader, const Section& section, std::string_view key, std::string_view value) {
  const auto head = decode_outbox_head(value);
  if (!head) return;
  const ShardId target = keys::target_of(key);
  std::uint64_t next = head->confirmed + 1;
  const auto say_gap = [&](std::uint64_t end) {
    if (next >= end) return;
    reader.found(Kind::kMissing, reader.describe(key) + ", numbers " + words::range(next, end - 1),
                 "copies for users of shard " + std::to_string(target.value) + " are missing: they are not delivered");
  };
  const auto visit = [&](std::string_view full_key, std::string_view) {
    const std::uint64_t number = keys::number_of(full_key);
    say_gap(std::min(number, head->next));
    next = std::max(next, number + 1);
    return next < head->next;
  };
  const auto scanned = reader.transaction().scan(kStateTable, state_key(section.shard, keys::outbox(target, next)),
                                                 state_key(section.shard, keys::outbox(target, head->next)), visit);
  if (scanned) say_gap(head->next);
}

void check_lane(SectionReader& reader, std::string_view key, std::string_view value) {
  const auto lane = decode_lane_record(value);
  if (!lane || (key.size() == 9 && keys::read_big_endian(key, 1) != 0 && !lane->user.empty())) return;
  reader.found(Kind::kInconsistent, reader.describe(key), "the lane belongs to nobody: nothing is taken on it");
}

// What only some kinds promise beyond their codec.
void check_record(SectionReader& reader, const Section& section, std::string_view key, std::string_view value,
                  Witness& witness) {
  switch (section.kind) {
    case 'C': return check_cursor(reader, section, key, value);
    case 'H': return check_head(reader, section, key, value);
    case 'L': return check_lane(reader, key, value);
    case 'T': return check_outbox(reader, section, key, value);
    case 'S':
      if (const auto head = decode_shard_head(value)) witness.stands(section.shard, head->applied_index);
      return;
    case 'N':
      if (const auto record = decode_meta_record(value)) witness.stands(section.shard, record->applied);
      return;
    default: return;
  }
}

void check_sum(SectionReader& reader, const Section& section) {
  auto sums = read_sums(reader.transaction(), section.shard);
  const bool is_counted = section.has_sums && section.kind != 0 && section.kind != 'D';
  if (!is_counted || !reader.is_whole() || !sums) return;  // damaged ones are said as such
  if (!*sums) {
    if (reader.sum().count == 0) return;
    reader.found(Kind::kMissing, reader.shard(), "there are records, but the sums are missing that tell how many");
    return;
  }
  const auto stored = (*sums)->kinds.find(static_cast<std::uint8_t>(section.kind));
  const ShardSums::Kind expected = stored == (*sums)->kinds.end() ? ShardSums::Kind{} : stored->second;
  if (reader.sum().count != expected.count) {
    reader.found(Kind::kMiscounted, reader.shard(),
                 "there are " + std::to_string(reader.sum().count) + " " + section.table() + " where " +
                     std::to_string(expected.count) + " should be");
  } else if (reader.sum().digest != expected.digest && !reader.has_damage()) {
    reader.found(Kind::kMiscounted, reader.shard(),
                 "the " + section.table() +
                     " are not all those that were written last: an earlier version is in the "
                     "place of a later one, or a damaged one was replaced since");
  }
}

}  // namespace

void verify_state(Environment& state, const Section& section, std::string_view from, Witness& witness) {
  auto transaction = state.begin_read();
  if (!transaction) {
    witness.found(
        Finding{Kind::kUnreadable, section.file(), section.table(), "all of it", transaction.error().detail, true});
    return;
  }
  const bool is_of_one_shard = !section.to.empty() && section.to <= end_of_shard(section.shard);
  if (is_of_one_shard && is_whole(**transaction, section.shard) == false) {
    if (section.kind == kSeedHeads) witness.is_fetching(section.shard);
    return;
  }
  SectionReader reader(**transaction, section, from, witness);
  MailboxFollower mailboxes(reader, section);
  reader.read([&](std::string_view key, std::optional<std::string_view> value) {
    if (section.kind == 'M') {
      mailboxes.take(key, value);
    } else if (section.kind == 0) {
      reader.found(Kind::kMisplaced, reader.describe(key), "a record that this release does not know: nobody reads it");
    } else if (value) {
      check_record(reader, section, key, *value, witness);
    }
  });
  mailboxes.finish();
  // As a node takes it.
  const char tells_where_it_stands = section.shard == kMetaGroup ? 'N' : 'S';
  if (section.kind == tells_where_it_stands && reader.is_whole() && reader.sum().count == 0)
    witness.stands(section.shard, LogIndex(0));
  check_sum(reader, section);
}

}  // namespace earshot::storage
