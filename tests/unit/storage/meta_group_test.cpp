#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schema/meta.hpp"
#include "storage/keys.hpp"
#include "storage/log_store.hpp"
#include "storage/state_store.hpp"
#include "storage/table_sums.hpp"
#include "storage/verify.hpp"
#include "tests/unit/storage/backends.hpp"

// What the meta group has on a node's disk stands beside the shards', and is watched over as theirs is.
namespace earshot::storage {
namespace {

using Kind = Finding::Kind;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint16_t kShards = 4;

class Collected final : public Witness {
 public:
  void reached(std::string_view, std::size_t) override {}
  void looked_at_page() override {}
  void found(Finding finding) override { findings.push_back(std::move(finding)); }
  void stands(ShardId shard, LogIndex index) override { applied[shard] = index; }
  void is_fetching(ShardId) override { ADD_FAILURE() << "the meta group's record comes whole"; }

  std::vector<Finding> findings;
  std::map<ShardId, LogIndex> applied;
};

auto is_finding(Kind kind, const std::string& where, const std::string& lost) {
  return AllOf(Field(&Finding::kind, kind), Field(&Finding::where, HasSubstr(where)),
               Field(&Finding::lost, HasSubstr(lost)));
}

class MetaGroupOnDisk : public testing::Test {
 protected:
  MetaGroupOnDisk() {
    MetaRecord record;
    record.applied = LogIndex(2);
    record.term = Term(1);
    record.state.cluster_id = 7;
    auto overlay = std::make_shared<FrozenOverlay>();
    overlay->shard = kMetaGroup;
    overlay->applied = record.applied;
    overlay->changes.put(keys::meta_record(), encode(record));
    must(write_overlays(*state, std::vector<std::shared_ptr<const FrozenOverlay>>{overlay}));

    LogWrite write;
    write.group = kMetaGroup;
    write.hard_state = HardState{Term(1), NodeId(1)};
    write.entries.push_back({LogIndex(1), Term(1), EntryType::kConfiguration, bytes("members")});
    for (std::uint64_t i = 2; i <= 3; ++i)
      write.entries.push_back({LogIndex(i), Term(1), EntryType::kCommand, bytes(encode(MetaCommand(AddNode{})))});
    must(must(LogStore::open(*log))->write(std::span(&write, 1)));
  }

  static SharedBytes bytes(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

  std::vector<Finding> verify() {
    Collected collected;
    const Applied applied = [&](ShardId shard) -> std::optional<LogIndex> {
      const auto known = collected.applied.find(shard);
      return known == collected.applied.end() ? std::nullopt : std::optional(known->second);
    };
    for (const Section& section : sections_of(kShards, true)) {
      if (section.is_of_pages()) continue;
      if (section.is_of_state())
        verify_state(*state, section, {}, collected);
      else
        verify_log(*log, section, {}, kShards, applied, collected);
    }
    EXPECT_EQ(collected.applied.contains(kMetaGroup), collected.findings.empty());
    return collected.findings;
  }
  void damage(Environment& environment, Table table, const std::string& full_key) {
    std::string bytes = get(*must(environment.begin_read()), table, full_key).value();
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    put(environment, table, full_key, bytes);
  }
  void erase_record() {
    auto transaction = must(state->begin_write());
    EXPECT_TRUE(must(transaction->erase(kStateTable, kRecordKey)));
    must(transaction->commit());
  }

  const std::string kRecordKey = state_key(kMetaGroup, keys::meta_record());
  ModelDisk state_disk{state_tables().size()};
  ModelDisk log_disk{LogStore::tables().size()};
  std::unique_ptr<Environment> state = state_disk.open();
  std::unique_ptr<Environment> log = log_disk.open();
};

TEST_F(MetaGroupOnDisk, SoundDataIsTakenForSound) {
  EXPECT_THAT(verify(), IsEmpty());
  EXPECT_TRUE(check_sums(*state, kShards));
}

TEST_F(MetaGroupOnDisk, AMissingRecordIsNotTakenForOneThatNeverWas) {
  erase_record();
  const auto checked = check_sums(*state, kShards);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(checked.error().detail, HasSubstr("the meta group"));
  must(store_counted_sums(*state, kShards));
  EXPECT_TRUE(check_sums(*state, kShards)) << "the operator takes what is left";
}

TEST_F(MetaGroupOnDisk, ADamagedRecordIsSaidInWordsOfItsOwn) {
  damage(*state, kStateTable, kRecordKey);
  EXPECT_THAT(verify(), ElementsAre(is_finding(Kind::kDamaged, "the meta group, nodes and placement", "another node")));
}

TEST_F(MetaGroupOnDisk, ADamagedEntryIsJudgedByWhatTheStateHas) {
  std::string key;
  keys::append_big_endian(key, 3);
  damage(*log, 0, key);
  Collected collected;
  const Applied applied = [](ShardId) { return std::optional(LogIndex(2)); };
  for (const Section& section : sections_of(kShards, true)) {
    if (!section.is_of_state() && !section.is_of_pages()) verify_log(*log, section, {}, kShards, applied, collected);
  }
  EXPECT_THAT(collected.findings, testing::Contains(is_finding(Kind::kDamaged, "index 3", "changes of the cluster's")));
}

TEST_F(MetaGroupOnDisk, ARecordThatIsNoCommandOfTheGroupIsSaid) {
  LogWrite write;
  write.group = kMetaGroup;
  write.entries.push_back({LogIndex(4), Term(1), EntryType::kCommand, bytes("of no kind")});
  must(must(LogStore::open(*log))->write(std::span(&write, 1)));
  Collected collected;
  for (const Section& section : sections_of(kShards, true)) {
    if (section.part == Section::Part::kLog)
      verify_log(
          *log, section, {}, kShards, [](ShardId) { return std::nullopt; }, collected);
  }
  EXPECT_THAT(collected.findings,
              ElementsAre(is_finding(Kind::kInconsistent, "the meta group, index 4", "no batch of commands")));
}

TEST_F(MetaGroupOnDisk, WhatStandsBetweenShardsAndTheMetaGroupOrBehindIsMisplaced) {
  for (const ShardId shard : {kMetaGroup.previous(), kMetaGroup.next()})
    put(*state, kStateTable, state_key(shard, "S"), seal(state_key(shard, "S"), "x"));
  const auto is_misplaced = Field(&Finding::kind, Kind::kMisplaced);
  Collected collected;
  for (const Section& section : sections_of(kShards, true)) {
    if (section.part == Section::Part::kState) verify_state(*state, section, {}, collected);
  }
  EXPECT_THAT(collected.findings, ElementsAre(is_misplaced, is_misplaced));
}

}  // namespace
}  // namespace earshot::storage
