#include "cluster/pulse.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "base/random.hpp"
#include "tests/support/seed.hpp"

// Heartbeats that nodes say for groups that rest: what counts, and what they look like on the way.
namespace earshot::cluster {
namespace {

constexpr NodeId kLeader{1}, kFollower{2}, kOther{3};
constexpr Term kTerm{7};
constexpr LogIndex kLast{40};
const GroupBeat kBeat{storage::GroupId(5), kTerm, kLast};

class GroupPulseTest : public testing::Test {
 protected:
  GroupPulseTest() {
    const std::vector followers{kFollower, kOther};
    leader.leads(followers, kTerm, kLast, 1'600);
    follower.follows(kLeader, kTerm, kLast, 1'750);
  }
  bool beats(NodeId node, std::uint64_t now_ms) const {
    GroupBeat beat;
    return leader.beats_for(node, now_ms, beat) && beat.term == kTerm && beat.last == kLast;
  }
  GroupPulse leader, follower;
};

TEST_F(GroupPulseTest, ALeadersNodeBeatsForItsFollowersWhileItRests) {
  EXPECT_TRUE(beats(kFollower, 1'150));
  EXPECT_TRUE(beats(kOther, 1'599));
  EXPECT_FALSE(beats(NodeId(9), 1'150)) << "no follower";
  EXPECT_FALSE(beats(kFollower, 1'600)) << "its replica should have looked meanwhile";
  leader.stirs();
  EXPECT_FALSE(beats(kFollower, 1'150));
  GroupBeat beat;
  EXPECT_FALSE(follower.beats_for(kLeader, 1'150, beat)) << "a follower's node does not";
}

TEST_F(GroupPulseTest, OnesLeaderIsHeardAndOnesFollowers) {
  EXPECT_TRUE(follower.heard(kLeader, kBeat, true, 1'150));
  EXPECT_EQ(follower.heard_ms(kLeader), 1'150u);
  EXPECT_TRUE(leader.heard(kFollower, kBeat, false, 1'151));
  EXPECT_EQ(leader.heard_ms(kFollower), 1'151u);
  EXPECT_EQ(leader.heard_ms(kOther), 0u);
  EXPECT_TRUE(leader.heard(kFollower, kBeat, false, 1'100)) << "late";
  EXPECT_EQ(leader.heard_ms(kFollower), 1'151u);
}

TEST_F(GroupPulseTest, NobodyElseIsHeard) {
  EXPECT_FALSE(follower.heard(kOther, kBeat, true, 1'150)) << "not the leader";
  EXPECT_FALSE(follower.heard(kLeader, kBeat, false, 1'150)) << "an answer, of one that follows";
  EXPECT_FALSE(leader.heard(kFollower, kBeat, true, 1'150)) << "from one that leads, it says";
  EXPECT_FALSE(follower.heard(kLeader, {kBeat.group, Term(8), kLast}, true, 1'150)) << "another term";
  EXPECT_FALSE(follower.heard(kLeader, {kBeat.group, kTerm, LogIndex(41)}, true, 1'150)) << "another log";
  EXPECT_FALSE(follower.heard(kLeader, kBeat, true, 1'750)) << "its replica should have heard of it meanwhile";
  EXPECT_EQ(follower.heard_ms(kLeader), 0u);
  follower.stirs();
  EXPECT_FALSE(follower.heard(kLeader, kBeat, true, 1'150)) << "it does not rest";
}

TEST_F(GroupPulseTest, WhoWasHeardIsKeptWhileItIsTheSameRest) {
  ASSERT_TRUE(follower.heard(kLeader, kBeat, true, 1'150));
  follower.follows(kLeader, kTerm, kLast, 2'200);
  EXPECT_EQ(follower.heard_ms(kLeader), 1'150u);
  EXPECT_TRUE(follower.heard(kLeader, kBeat, true, 2'100)) << "longer now";
  follower.follows(kLeader, Term(8), kLast, 2'200);
  EXPECT_EQ(follower.heard_ms(kLeader), 0u);
}

// ---- the message

TEST(PulseMessage, SurvivesTheWay) {
  for (const Pulse& pulse : {Pulse{}, Pulse{true, {kBeat}},
                             Pulse{false, {kBeat, {storage::kMetaGroup, Term(UINT64_MAX), LogIndex(UINT64_MAX)}}}}) {
    const auto decoded = decode_pulse(encode(pulse));
    ASSERT_TRUE(decoded) << decoded.error().to_string();
    EXPECT_EQ(*decoded, pulse);
  }
}

TEST(PulseMessage, DamageIsSeen) {
  const std::string whole = encode(Pulse{true, {kBeat}});
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes)
    EXPECT_FALSE(decode_pulse(std::string_view(whole).substr(0, bytes)));
  Random random(tests::seed_of_test());
  for (int i = 0; i < 1'000; ++i) {
    std::string broken = whole;
    broken[random.below(broken.size())] ^= static_cast<char>(1u << random.below(8));
    EXPECT_FALSE(decode_pulse(broken));
  }
}

TEST(PulseMessage, OfMoreGroupsThanThereCanBeIsRefused) {
  Pulse pulse;
  pulse.beats.resize(limits::kShardsMax + 1, kBeat);
  EXPECT_TRUE(decode_pulse(encode(pulse))) << "all shards and the meta group";
  pulse.beats.push_back(kBeat);
  const auto decoded = decode_pulse(encode(pulse));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().detail, "has " + std::to_string(limits::kShardsMax + 2) + " groups, the limit is " +
                                        std::to_string(limits::kShardsMax + 1));
}

}  // namespace
}  // namespace earshot::cluster
