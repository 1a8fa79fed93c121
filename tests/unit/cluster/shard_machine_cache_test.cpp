#include <functional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "cluster/state_cache.hpp"
#include "storage/model_environment.hpp"
#include "storage/shard_state.hpp"
#include "storage/state_store.hpp"

namespace earshot::cluster {
namespace {

struct TextTraits {
  using Key = int;
  using Value = std::string;
  using Hash = std::hash<int>;
  static std::string key_of(int key) { return "K" + std::to_string(key); }
  static Result<std::string> decode(std::string_view bytes) {
    if (bytes == "bad") return fail(ErrorCode::kCorrupt, "", "");
    return std::string(bytes);
  }
  static std::string encode(const std::string& value) { return value; }
  static std::size_t bytes_of(const std::string& value) { return value.size(); }
};

class StateCacheTest : public testing::Test {
 protected:
  std::string stored(int key) { return state.get(TextTraits::key_of(key)).value().value_or("nothing"); }

  storage::ModelDisk disk{1};
  std::unique_ptr<storage::Environment> environment = disk.open();
  storage::ShardState state{*environment, ShardId(1)};
  StateCache<TextTraits> cache{state, 2'000};
};

TEST_F(StateCacheTest, ChangeReachesTheStateOnWriteBackOnly) {
  cache.edit(cache.require(1)) = "one";
  EXPECT_GT(cache.dirty_bytes(), 0u);
  EXPECT_EQ(stored(1), "nothing");
  EXPECT_EQ(*cache.require(1).get(), "one");
  cache.write_back();
  EXPECT_EQ(cache.dirty_bytes(), 0u);
  EXPECT_EQ(stored(1), "one");
  cache.edit(cache.require(1)) = "uno";
  EXPECT_EQ(stored(1), "one");
  cache.write_back();
  EXPECT_EQ(stored(1), "uno");
}

TEST_F(StateCacheTest, ReadingWritesNothing) {
  for (int key = 0; key < 100; ++key) EXPECT_EQ(cache.require(key).get(), nullptr);
  cache.write_back();
  EXPECT_FALSE(state.has_changes());
}

TEST_F(StateCacheTest, CleanEntriesAreBoundedAndTheOldestGoFirst) {
  for (int key = 0; key < 1'000; ++key) {
    cache.require(key);
    cache.require(-1);  // in use all the time
  }
  const std::size_t bounded = cache.size();
  EXPECT_LT(bounded, 40u);
  state.put(TextTraits::key_of(-1), "changed behind the cache");
  EXPECT_EQ(cache.require(-1).get(), nullptr) << "the one in use was dropped";
  state.put(TextTraits::key_of(0), "zero");
  EXPECT_EQ(*cache.require(0).get(), "zero") << "the oldest was kept";
}

TEST_F(StateCacheTest, ChangedEntriesAreNeverDroppedBeforeTheyAreWritten) {
  for (int key = 0; key < 200; ++key) cache.edit(cache.require(key)) = std::to_string(key);
  EXPECT_EQ(cache.size(), 200u);
  for (int key = 0; key < 200; ++key) EXPECT_EQ(*cache.require(key).get(), std::to_string(key));
  cache.write_back();
  EXPECT_LT(cache.size(), 40u);
  for (int key = 0; key < 200; ++key) EXPECT_EQ(*cache.require(key).get(), std::to_string(key));
}

TEST_F(StateCacheTest, EntryLargerThanTheBoundIsStillUsable) {
  state.put(TextTraits::key_of(1), std::string(10'000, 'x'));
  EXPECT_EQ(cache.require(1).get()->size(), 10'000u);
  cache.require(2);
  EXPECT_EQ(cache.size(), 1u);
}

TEST_F(StateCacheTest, DamagedEntryIsNoEntryAndIsCountedUntilReplaced) {
  state.put(TextTraits::key_of(1), "bad");
  auto& entry = cache.require(1);
  EXPECT_TRUE(entry.is_damaged());
  EXPECT_EQ(entry.get(), nullptr);
  EXPECT_EQ(cache.damaged_met(), 1u);
  cache.edit(entry) = "good";
  EXPECT_FALSE(cache.require(1).is_damaged());
  cache.write_back();
  EXPECT_EQ(stored(1), "good");
}

}  // namespace
}  // namespace earshot::cluster
