#include "actors/commit_gate.hpp"

#include <future>
#include <thread>

#include <gtest/gtest.h>

namespace earshot::actors {
namespace {

using std::chrono::minutes;
using std::chrono::nanoseconds;

class CommitGateTest : public testing::Test {
 protected:
  const std::shared_ptr<CommitGate> gate_ = std::make_shared<CommitGate>();
  CommitGate::Shard one_{gate_};
  CommitGate::Shard other_{gate_};
};

TEST_F(CommitGateTest, IsOpenWhileNoShardIsAboutToWrite) {
  EXPECT_TRUE(gate_->is_open());
  one_.expect();
  one_.expect();  // two requests, one write
  other_.expect();
  one_.gathered();
  EXPECT_FALSE(gate_->is_open());
  other_.gathered();
  other_.gathered();
  EXPECT_TRUE(gate_->is_open());
}

TEST_F(CommitGateTest, AShardThatEndsHoldsNobodyUp) {
  {
    CommitGate::Shard ending(gate_);
    ending.expect();
    EXPECT_FALSE(gate_->is_open());
  }
  EXPECT_TRUE(gate_->is_open());
}

TEST_F(CommitGateTest, WhoWaitsGoesOnWhenTheLastShardHasGathered) {
  one_.expect();
  other_.expect();
  auto waiting = std::async(std::launch::async, [this] { gate_->wait(minutes(10)); });
  one_.gathered();
  other_.gathered();
  waiting.get();
}

TEST_F(CommitGateTest, WhoWaitsGoesOnWhenTheTimeIsUp) {
  one_.expect();
  gate_->wait(nanoseconds(1'000));
  EXPECT_FALSE(gate_->is_open());
}

}  // namespace
}  // namespace earshot::actors
