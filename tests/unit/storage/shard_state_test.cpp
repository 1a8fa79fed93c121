#include "storage/shard_state.hpp"

#include <algorithm>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends.hpp"
#include "base/random.hpp"
#include "storage/state_store.hpp"
#include "tests/support/seed.hpp"

namespace earshot::storage {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr ShardId kShard{5};

// A record as a scan shows it; no value: damaged.
using Shown = std::pair<std::string, std::optional<std::string>>;

std::vector<Shown> scan(ShardState& state, std::string_view from = {}, std::string_view to = {}) {
  std::vector<Shown> shown;
  must(state.scan(from, to, [&](std::string_view key, std::optional<std::string_view> value) {
    shown.emplace_back(key, value);
    return true;
  }));
  return shown;
}

std::vector<Shown> scan_back(ShardState& state, std::string_view from = {}, std::string_view to = {}) {
  std::vector<Shown> shown;
  must(state.scan_back(from, to, [&](std::string_view key, std::optional<std::string_view> value) {
    shown.emplace_back(key, value);
    return true;
  }));
  return shown;
}

// An environment whose reads are counted.
class CountingEnvironment final : public Environment {
 public:
  explicit CountingEnvironment(Environment& inner) : inner_(inner) {}
  Result<std::unique_ptr<ReadTransaction>> begin_read() override {
    ++reads;
    return inner_.begin_read();
  }
  Result<std::unique_ptr<WriteTransaction>> begin_write() override { return inner_.begin_write(); }
  DiskUsage usage() override { return inner_.usage(); }

  int reads = 0;

 private:
  Environment& inner_;
};

class ShardStateTest : public testing::TestWithParam<Backend> {
 protected:
  // What the state writer does with a frozen overlay.
  void write(const std::shared_ptr<const FrozenOverlay>& overlay) {
    must(write_overlays(*environment, std::span(&overlay, 1)));
  }

  void flush(ShardState& shard) {
    const auto overlay = shard.freeze(LogIndex(1));
    ASSERT_NE(overlay, nullptr);
    write(overlay);
    shard.flushed();
  }

  // Alters the stored record of a key, but not its checksum.
  void damage(std::string_view key) {
    const std::string full_key = state_key(kShard, key);
    std::string value = get(*must(environment->begin_read()), kStateTable, full_key).value();
    value.back() = static_cast<char>(value.back() ^ 1);
    put(*environment, kStateTable, full_key, value);
  }

  TestDisk disk{GetParam(), state_tables()};
  std::unique_ptr<Environment> environment = disk.open();
  ShardState state{*environment, kShard};
};

INSTANTIATE_TEST_SUITE_P(Backends, ShardStateTest, testing::Values(Backend::kLmdb, Backend::kModel), name_of_backend);

TEST_P(ShardStateTest, ReadsSeeTheNewestOfThreeLayers) {
  for (const char* key : {"a", "b", "c", "d"}) state.put(key, "disk");
  flush(state);
  state.put("b", "frozen");
  state.erase("c");
  state.put("d", "frozen");
  const auto overlay = state.freeze(LogIndex(2));
  state.put("d", "active");
  state.erase("a");

  EXPECT_EQ(must(state.get("a")), std::nullopt);
  EXPECT_EQ(must(state.get("b")), "frozen");
  EXPECT_EQ(must(state.get("c")), std::nullopt);
  EXPECT_EQ(must(state.get("d")), "active");
  EXPECT_THAT(scan(state), ElementsAre(Shown{"b", "frozen"}, Shown{"d", "active"}));
  EXPECT_THAT(scan_back(state), ElementsAre(Shown{"d", "active"}, Shown{"b", "frozen"}));
}

TEST_P(ShardStateTest, OverlayIsReadableUntilItsCommitIsDone) {
  state.put("kept", "1");
  state.put("gone", "1");
  flush(state);
  state.put("kept", "2");
  state.put("new", "2");
  state.erase("gone");
  const std::vector<Shown> expected = {{"kept", "2"}, {"new", "2"}};

  const auto overlay = state.freeze(LogIndex(2));
  EXPECT_TRUE(state.is_flushing());
  EXPECT_EQ(scan(state), expected) << "frozen, nothing written";
  write(overlay);
  EXPECT_EQ(scan(state), expected) << "committed, the shard not yet told";
  state.flushed();
  EXPECT_FALSE(state.is_flushing());
  EXPECT_EQ(scan(state), expected) << "the overlay is dropped";
  EXPECT_EQ(must(state.get("gone")), std::nullopt);
}

TEST_P(ShardStateTest, ChangesDuringAFlushSurviveItsEnd) {
  state.put("a", "1");
  const auto overlay = state.freeze(LogIndex(1));
  state.put("a", "2");
  state.erase("b");
  EXPECT_EQ(state.freeze(LogIndex(2)), nullptr) << "one at a time";
  write(overlay);
  state.flushed();
  EXPECT_EQ(must(state.get("a")), "2");
  flush(state);
  EXPECT_EQ(must(state.get("a")), "2");
}

TEST_P(ShardStateTest, NothingChangedIsNothingToFreeze) {
  EXPECT_FALSE(state.has_changes());
  EXPECT_EQ(state.freeze(LogIndex(1)), nullptr);
  state.erase("absent");
  EXPECT_TRUE(state.has_changes());
  const auto overlay = state.freeze(LogIndex(9));
  EXPECT_EQ(overlay->shard, kShard);
  EXPECT_EQ(overlay->applied, LogIndex(9));
  EXPECT_FALSE(state.has_changes());
}

TEST_P(ShardStateTest, OverlayBytesCountActiveAndFrozenAndReturnToZero) {
  EXPECT_EQ(state.overlay_bytes(), 0u);
  state.put("key", std::string(1000, 'x'));
  const std::size_t one = state.overlay_bytes();
  EXPECT_GE(one, 1003u);
  state.put("key", std::string(500, 'x'));
  EXPECT_EQ(state.overlay_bytes(), one + 500) << "what it takes the place of is there until the flush";
  state.erase("key");
  EXPECT_EQ(state.overlay_bytes(), one + 500);
  const auto overlay = state.freeze(LogIndex(1));
  EXPECT_EQ(overlay->changes.bytes(), one + 500);
  state.put("yek", std::string(1000, 'x'));
  EXPECT_EQ(state.overlay_bytes(), 2 * one + 500);
  write(overlay);
  state.flushed();
  flush(state);
  EXPECT_EQ(state.overlay_bytes(), 0u);
}

TEST_P(ShardStateTest, OverlayAnswersWithoutTouchingTheDisk) {
  CountingEnvironment counting(*environment);
  ShardState counted(counting, kShard);
  counted.put("frozen", "1");
  counted.erase("frozen away");
  (void)counted.freeze(LogIndex(1));
  counted.put("active", "1");
  counted.erase("active away");
  for (const char* key : {"frozen", "frozen away", "active", "active away"}) must(counted.get(key));
  EXPECT_EQ(counting.reads, 0);
  must(counted.get("elsewhere"));
  EXPECT_EQ(counting.reads, 1);
}

TEST_P(ShardStateTest, ShardsShareATableAndDoNotMeet) {
  ShardState below(*environment, ShardId(4));
  ShardState above(*environment, ShardId(6));
  ShardState last(*environment, ShardId(0xffff));
  for (ShardState* shard : {&last, &below, &state, &above}) {
    shard->put("\x01", "first");
    shard->put("\xff\xff", "last");
    flush(*shard);
  }
  for (ShardState* shard : {&last, &below, &state, &above}) {
    EXPECT_THAT(scan(*shard), ElementsAre(Shown{"\x01", "first"}, Shown{"\xff\xff", "last"}));
    EXPECT_THAT(scan_back(*shard), ElementsAre(Shown{"\xff\xff", "last"}, Shown{"\x01", "first"}));
  }
}

TEST_P(ShardStateTest, DamagedRecordIsNeverServed) {
  for (const char* key : {"a", "b", "c"}) state.put(key, std::string("value of ") + key);
  flush(state);
  damage("b");
  const auto got = state.get("b");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(got.error().detail, HasSubstr("shard 5"));
  EXPECT_THAT(scan(state), ElementsAre(Shown{"a", "value of a"}, Shown{"b", std::nullopt}, Shown{"c", "value of c"}));
  EXPECT_THAT(scan_back(state),
              ElementsAre(Shown{"c", "value of c"}, Shown{"b", std::nullopt}, Shown{"a", "value of a"}));
  state.put("b", "written anew");
  EXPECT_EQ(must(state.get("b")), "written anew");
  flush(state);
  EXPECT_EQ(must(state.get("b")), "written anew");
}

TEST_P(ShardStateTest, RecordUnderAnotherKeyIsDamaged) {
  state.put("a", "mine");
  flush(state);
  const auto stored = get(*must(environment->begin_read()), kStateTable, state_key(kShard, "a")).value();
  put(*environment, kStateTable, state_key(kShard, "b"), stored);
  put(*environment, kStateTable, state_key(kShard, "short"), "7 bytes");
  EXPECT_EQ(state.get("b").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(state.get("short").error().code, ErrorCode::kCorrupt);
}

TEST_P(ShardStateTest, VisitorStopsTheMergedScan) {
  state.put("b", "disk"), state.put("d", "disk");
  flush(state);
  state.put("a", "active"), state.put("c", "active"), state.put("e", "active");
  for (std::size_t wanted = 1; wanted <= 5; ++wanted) {
    for (const bool forward : {true, false}) {
      std::string visited;
      const auto visit = [&](std::string_view key, std::optional<std::string_view>) {
        visited += key;
        return visited.size() < wanted;
      };
      must(forward ? state.scan({}, {}, visit) : state.scan_back({}, {}, visit));
      EXPECT_EQ(visited, std::string(forward ? "abcde" : "edcba").substr(0, wanted));
    }
  }
}

TEST(ShardStateOnFullDisk, OverlayWaitsForAnotherTry) {
  ModelDisk disk(1);
  auto environment = disk.open();
  ShardState state(*environment, kShard);
  state.put("a", std::string(1000, 'x'));
  const auto overlay = state.freeze(LogIndex(1));
  disk.set_capacity(500);
  EXPECT_EQ(write_overlays(*environment, std::span(&overlay, 1)).error().code, ErrorCode::kStorageFull);
  EXPECT_EQ(must(state.get("a")), std::string(1000, 'x'));
  disk.set_capacity(0);
  must(write_overlays(*environment, std::span(&overlay, 1)));
  state.flushed();
  EXPECT_EQ(must(state.get("a")), std::string(1000, 'x'));
}

TEST_P(ShardStateTest, OverlaysOfManyShardsAreOneTransaction) {
  std::vector<std::shared_ptr<const FrozenOverlay>> overlays;
  std::vector<std::unique_ptr<ShardState>> shards;
  for (std::uint16_t i = 10; i-- > 0;) {
    shards.push_back(std::make_unique<ShardState>(*environment, ShardId(i)));
    shards.back()->put("key", std::to_string(i));
    overlays.push_back(shards.back()->freeze(LogIndex(i)));
  }
  must(write_overlays(*environment, overlays));
  for (auto& shard : shards) shard->flushed();
  for (std::uint16_t i = 0; i < 10; ++i) EXPECT_EQ(must(shards[9 - i]->get("key")), std::to_string(i));
}

TEST_P(ShardStateTest, RandomChangesAndFlushesEqualAPlainMap) {
  Random random(tests::seed_of_test());
  std::map<std::string, std::string> expected;
  std::shared_ptr<const FrozenOverlay> overlay;
  bool written = false;
  const auto key = [&] {
    std::string key(random.between(1, 2), 'a');
    for (char& c : key) c = static_cast<char>(random.chance(0.2) ? 0xff : 'a' + random.below(5));
    return key;
  };
  const auto check = [&] {
    const std::string from = random.chance(0.3) ? "" : key();
    const std::string to = random.chance(0.3) ? "" : key();
    std::vector<Shown> shown;
    for (auto& [k, v] : expected) {
      if (k >= from && (to.empty() || k < to)) shown.emplace_back(k, v);
    }
    EXPECT_EQ(scan(state, from, to), shown);
    std::ranges::reverse(shown);
    EXPECT_EQ(scan_back(state, from, to), shown);
    const std::string k = key();
    const auto found = expected.find(k);
    EXPECT_EQ(must(state.get(k)), found == expected.end() ? std::nullopt : std::optional(found->second));
  };
  for (int step = 0; step < 4000 && !HasFailure(); ++step) {
    const std::uint64_t dice = random.below(40);
    const std::string k = key();
    if (dice == 0 && !overlay) {
      overlay = state.freeze(LogIndex(1));
      written = false;
    } else if (dice == 1 && overlay && !written) {
      write(overlay);
      written = true;
    } else if (dice == 2 && overlay && written) {
      state.flushed();
      overlay = nullptr;
    } else if (dice < 20) {
      expected.erase(k);
      state.erase(k);
    } else {
      expected[k] = std::to_string(step);
      state.put(k, expected[k]);
    }
    check();
  }
}

TEST(ShardStateDeathTest, MisuseStopsTheProcess) {
  ModelDisk disk(1);
  auto environment = disk.open();
  ShardState state(*environment, kShard);
  EXPECT_DEATH(state.flushed(), "only an overlay that was frozen");
  EXPECT_DEATH(state.put(std::string(510, 'k'), "v"), "a state key fits");
}

TEST(Seal, EveryFlippedBitAndEveryOtherKeyIsSeen) {
  const std::string sealed = seal("key", "value");
  EXPECT_EQ(unseal("key", sealed), "value");
  EXPECT_EQ(unseal("kez", sealed), std::nullopt);
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string bad = sealed;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(unseal("key", bad), std::nullopt) << bit;
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_EQ(unseal("key", sealed.substr(0, size)), std::nullopt);
  }
  EXPECT_EQ(unseal("key", seal("key", "")), "");
}

// An environment whose tree is damaged: every scan begins with a record from somewhere else.
class StrayEnvironment final : public Environment {
 public:
  StrayEnvironment(Environment& inner, std::string key) : inner_(inner), key_(std::move(key)) {}
  Result<std::unique_ptr<ReadTransaction>> begin_read() override {
    return std::make_unique<Transaction>(must(inner_.begin_read()), key_);
  }
  Result<std::unique_ptr<WriteTransaction>> begin_write() override { return inner_.begin_write(); }
  DiskUsage usage() override { return inner_.usage(); }

 private:
  class Transaction final : public ReadTransaction {
   public:
    Transaction(std::unique_ptr<ReadTransaction> inner, const std::string& key)
        : inner_(std::move(inner)), key_(key), value_(seal(key, "for somebody else")) {}
    Result<std::optional<std::string_view>> get(Table table, std::string_view key) override {
      return inner_->get(table, key);
    }
    Status scan(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
      return visit(key_, value_) ? inner_->scan(table, from, to, visit) : Status();
    }
    Status scan_back(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
      return visit(key_, value_) ? inner_->scan_back(table, from, to, visit) : Status();
    }
    Result<std::uint64_t> count(Table table) override { return inner_->count(table); }

   private:
    std::unique_ptr<ReadTransaction> inner_;
    std::string key_;
    std::string value_;
  };

  Environment& inner_;
  std::string key_;
};

TEST(ShardStateOnDamagedTree, RecordOfAnotherRangeIsNeverShownThoughItsSealFits) {
  ModelDisk disk(state_tables().size());
  const auto environment = disk.open();
  for (const char* key : {"Mbob1", "Mbob2"}) {
    const std::string full_key = state_key(kShard, key);
    put(*environment, kStateTable, full_key, seal(full_key, "for bob"));
  }
  // Before the range, behind it, in another shard, and a key without any.
  for (const std::string& stray :
       {state_key(kShard, "Malice1"), state_key(kShard, "Mcarol1"), state_key(ShardId(0), "Mbob1"), std::string("x")}) {
    StrayEnvironment damaged(*environment, stray);
    ShardState state(damaged, kShard);
    std::size_t shown = 0;
    const auto visit = [&shown](std::string_view, std::optional<std::string_view>) { return ++shown > 0; };
    for (const Status& scanned : {state.scan("Mbob", "Mboc", visit), state.scan_back("Mbob", "Mboc", visit)}) {
      ASSERT_FALSE(scanned);
      EXPECT_EQ(scanned.error().code, ErrorCode::kCorrupt);
    }
    EXPECT_EQ(shown, 0u);
  }
}

}  // namespace
}  // namespace earshot::storage
