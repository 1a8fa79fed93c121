#include "storage/verify.hpp"

#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/checksum.hpp"
#include "schema/commands.hpp"
#include "schema/records.hpp"
#include "storage/keys.hpp"
#include "storage/log_store.hpp"
#include "storage/seed_mark.hpp"
#include "storage/state_store.hpp"
#include "tests/unit/storage/backends.hpp"

namespace earshot::storage {
namespace {

using Kind = Finding::Kind;
using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::uint16_t kShards = 4;
constexpr ShardId kShard{2};
const UserId kBob = UserId::trusted("bob");
const UserId kEve = UserId::trusted("eve");
const DeviceId kPhone = DeviceId::trusted("phone");
constexpr std::uint64_t kApplied = 5;

class Collected final : public Witness {
 public:
  void reached(std::string_view, std::size_t) override { ++records; }
  void looked_at_page() override { ++pages; }
  void found(Finding finding) override { findings.push_back(std::move(finding)); }
  void stands(ShardId shard, LogIndex index) override { applied[shard] = index; }
  void is_fetching(ShardId shard) override { fetching.push_back(shard); }

  std::vector<Finding> findings;
  std::map<ShardId, LogIndex> applied;
  std::vector<ShardId> fetching;
  int records = 0;
  int pages = 0;
};

std::string message(std::uint64_t number) {
  MailboxRecord record;
  record.sender = UserId::trusted("alice");
  record.sender_device = kPhone;
  record.id = MessageId{1, number};
  record.body = "message " + std::to_string(number);
  record.checksum = checksum_of(record.body);
  return encode(record);
}

CursorRecord cursor_at(std::uint64_t up_to) {
  CursorRecord cursor;
  cursor.up_to = Sequence(up_to);
  return cursor;
}

auto is_finding(Kind kind, const std::string& where, const std::string& lost) {
  return AllOf(Field(&Finding::kind, kind), Field(&Finding::where, HasSubstr(where)),
               Field(&Finding::lost, HasSubstr(lost)));
}

// A shard with two mailboxes and an outbox, at index 5, and a log of 8 entries.
class Verify : public testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    state = state_disk.open();
    log = log_disk.open();
    auto overlay = std::make_shared<FrozenOverlay>();
    overlay->shard = kShard;
    auto& changes = overlay->changes;
    for (const auto& user : {kBob, kEve}) {
      MailboxHead head;
      head.first = Sequence(3);
      head.last = Sequence(20);
      head.devices = 1;
      changes.put(keys::mailbox_head(user), encode(head));
      for (std::uint64_t i = 3; i <= 20; ++i) changes.put(keys::message(user, Sequence(i)), message(i));
      changes.put(keys::cursor(user, kPhone), encode(cursor_at(7)));
    }
    changes.put(keys::parked(kEve, kPhone, Sequence(5)), encode(ParkedRecord{3, 1}));
    LaneRecord lane;
    lane.user = kBob;
    lane.device = kPhone;
    changes.put(keys::lane(ProducerId(7 << 16)), encode(lane));
    changes.put(keys::outbox_head(ShardId(1)), encode(OutboxHead{6, 2}));
    for (std::uint64_t number = 3; number < 6; ++number) {
      OutboxRecord record;
      record.recipients = {kBob};
      record.message.sender = kEve;
      record.message.sender_device = kPhone;
      changes.put(keys::outbox(ShardId(1), number), encode(record));
    }
    ShardHead head;
    head.applied_index = LogIndex(kApplied);
    changes.put(keys::shard_head(), encode(head));
    must(write_overlays(*state, std::vector<std::shared_ptr<const FrozenOverlay>>{overlay}));
    write_log();
  }

  void write_log() {
    auto store = must(LogStore::open(*log));
    LogWrite write;
    write.group = kShard;
    write.hard_state = HardState{Term(2), NodeId(1)};
    const auto bytes = std::make_shared<const std::string>(encode(CommandBatch{}));
    for (std::uint64_t i = 1; i <= 8; ++i) {
      write.entries.push_back(
          LogEntry{LogIndex(i), Term(1), i == 1 ? EntryType::kConfiguration : EntryType::kCommand, bytes});
    }
    must(store->write(std::vector{write}));
  }

  std::vector<Finding> verify() {
    Collected collected;
    const Applied applied = [&](ShardId shard) -> std::optional<LogIndex> {
      const auto known = collected.applied.find(shard);
      return known == collected.applied.end() ? std::nullopt : std::optional(known->second);
    };
    for (const Section& section : sections_of(kShards, true)) {
      if (section.is_of_pages()) {
        verify_pages(section.is_of_state() ? *state : *log, section, collected);
      } else if (section.is_of_state()) {
        verify_state(*state, section, {}, collected);
      } else {
        verify_log(*log, section, {}, kShards, applied, collected);
      }
    }
    fetching = collected.fetching;
    return collected.findings;
  }

  void erase(const std::string& key) {
    auto transaction = must(state->begin_write());
    EXPECT_TRUE(must(transaction->erase(kStateTable, state_key(kShard, key))));
    must(transaction->commit());
  }
  void damage(Environment& environment, Table table, const std::string& full_key) {
    std::string bytes = get(*must(environment.begin_read()), table, full_key).value();
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    put(environment, table, full_key, bytes);
  }
  void damage(const std::string& key) { damage(*state, kStateTable, state_key(kShard, key)); }
  static std::string running_number(std::uint64_t number) {
    std::string key;
    keys::append_big_endian(key, number);
    return key;
  }

  TestDisk state_disk{GetParam(), state_tables()};
  TestDisk log_disk{GetParam(), LogStore::tables()};
  std::unique_ptr<Environment> state;
  std::unique_ptr<Environment> log;
  std::vector<ShardId> fetching;  // as verify() was told
};

INSTANTIATE_TEST_SUITE_P(Backends, Verify, testing::Values(Backend::kLmdb, Backend::kModel), name_of_backend);

TEST_P(Verify, FindsNothingInSoundData) { EXPECT_THAT(verify(), IsEmpty()); }

TEST_P(Verify, ShardThatIsBeingFetchedIsSaidToBeAndHasNothingToFind) {
  EXPECT_THAT(verify(), IsEmpty());
  EXPECT_THAT(fetching, IsEmpty());
  erase(keys::shard_head());
  erase(keys::message(kBob, Sequence(3)));
  damage(keys::mailbox_head(kEve));
  const std::vector marked{not_whole_overlay(kShard)};
  must(write_overlays(*state, marked));
  EXPECT_THAT(verify(), IsEmpty());
  EXPECT_THAT(fetching, ElementsAre(kShard));
}

TEST_P(Verify, EveryKeyBelongsToOneSection) {
  Collected collected;
  std::uint64_t sections_seen = 0;
  std::string end = state_key(ShardId(0), {});
  for (const Section& section : sections_of(kShards, true)) {
    if (section.part != Section::Part::kState) continue;
    EXPECT_EQ(section.from, end);
    end = section.to;
    ++sections_seen;
    verify_state(*state, section, {}, collected);
  }
  EXPECT_EQ(end, "");
  EXPECT_EQ(static_cast<std::uint64_t>(collected.records), must(must(state->begin_read())->count(kStateTable)));
}

TEST_P(Verify, DamagedMessagesInARowAreOneRangeOfTheirMailbox) {
  for (const std::uint64_t sequence : {17, 18, 19}) damage(keys::message(kBob, Sequence(sequence)));
  damage(keys::message(kEve, Sequence(3)));
  EXPECT_THAT(verify(),
              ElementsAre(is_finding(Kind::kDamaged, "shard 2, user bob, sequences 17..19",
                                     "messages 17..19 of bob cannot be read: readers get lost(17, 19, corrupt)"),
                          is_finding(Kind::kDamaged, "user eve, sequences 3", "lost(3, 3, corrupt)")));
}

TEST_P(Verify, MissingMessagesShowByTheirNeighboursAndByTheCount) {
  for (const std::uint64_t sequence : {3, 10, 11, 20}) erase(keys::message(kBob, Sequence(sequence)));
  EXPECT_THAT(verify(), ElementsAre(is_finding(Kind::kMissing, "user bob, sequences 3", "lost(3, 3, unknown)"),
                                    is_finding(Kind::kMissing, "user bob, sequences 10..11", "lost(10, 11, unknown)"),
                                    is_finding(Kind::kMissing, "user bob, sequences 20", "lost(20, 20, unknown)"),
                                    is_finding(Kind::kMiscounted, "shard 2", "there are 32 messages where 36")));
}

TEST_P(Verify, MailboxWithoutAnyOfItsMessagesIsSeen) {
  for (std::uint64_t i = 3; i <= 20; ++i) erase(keys::message(kEve, Sequence(i)));
  EXPECT_THAT(verify(), ElementsAre(is_finding(Kind::kMissing, "user eve, sequences 3..20", "lost(3, 20, unknown)"),
                                    is_finding(Kind::kMiscounted, "shard 2", "18 messages where 36")));
}

TEST_P(Verify, MissingHeadsAndCursorsShowByTheCount) {
  erase(keys::mailbox_head(kBob));
  erase(keys::cursor(kEve, kPhone));
  const auto findings = verify();
  EXPECT_THAT(findings, Contains(is_finding(Kind::kMiscounted, "shard 2", "there are 1 mailbox heads where 2")));
  EXPECT_THAT(findings, Contains(is_finding(Kind::kMiscounted, "shard 2", "there are 1 cursors where 2")));
  EXPECT_THAT(findings, Contains(is_finding(Kind::kMissing, "user bob", "head is missing")));
}

TEST_P(Verify, EachKindOfDamagedRecordIsSaidInItsOwnWords) {
  damage(keys::mailbox_head(kBob));
  damage(keys::cursor(kEve, kPhone));
  damage(keys::parked(kEve, kPhone, Sequence(5)));
  damage(keys::lane(ProducerId(7 << 16)));
  damage(keys::outbox(ShardId(1), 4));
  damage(keys::shard_head());
  damage(keys::shard_sums());
  EXPECT_THAT(verify(), ElementsAre(is_finding(Kind::kDamaged, "user eve, device phone", "every kept message"),
                                    is_finding(Kind::kDamaged, "shard 2", "refuses to start"),
                                    is_finding(Kind::kDamaged, "user bob", "takes no message and gives none"),
                                    is_finding(Kind::kDamaged, "shard 2, key 4b", "stays on the list"),
                                    is_finding(Kind::kDamaged, "producer 458752", "producerReset"),
                                    is_finding(Kind::kDamaged, "target shard 1, number 4", "that shard counts it"),
                                    is_finding(Kind::kDamaged, "shard 2", "refuses to start")));
}

TEST_P(Verify, OutboxWithAHoleIsSeen) {
  erase(keys::outbox(ShardId(1), 4));
  EXPECT_THAT(verify(), Contains(is_finding(Kind::kMissing, "target shard 1, numbers 4", "are missing")));
}

TEST_P(Verify, SoundRecordsThatContradictEachOtherAreSeen) {
  auto overlay = std::make_shared<FrozenOverlay>();
  overlay->shard = kShard;
  overlay->changes.put(keys::cursor(kBob, kPhone), encode(cursor_at(21)));
  overlay->changes.put(keys::message(kEve, Sequence(30)), message(30));
  must(write_overlays(*state, std::vector<std::shared_ptr<const FrozenOverlay>>{overlay}));
  EXPECT_THAT(verify(), ElementsAre(is_finding(Kind::kInconsistent, "user bob, device phone", "has acked 21"),
                                    is_finding(Kind::kMisplaced, "user eve, sequence 30", "outside of its mailbox")));
}

TEST_P(Verify, RecordOfAnotherShardIsMisplaced) {
  put(*state, kStateTable, state_key(ShardId(kShards), "Habc"), "value");
  put(*state, kStateTable, state_key(kShard, "Z"), "value");
  EXPECT_THAT(verify(), AllOf(Contains(Field(&Finding::kind, Kind::kMisplaced)).Times(2),
                              Contains(Field(&Finding::where, HasSubstr("shard 4")))));
}

TEST_P(Verify, EarlierVersionOfARecordIsSeenByTheDigest) {
  const std::string key = state_key(kShard, keys::cursor(kBob, kPhone));
  const std::string earlier = get(*must(state->begin_read()), kStateTable, key).value();
  auto overlay = std::make_shared<FrozenOverlay>();
  overlay->shard = kShard;
  overlay->changes.put(keys::cursor(kBob, kPhone), encode(cursor_at(9)));
  must(write_overlays(*state, std::vector<std::shared_ptr<const FrozenOverlay>>{overlay}));
  EXPECT_THAT(verify(), IsEmpty());
  put(*state, kStateTable, key, earlier);
  EXPECT_THAT(verify(), ElementsAre(is_finding(Kind::kMiscounted, "shard 2", "cursors are not all those")));
}

TEST_P(Verify, MessageThatHasEndedIsSoundWithoutItsBody) {
  MailboxRecord record = must(decode_mailbox_record(message(5)));
  record.body.clear();
  record.ended = LostReason::kExpired;
  record.ended_at_ms = 1;
  auto overlay = std::make_shared<FrozenOverlay>();
  overlay->shard = kShard;
  overlay->changes.put(keys::message(kBob, Sequence(5)), encode(record));
  must(write_overlays(*state, std::vector<std::shared_ptr<const FrozenOverlay>>{overlay}));
  EXPECT_THAT(verify(), IsEmpty());
}

TEST_P(Verify, LostEntryIsJudgedByWhatTheStateHasAlready) {
  damage(*log, 0, running_number(4));
  damage(*log, 0, running_number(8));
  EXPECT_THAT(verify(), ElementsAre(is_finding(Kind::kDamaged, "group 2, index 4", "no message is lost"),
                                    is_finding(Kind::kMissing, "shard 2, indexes 4", "no message is lost"),
                                    is_finding(Kind::kDamaged, "group 2, index 8", "entries 8 of shard 2 are lost")));
}

TEST_P(Verify, StateAheadOfItsLogIsSeen) {
  auto transaction = must(log->begin_write());
  for (std::uint64_t i = 4; i <= 8; ++i) EXPECT_TRUE(must(transaction->erase(0, running_number(i))));
  must(transaction->commit());
  EXPECT_THAT(verify(), ElementsAre(is_finding(Kind::kInconsistent, "shard 2", "ahead of the log, which ends at 3")));
}

TEST_P(Verify, ShardWithoutItsHeadStandsAtTheBeginning) {
  LogWrite write;
  write.group = kShard;
  write.snapshot = SnapshotMetadata{LogIndex(4), Term(1), "", LogIndex(1)};
  write.cut_through = LogIndex(4);
  must(must(LogStore::open(*log))->write(std::span(&write, 1)));
  EXPECT_THAT(verify(), IsEmpty());
  erase(keys::shard_head());
  EXPECT_THAT(verify(), Contains(is_finding(Kind::kInconsistent, "shard 2",
                                            "the state stands at 0, the snapshot that it is at 4")));
}

TEST_P(Verify, WhatCountingAnewMendsDoesNotKeepANodeFromStarting) {
  damage(keys::mailbox_head(kBob));
  damage(keys::cursor(kEve, kPhone));
  damage(keys::message(kEve, Sequence(3)));
  damage(keys::shard_sums());
  erase(keys::lane(ProducerId(7 << 16)));
  EXPECT_THAT(verify(), AllOf(Not(IsEmpty()), Each(Field(&Finding::keeps_from_starting, false))));
}

TEST_P(Verify, WhatANodeCannotDoWithoutKeepsItFromStarting) {
  damage(keys::shard_head());
  EXPECT_THAT(verify(), ElementsAre(Field(&Finding::keeps_from_starting, true)));
}

TEST_P(Verify, AnyDamageToTheLogKeepsANodeFromStarting) {
  damage(*log, 0, running_number(4));
  EXPECT_THAT(verify(), AllOf(Not(IsEmpty()), Each(Field(&Finding::keeps_from_starting, true))));
}

TEST_P(Verify, LostTermIsSeen) {
  damage(*log, 1, std::string("\0\2", 2));
  EXPECT_THAT(verify(), ElementsAre(is_finding(Kind::kDamaged, "shard 2", "refuses to start"),
                                    is_finding(Kind::kInconsistent, "shard 2", "current term is not known")));
}

// An environment of which nothing but its pages is looked at.
class FlawedPages final : public Environment {
 public:
  explicit FlawedPages(std::vector<PageFlaw> flaws) : flaws_(std::move(flaws)) {}
  Result<std::unique_ptr<ReadTransaction>> begin_read() override { return fail(ErrorCode::kInternal, "", ""); }
  Result<std::unique_ptr<WriteTransaction>> begin_write() override { return fail(ErrorCode::kInternal, "", ""); }
  DiskUsage usage() override { return {}; }
  Status check_pages(const std::function<void()>& on_page, const std::function<void(PageFlaw)>& on_flaw) override {
    for (const auto& flaw : flaws_) on_page(), on_flaw(flaw);
    return {};
  }

 private:
  std::vector<PageFlaw> flaws_;
};

auto is_page_finding(const std::string& table, const std::string& where, const std::string& lost) {
  return AllOf(is_finding(Kind::kDamaged, where, lost), Field(&Finding::table, "pages of " + table));
}

TEST(VerifyPages, FlawNamesTheRecordsThatHangThereAndWhatItMeans) {
  const std::string bob_3 = state_key(kShard, keys::message(kBob, Sequence(3)));
  const std::string bob_9 = state_key(kShard, keys::message(kBob, Sequence(9)));
  const std::string lane = state_key(kShard, keys::lane(ProducerId(7)));
  std::string running_number;
  keys::append_big_endian(running_number, 17);
  using Of = PageFlaw::Of;
  FlawedPages state({{Of::kTable, "state", 12, bob_3, bob_9, "is empty"},
                     {Of::kTable, "state", 13, lane, bob_3, "is empty"},
                     {Of::kTable, "state", 0, {}, {}, "it has 2 records and counts 3"},
                     {Of::kTable, "earshot.advance", 14, {}, {}, "is empty"},
                     {Of::kFreePages, {}, 15, {}, {}, "is empty"}});
  FlawedPages log({{Of::kTable, "log", 12, running_number, {}, "is empty"},
                   {Of::kTableNames, {}, 13, {}, {}, "is empty"},
                   {Of::kFrame, {}, 14, {}, {}, "is damaged"}});
  Collected collected;
  for (const Section& section : sections_of(kShards, true)) {
    if (section.is_of_pages()) verify_pages(section.is_of_state() ? state : log, section, collected);
  }
  EXPECT_EQ(collected.pages, 8);
  EXPECT_THAT(
      collected.findings,
      ElementsAre(
          is_page_finding("messages", "page 12, from shard 2, user bob, sequence 3 to shard 2, user bob, sequence 9",
                          "the page is empty: what cannot be read there is told with the records"),
          is_page_finding("records", "page 13, from shard 2, producer 7 to shard 2, user bob, sequence 3", "empty"),
          is_page_finding("records", "the whole tree", "it has 2 records and counts 3"),
          is_page_finding("table earshot.advance", "page 14", "a node may die when it writes there"),
          is_page_finding("the list of free pages", "page 15", "nothing is lost yet"),
          is_page_finding("log entries", "page 12, from running number 17 to the end", "empty"),
          is_page_finding("the list of tables", "page 13", "empty"),
          is_finding(Kind::kDamaged, "frame 14",
                     "the frame is damaged: what is missing of it is told with the records")));
  EXPECT_EQ(collected.findings[0].file, "state/data.mdb");
  EXPECT_EQ(collected.findings[5].file, "log");
}

TEST(VerifyKeys, WhatLiesBehindAKeyGrowsAsMoreOfItIsCut) {
  const Section section = [] {
    for (const Section& each : sections_of(kShards, true)) {
      if (each.shard == kShard && each.kind == 'M') return each;
    }
    return Section{};
  }();
  const std::string key = state_key(kShard, keys::message(kBob, Sequence(17)));
  EXPECT_EQ(key_behind(section, key, 0), state_key(kShard, keys::message(kBob, Sequence(18))));
  std::string previous = key;
  for (std::size_t cut = 1; cut < key.size(); ++cut) {
    const std::string behind = key_behind(section, key, cut);
    if (behind.empty()) break;
    EXPECT_GE(behind, previous);
    previous = behind;
  }
  EXPECT_GT(previous, state_key(kShard, keys::message(kBob, Sequence(UINT64_MAX))));
  EXPECT_EQ(key_behind(section, key, key.size()), "");
}

}  // namespace
}  // namespace earshot::storage
