#include "storage/shard_sizes.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "storage/keys.hpp"
#include "storage/model_environment.hpp"
#include "storage/shard_state.hpp"
#include "storage/state_store.hpp"

namespace earshot::storage {
namespace {

class ShardSizesTest : public testing::Test {
 protected:
  // Of shard 1: what is put and erased in one flush.
  void flush(const std::vector<std::string>& put, const std::vector<std::string>& erased = {}) {
    ShardState state(*environment_, ShardId(1));
    for (const std::string& key : put) state.put(key, "value");
    for (const std::string& key : erased) state.erase(key);
    const auto overlay = state.freeze(LogIndex(++index_));
    EXPECT_TRUE(write_overlays(*environment_, {&overlay, 1}));
  }
  ShardSizes size(std::uint16_t shard) { return shard_sizes(*environment_, 3).at(shard); }

  ModelDisk disk_{state_tables().size()};
  std::unique_ptr<Environment> environment_ = disk_.open();
  std::uint64_t index_ = 0;
  const UserId bob_ = UserId::trusted("bob");
};

TEST_F(ShardSizesTest, AreCountedWithEachFlush) {
  const std::string first = keys::message(bob_, Sequence(1)), second = keys::message(bob_, Sequence(2));
  flush({keys::mailbox_head(bob_), first, second, keys::position(LayerId::trusted("taxis"), "7")});
  EXPECT_EQ(size(1), (ShardSizes{1, 2, 1, 0}));
  flush({keys::mailbox_head(bob_)}, {first});
  EXPECT_EQ(size(1), (ShardSizes{1, 1, 1, 0})) << "one is replaced, and one is gone";
}

TEST_F(ShardSizesTest, AShardThatWasNeverWrittenHasNothing) {
  flush({keys::mailbox_head(bob_)});
  EXPECT_EQ(size(0), ShardSizes());
  EXPECT_EQ(size(2), ShardSizes());
}

TEST_F(ShardSizesTest, ACountThatCannotBeReadIsNone) {
  flush({keys::mailbox_head(bob_)});
  auto transaction = environment_->begin_write().value();
  ASSERT_TRUE(transaction->put(kStateTable, state_key(ShardId(1), keys::shard_sums()), "damaged"));
  ASSERT_TRUE(transaction->commit());
  EXPECT_EQ(size(1), ShardSizes());
}

}  // namespace
}  // namespace earshot::storage
