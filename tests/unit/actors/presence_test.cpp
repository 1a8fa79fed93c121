#include "actors/presence.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/shard_ports.hpp"

namespace earshot::actors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using tests::device;
using tests::RecordingSession;

const UserId kAlice = UserId::trusted("alice");
const UserId kBob = UserId::trusted("bob");

class PresenceTest : public testing::Test {
 protected:
  ShardRegister registration(const std::shared_ptr<RecordingSession>& port, SessionId session,
                             std::string_view name = "phone", bool push = true, const UserId& user = kAlice) {
    return ShardRegister{port, session, user, device(name), push};
  }
  static cluster::NewMessage message(const UserId& user, std::uint64_t sequence) {
    IncomingMessage incoming;
    incoming.sequence = Sequence(sequence);
    return {user, std::make_shared<const IncomingMessage>(std::move(incoming))};
  }

  Presence presence;
  std::shared_ptr<RecordingSession> older = std::make_shared<RecordingSession>();
  std::shared_ptr<RecordingSession> newer = std::make_shared<RecordingSession>();
};

TEST_F(PresenceTest, NewerSessionEvictsOlder) {
  presence.add(registration(older, 1));
  presence.add(registration(newer, 2));
  ASSERT_TRUE(older->evicted.has_value());
  EXPECT_EQ(older->evicted->code, ErrorCode::kSessionReplaced);
  EXPECT_FALSE(newer->evicted.has_value());
  presence.push({message(kAlice, 1)});
  EXPECT_THAT(older->pushed(), IsEmpty());
  EXPECT_THAT(newer->pushed(), ElementsAre(1));
  EXPECT_EQ(presence.size(), 1u);
}

TEST_F(PresenceTest, WhoWantsPushesGetsThemThoughItsFirstWordComesLast) {
  const auto port = std::make_shared<RecordingSession>();
  presence.add(registration(port, 1));
  presence.add(registration(port, 1, "phone", false));
  presence.push({message(kAlice, 1)});
  EXPECT_THAT(port->pushed(), ElementsAre(1));
}

// The older session asked for pushes before it heard that it was replaced: its word arrives last and must not win.
TEST_F(PresenceTest, LateWordOfAnOlderSessionDoesNotEvictTheNewer) {
  presence.add(registration(older, 1, "phone", false));
  presence.add(registration(newer, 2));
  older->evicted.reset();
  presence.add(registration(older, 1, "phone", true));
  EXPECT_TRUE(older->evicted.has_value());
  EXPECT_FALSE(newer->evicted.has_value());
  presence.push({message(kAlice, 1)});
  EXPECT_THAT(newer->pushed(), ElementsAre(1));
}

// A program dies while it logs in, its next run logs in, then the dead one's login arrives: its session is the newer.
TEST_F(PresenceTest, SessionOfAnEarlierLoginDoesNotEvictTheLaterOneOfItsStore) {
  const auto ordered = [&](const auto& port, SessionId session, LoginOrder order) {
    ShardRegister one = registration(port, session);
    one.order = order;
    return one;
  };
  presence.add(ordered(older, 1, {77, 6}));
  presence.add(ordered(newer, 2, {77, 5}));
  ASSERT_TRUE(newer->evicted.has_value());
  EXPECT_EQ(newer->evicted->code, ErrorCode::kSessionReplaced);
  EXPECT_FALSE(older->evicted.has_value());
  presence.push({message(kAlice, 1)});
  EXPECT_THAT(older->pushed(), ElementsAre(1));
  EXPECT_THAT(newer->pushed(), IsEmpty());

  auto latest = std::make_shared<RecordingSession>();
  presence.add(ordered(latest, 3, {77, 7}));
  EXPECT_TRUE(older->evicted.has_value());
  older->evicted.reset();
  presence.add(ordered(older, 1, {77, 6}));
  EXPECT_TRUE(older->evicted.has_value()) << "its late word";
  auto other = std::make_shared<RecordingSession>();
  presence.add(ordered(other, 4, {78, 1}));
  EXPECT_TRUE(latest->evicted.has_value()) << "another store's login has no order beside this one's";
  EXPECT_EQ(presence.size(), 1u);
}

// The later login's registration may come first of the two.
TEST_F(PresenceTest, SessionOfALaterLoginWinsThoughItsSessionIsTheOlder) {
  ShardRegister early = registration(newer, 2), late = registration(older, 1);
  early.order = {77, 5}, late.order = {77, 6};
  presence.add(std::move(early));
  presence.add(std::move(late));
  EXPECT_TRUE(newer->evicted.has_value());
  EXPECT_FALSE(older->evicted.has_value());
}

TEST_F(PresenceTest, UnregisterOfAnOldSessionDoesNotRemoveTheNewOne) {
  presence.add(registration(older, 1));
  presence.add(registration(newer, 2));
  presence.remove(ShardUnregister{1, kAlice, device("phone")});
  presence.push({message(kAlice, 1)});
  EXPECT_THAT(newer->pushed(), ElementsAre(1));
  presence.remove(ShardUnregister{2, kAlice, device("phone")});
  EXPECT_TRUE(presence.empty());
}

TEST_F(PresenceTest, TwoDevicesOfAUserBothHear) {
  presence.add(registration(older, 1, "phone"));
  presence.add(registration(newer, 2, "laptop"));
  presence.push({message(kAlice, 1), message(kBob, 1), message(kAlice, 2)});
  EXPECT_THAT(older->pushed(), ElementsAre(1, 2));
  EXPECT_THAT(newer->pushed(), ElementsAre(1, 2));
  EXPECT_EQ(newer->pushes.size(), 1u) << "one push per session for all messages of one entry";
  EXPECT_EQ(newer->pushes[0].messages[0], older->pushes[0].messages[0]) << "the message is shared";
}

TEST_F(PresenceTest, PushesOnlyAfterAskedTo) {
  presence.add(registration(older, 1, "phone", false));
  presence.push({message(kAlice, 1)});
  EXPECT_THAT(older->pushed(), IsEmpty());
  presence.add(registration(older, 1, "phone", true));
  presence.push({message(kAlice, 2)});
  EXPECT_THAT(older->pushed(), ElementsAre(2));
  EXPECT_FALSE(older->evicted.has_value()) << "a session does not replace itself";
}

TEST_F(PresenceTest, RegistrationBeyondTheBoundIsEvictedAndSaysWhy) {
  Presence small(1);
  small.add(registration(older, 1));
  small.add(registration(newer, 2, "laptop"));
  ASSERT_TRUE(newer->evicted.has_value());
  EXPECT_EQ(newer->evicted->code, ErrorCode::kOverloaded);
  EXPECT_GT(newer->evicted->retry_after_ms, 0u);
  auto replacing = std::make_shared<RecordingSession>();
  small.add(registration(replacing, 3, "phone"));
  EXPECT_FALSE(replacing->evicted.has_value()) << "a replacement takes no more room";
  small.remove(ShardUnregister{3, kAlice, device("phone")});
  small.add(registration(newer, 4, "tablet", true, kBob));
  EXPECT_EQ(small.size(), 1u);
}

// ---- sessions of several nodes, whose ids mean nothing to each other

class PresenceOfNodes : public PresenceTest {
 protected:
  ShardRegister of_node(const std::shared_ptr<RecordingSession>& port, std::uint64_t node, SessionId session,
                        std::string_view name = "phone", const UserId& user = kAlice) {
    ShardRegister one = registration(port, session, name, true, user);
    one.node = NodeId(node);
    return one;
  }
};

TEST_F(PresenceOfNodes, TheSameIdOfAnotherNodeIsAnotherSession) {
  presence.add(of_node(older, 1, 7));
  presence.add(of_node(newer, 2, 7));
  ASSERT_TRUE(older->evicted.has_value());
  EXPECT_FALSE(newer->evicted.has_value());
  presence.remove(ShardUnregister{7, kAlice, device("phone"), NodeId(1)});
  presence.push({message(kAlice, 1)});
  EXPECT_THAT(newer->pushed(), ElementsAre(1)) << "the other's goodbye is not its own";
  presence.remove(ShardUnregister{7, kAlice, device("phone"), NodeId(2)});
  EXPECT_TRUE(presence.empty());
}

TEST_F(PresenceOfNodes, TheLaterLoginWinsWhateverTheIdsAre) {
  ShardRegister late = of_node(older, 1, 3), early = of_node(newer, 2, 900);
  late.order = {77, 6}, early.order = {77, 5};
  presence.add(late);
  presence.add(early);
  EXPECT_TRUE(newer->evicted.has_value());
  EXPECT_FALSE(older->evicted.has_value());
}

TEST_F(PresenceOfNodes, WithoutAnOrderTheOneThatComesLaterWinsThoughItsIdIsTheSmaller) {
  presence.add(of_node(older, 1, 900));
  presence.add(of_node(newer, 2, 3));
  EXPECT_TRUE(older->evicted.has_value());
  EXPECT_FALSE(newer->evicted.has_value());
}

TEST_F(PresenceOfNodes, ANodeThatDiedLeavesNoRegistrationBehindAndTakesNobodyElses) {
  presence.add(of_node(older, 1, 1, "phone"));
  presence.add(of_node(newer, 2, 1, "laptop"));
  presence.add(of_node(older, 1, 2, "phone", kBob));
  presence.remove_node(NodeId(1));
  presence.remove_node(NodeId(9));
  EXPECT_EQ(presence.size(), 1u);
  EXPECT_FALSE(older->evicted.has_value()) << "nobody is left to be told";
  presence.push({message(kAlice, 1), message(kBob, 1)});
  EXPECT_THAT(older->pushed(), IsEmpty());
  EXPECT_THAT(newer->pushed(), ElementsAre(1));
  EXPECT_EQ(presence.digest_of(NodeId(1)), RegistrationDigest());
  EXPECT_EQ(presence.digest_of(NodeId(2)).count(), 1u);
}

TEST_F(PresenceOfNodes, ADigestFollowsASessionThatMovesToAnotherNode) {
  presence.add(of_node(older, 1, 1));
  presence.add(of_node(newer, 2, 1));
  EXPECT_EQ(presence.digest_of(NodeId(1)).count(), 0u);
  EXPECT_EQ(presence.digest_of(NodeId(2)).count(), 1u);
  presence.evict(kAlice, device("phone"), Error{});
  EXPECT_EQ(presence.digest_of(NodeId(2)), RegistrationDigest());
}

}  // namespace
}  // namespace earshot::actors
