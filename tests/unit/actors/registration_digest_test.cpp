#include "actors/registration_digest.hpp"

#include <map>
#include <memory>
#include <vector>

#include <gtest/gtest.h>

#include "actors/presence.hpp"
#include "actors/session_directory.hpp"
#include "base/random.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/session_fakes.hpp"
#include "tests/support/shard_ports.hpp"

// What a node and a shard's leader compare about the node's registrations.
namespace earshot::tests {
namespace {

const NodeId kHere(1), kThere(2);

std::uint64_t part(SessionId session, const std::string& name, const std::string& on, bool push = true) {
  return RegistrationDigest::part_of(session, user(name), DeviceId::trusted(on), push);
}

TEST(RegistrationDigest, OrderMakesNoDifferenceAndRemovalTakesBackWhatWasAdded) {
  RegistrationDigest one, other;
  one.add(part(1, "alice", "phone"));
  one.add(part(2, "bob", "phone"));
  one.add(part(3, "carol", "phone"));
  one.remove(part(2, "bob", "phone"));
  other.add(part(3, "carol", "phone"));
  other.add(part(1, "alice", "phone"));
  EXPECT_EQ(one, other);
  EXPECT_EQ(one.count(), 2u);
  one.remove(part(3, "carol", "phone"));
  one.remove(part(1, "alice", "phone"));
  EXPECT_EQ(one, RegistrationDigest());
}

TEST(RegistrationDigest, EveryFieldOfARegistrationCounts) {
  const std::uint64_t base = part(1, "alice", "phone");
  EXPECT_NE(base, part(2, "alice", "phone"));
  EXPECT_NE(base, part(1, "alicf", "phone"));
  EXPECT_NE(base, part(1, "alice", "phonf"));
  EXPECT_NE(base, part(1, "alice", "phone", false));
  EXPECT_NE(part(1, "ab", "c"), part(1, "a", "bc"));
}

TEST(RegistrationDigest, TheSameRegistrationTwiceIsNotNone) {
  RegistrationDigest twice;
  twice.add(part(1, "alice", "phone"));
  twice.add(part(1, "alice", "phone"));
  EXPECT_NE(twice, RegistrationDigest());
  EXPECT_NE(twice.sum(), 0u);
}

// ---- on the node

class SessionDirectoryTest : public testing::Test {
 protected:
  using Listing = SessionDirectory::Listing;

  std::shared_ptr<SessionDirectory> directory_ = std::make_shared<SessionDirectory>(4);
  std::shared_ptr<FakeSessionPort> alice_ = std::make_shared<FakeSessionPort>();
  std::shared_ptr<FakeSessionPort> bob_ = std::make_shared<FakeSessionPort>();
};

TEST_F(SessionDirectoryTest, AnAnnouncementReachesTheSessionsOfItsShardAndNoOthers) {
  const Listing alice(directory_, ShardId(1), 1, alice_);
  const Listing bob(directory_, ShardId(2), 2, bob_);
  directory_->announce(LeaderAnnounced{ShardId(1), Term(5), true});
  ASSERT_EQ(alice_->announced.size(), 1u);
  EXPECT_EQ(alice_->announced[0].term, Term(5));
  EXPECT_TRUE(alice_->announced[0].again);
  EXPECT_TRUE(bob_->announced.empty());
  directory_->announce(LeaderAnnounced{ShardId(3), Term(5)});
  EXPECT_EQ(alice_->announced.size() + bob_->announced.size(), 1u);
}

TEST_F(SessionDirectoryTest, WhatHasNotRegisteredIsToldButNotCounted) {
  Listing alice(directory_, ShardId(1), 1, alice_);
  EXPECT_EQ(directory_->size(ShardId(1)), 1u);
  EXPECT_EQ(directory_->digest(ShardId(1)), RegistrationDigest());
  alice.registered(user("alice"), device("phone"), false);
  const RegistrationDigest quiet = directory_->digest(ShardId(1));
  EXPECT_EQ(quiet.count(), 1u);
  alice.registered(user("alice"), device("phone"), true);
  EXPECT_EQ(directory_->digest(ShardId(1)).count(), 1u) << "it changed its mind";
  EXPECT_NE(directory_->digest(ShardId(1)), quiet);
  alice.unregistered();
  alice.unregistered();
  EXPECT_EQ(directory_->digest(ShardId(1)), RegistrationDigest());
}

TEST_F(SessionDirectoryTest, ASessionThatEndsWithoutAWordIsGone) {
  {
    Listing alice(directory_, ShardId(1), 1, alice_);
    alice.registered(user("alice"), device("phone"), true);
    EXPECT_EQ(alice_.use_count(), 2);
  }
  EXPECT_EQ(directory_->size(ShardId(1)), 0u);
  EXPECT_EQ(directory_->digest(ShardId(1)), RegistrationDigest());
  EXPECT_EQ(alice_.use_count(), 1);
}

// ---- on both sides

// Sessions of two nodes and the leader of their home shard; words from one to the other may get lost.
class RegistrationsOfTwoNodes {
 public:
  explicit RegistrationsOfTwoNodes(std::uint64_t seed) : random_(seed) {}

  void one_step() {
    if (sessions_.empty() || random_.chance(0.4)) return open();
    const std::size_t which = random_.below(sessions_.size());
    if (random_.chance(0.5)) {
      sessions_[which].push = true;
      tell(sessions_[which], random_.chance(0.02));
    } else {
      close(which);
    }
    end_replaced();
  }
  [[nodiscard]] bool agree(NodeId node) const { return directory(node).digest(kShard) == presence_.digest_of(node); }
  // What the leader does about a difference: a goodbye that got lost is known to nobody, so all are dropped first.
  void heal(NodeId node) {
    presence_.remove_node(node);
    for (Session& session : sessions_) {
      if (session.node == node) tell(session, false);
    }
    end_replaced();
  }
  void kill(NodeId node) {
    presence_.remove_node(node);
    std::erase_if(sessions_, [node](const Session& session) { return session.node == node; });
  }
  [[nodiscard]] std::size_t words_lost() const { return words_lost_; }
  [[nodiscard]] Random& random() { return random_; }

 private:
  static constexpr ShardId kShard{0};
  struct Session {
    SessionId id;
    NodeId node;
    UserId user;
    std::shared_ptr<RecordingSession> port = std::make_shared<RecordingSession>();
    std::unique_ptr<SessionDirectory::Listing> listing = {};
    bool push = false;
  };

  void open() {
    Session session{++last_, random_.chance(0.5) ? kHere : kThere, user("user-" + std::to_string(random_.below(50)))};
    session.listing = std::make_unique<SessionDirectory::Listing>(directories_[session.node == kHere ? 0 : 1], kShard,
                                                                  session.id, session.port);
    tell(session, random_.chance(0.02));
    sessions_.push_back(std::move(session));
    end_replaced();
  }
  void end_replaced() {
    std::erase_if(sessions_, [](const Session& session) { return session.port->evicted.has_value(); });
  }
  void tell(Session& session, bool gets_lost) {
    session.listing->registered(session.user, device("phone"), session.push);
    if (gets_lost) return void(++words_lost_);
    presence_.add(
        ShardRegister{session.port, session.id, session.user, device("phone"), session.push, {}, {}, session.node});
  }
  void close(std::size_t which) {
    const Session session = std::move(sessions_[which]);
    sessions_.erase(sessions_.begin() + static_cast<std::ptrdiff_t>(which));
    session.listing->unregistered();
    if (random_.chance(0.02)) return void(++words_lost_);
    presence_.remove(ShardUnregister{session.id, session.user, device("phone"), session.node});
  }
  [[nodiscard]] const SessionDirectory& directory(NodeId node) const { return *directories_[node == kHere ? 0 : 1]; }

  Random random_;
  Presence presence_;
  std::shared_ptr<SessionDirectory> directories_[2] = {std::make_shared<SessionDirectory>(1),
                                                       std::make_shared<SessionDirectory>(1)};
  std::vector<Session> sessions_;
  SessionId last_ = 0;
  std::size_t words_lost_ = 0;
};

TEST(RegistrationDigests, NodesAndLeaderAgreeUnlessAWordGotLostAndAgainWhenThatIsHealed) {
  RegistrationsOfTwoNodes nodes(seed_of_test());
  std::size_t known_lost = 0, differences = 0;
  for (int step = 0; step < 5'000; ++step) {
    nodes.one_step();
    for (const NodeId node : {kHere, kThere}) {
      if (nodes.agree(node)) continue;
      ++differences;
      ASSERT_GT(nodes.words_lost(), known_lost) << "step " << step;
      nodes.heal(node);
      ASSERT_TRUE(nodes.agree(node)) << "step " << step;
    }
    known_lost = nodes.words_lost();
    if (!nodes.random().chance(0.01)) continue;
    nodes.kill(kThere);
    ASSERT_TRUE(nodes.agree(kHere) && nodes.agree(kThere)) << "step " << step;
  }
  EXPECT_GT(differences, 10u);
}

}  // namespace
}  // namespace earshot::tests
