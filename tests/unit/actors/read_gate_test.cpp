#include "actors/read_gate.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

class ReadGateTest : public testing::Test {
 protected:
  void add(RequestId request) { gate_.add(ShardFetch{nullptr, request, UserId::trusted("anna"), {}, 1, 1}); }
  std::vector<RequestId> ready(std::uint64_t applied) { return requests(gate_.take_ready(LogIndex(applied))); }
  static std::vector<RequestId> requests(const std::vector<ReadGate::Read>& reads) {
    std::vector<RequestId> requests;
    for (const auto& read : reads) requests.push_back(std::get<ShardFetch>(read).request);
    return requests;
  }
  using Requests = std::vector<RequestId>;

  ReadGate gate_;
};

TEST_F(ReadGateTest, AReadWaitsForTheCheckThatBeganAfterIt) {
  add(1);
  EXPECT_TRUE(gate_.wants_check(0));
  gate_.began(10, LogIndex(5), 0);
  add(2);
  gate_.confirmed(10);
  EXPECT_EQ(ready(5), Requests{1}) << "the second one came when that check was on its way";
  EXPECT_TRUE(gate_.wants_check(0));
  gate_.began(11, LogIndex(5), 0);
  gate_.confirmed(11);
  EXPECT_EQ(ready(5), Requests{2});
  EXPECT_TRUE(gate_.empty());
}

TEST_F(ReadGateTest, OneCheckIsUnderWayForAllThatComeMeanwhile) {
  add(1);
  gate_.began(10, LogIndex(5), 0);
  add(2);
  add(3);
  EXPECT_FALSE(gate_.wants_check(1));
  gate_.confirmed(10);
  gate_.began(11, LogIndex(5), 1);
  gate_.confirmed(11);
  EXPECT_EQ(ready(5), (Requests{1, 2, 3}));
}

TEST_F(ReadGateTest, AReadWaitsUntilTheStateShowsWhatWasCommitted) {
  add(1);
  gate_.began(10, LogIndex(7), 0);
  gate_.confirmed(10);
  EXPECT_EQ(ready(6), Requests{});
  EXPECT_EQ(ready(7), Requests{1});
}

TEST_F(ReadGateTest, ACheckThatIsNotAnsweredIsBegunAgainForThoseBeforeToo) {
  add(1);
  gate_.began(10, LogIndex(5), 0);
  add(2);
  EXPECT_TRUE(gate_.wants_check(limits::kHeartbeatMs));
  gate_.began(11, LogIndex(5), limits::kHeartbeatMs);
  gate_.confirmed(11);
  EXPECT_EQ(ready(5), (Requests{1, 2}));
}

TEST_F(ReadGateTest, ALostCheckIsBegunAgainThoughNobodyElseComes) {
  add(1);
  gate_.began(10, LogIndex(5), 0);
  EXPECT_NE(gate_.wake_at(), 0u);
  EXPECT_TRUE(gate_.wants_check(gate_.wake_at()));
  gate_.began(11, LogIndex(5), gate_.wake_at());
  gate_.confirmed(11);
  EXPECT_EQ(ready(5), Requests{1});
  EXPECT_EQ(gate_.wake_at(), 0u);
}

TEST_F(ReadGateTest, NothingIsLeftToBeDoneWhenALateConfirmationServesAll) {
  add(1);
  gate_.began(10, LogIndex(5), 0);
  gate_.began(11, LogIndex(5), limits::kHeartbeatMs);
  gate_.confirmed(10);
  EXPECT_EQ(ready(5), Requests{1});
  EXPECT_EQ(gate_.wake_at(), 0u);
  EXPECT_FALSE(gate_.wants_check(1'000'000));
}

TEST_F(ReadGateTest, ACheckThatCannotBeginIsTriedAgainLater) {
  add(1);
  gate_.put_off(1'000);
  EXPECT_FALSE(gate_.wants_check(1'000));
  EXPECT_GT(gate_.wake_at(), 1'000u);
  EXPECT_TRUE(gate_.wants_check(gate_.wake_at()));
}

TEST_F(ReadGateTest, AllAreTakenWhenTheReplicaDoesNotLeadAnyMore) {
  add(1);
  gate_.began(10, LogIndex(5), 0);
  add(2);
  EXPECT_EQ(requests(gate_.take_all()), (Requests{1, 2}));
  EXPECT_TRUE(gate_.empty());
  gate_.confirmed(10);
  EXPECT_EQ(ready(9), Requests{});
}

}  // namespace
}  // namespace earshot::actors
