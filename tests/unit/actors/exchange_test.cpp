#include "actors/exchange.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "actors/shard_refusals.hpp"
#include "base/call_scope.hpp"
#include "base/clock.hpp"
#include "base/limits.hpp"
#include "tests/support/log_capture.hpp"
#include "tests/support/shard_ports.hpp"

// Two and three nodes' exchanges, joined by frames that the test carries.
namespace earshot::actors {
namespace {

constexpr ShardId kShard{1};
constexpr NodeId kA{1}, kB{2}, kC{3};

class Wires {
 public:
  class Way final : public cluster::Peers {
   public:
    Way(Wires& wires, NodeId self) : wires_(wires), self_(self) {}
    bool send(NodeId to, cluster::PeerFrame frame) override {
      if (wires_.full) return false;
      wires_.frames.emplace_back(self_, to, std::move(frame));
      return true;
    }
    [[nodiscard]] bool is_up(NodeId) const override { return wires_.up; }
    void set_nodes(std::vector<cluster::PeerNode>) override {}

   private:
    Wires& wires_;
    const NodeId self_;
  };
  struct Frame {
    Frame(NodeId f, NodeId t, cluster::PeerFrame p) : from(f), to(t), frame(std::move(p)) {}
    NodeId from, to;
    cluster::PeerFrame frame;
  };

  bool up = true, full = false;
  std::deque<Frame> frames;
};

struct Sessions final : LocalSessions {
  std::shared_ptr<SessionPort> find(SessionId session) override {
    const auto found = live.find(session);
    return found == live.end() ? nullptr : found->second;
  }
  void announce(const LeaderAnnounced& leader) override {
    announced.push_back(leader.term);
    again += leader.again ? 1 : 0;
  }
  RegistrationDigest registrations(ShardId shard) override {
    return shard == kShard ? registered : RegistrationDigest();
  }
  void send_away(std::uint32_t) override { ++sent_away; }
  std::map<SessionId, std::shared_ptr<SessionPort>> live;
  std::vector<Term> announced;
  int again = 0;
  int sent_away = 0;
  RegistrationDigest registered;
};

// A session of a node, with its address.
struct Session final : SessionPort {
  explicit Session(const PortAddress& its_address) : own(its_address) {}
  [[nodiscard]] PortAddress address() const override { return own; }
  void post(SendsAnswered message) override { sends.push_back(std::move(message)); }
  void post(LoginAnswered) override {}
  void post(AckAnswered message) override { acks.push_back(std::move(message)); }
  void post(FetchAnswered message) override { fetches.push_back(std::move(message)); }
  void post(MailboxPush message) override { pushes.push_back(std::move(message)); }
  void post(ManageAnswered message) override { manages.push_back(std::move(message)); }
  void post(AttemptsAnswered) override {}
  void post(MessagesEnded) override {}
  void post(ParkingRule) override {}
  void post(SessionExplain message) override { explains.push_back(std::move(message)); }
  void post(SessionExplained message) override { explained.push_back(std::move(message)); }
  void post(SessionEvicted) override {}
  void post(LeaderAnnounced) override {}

  PortAddress own;
  std::vector<SendsAnswered> sends;
  std::vector<AckAnswered> acks;
  std::vector<FetchAnswered> fetches;
  std::vector<MailboxPush> pushes;
  std::vector<ManageAnswered> manages;
  std::vector<SessionExplain> explains;
  std::vector<SessionExplained> explained;
};

// A node: its exchange, and a replica of each shard that writes down what comes.
class Node {
 public:
  Node(NodeId id, Wires& wires, const Clock& clock)
      : self(id), way(wires, id), exchange(std::make_shared<Exchange>(id, tests::kShardCount, way, clock)) {
    std::vector<Exchange::Replica> replicas(tests::kShardCount);
    for (auto& replica : replicas) replica = {std::make_shared<tests::DeafShard>(), replica_};
    std::vector<NodeId> others;
    for (const NodeId node : {kA, kB, kC})
      if (node != id) others.push_back(node);
    exchange->set_nodes(std::move(others));
    exchange->set_up(std::move(replicas), sessions);
  }
  ~Node() { exchange->forget(); }

  struct Replica final : ReplicaInbox {
    void post(FromPeer message) override { frames.push_back(std::move(message)); }
    std::vector<FromPeer> frames;
  };

  // What the shard is asked by other nodes.
  std::vector<ShardRequest> take_requests() {
    std::vector<ShardRequest> requests;
    for (const FromPeer& frame : std::exchange(replica_->frames, {})) {
      if (frame.topic != cluster::PeerTopic::kCall) continue;
      exchange->open(kShard, frame,
                     [&](ShardRequest request, std::uint8_t) { requests.push_back(std::move(request)); });
    }
    return requests;
  }

  const NodeId self;
  Wires::Way way;
  std::shared_ptr<Sessions> sessions = std::make_shared<Sessions>();
  std::shared_ptr<Replica> replica_ = std::make_shared<Replica>();
  std::shared_ptr<Exchange> exchange;
};

class ExchangeTest : public testing::Test {
 protected:
  void carry() {
    while (!wires_.frames.empty()) {
      auto [from, to, frame] = std::move(wires_.frames.front());
      wires_.frames.pop_front();
      node(to).exchange->received(from, {&frame, 1});
    }
  }
  Node& node(NodeId id) { return id == kA ? a_ : id == kB ? b_ : c_; }
  std::shared_ptr<Session> session(Node& on, SessionId id) {
    auto port = std::make_shared<Session>(PortAddress{on.self, 0, id});
    on.sessions->live[id] = port;
    return port;
  }
  void b_leads() {
    b_.exchange->leader_is(kShard, {kB, Term(2)});
    carry();
  }
  ShardInbox& route(Node& from) { return from.exchange->router()->shard(kShard); }

  void a_changes_a_position() {
    route(a_).post(ShardPositions{SetPositionsCommand{LayerId::trusted("cars"), {}, {{"m", 1}}},
                                  [](const Result<PositionsAnswer>&) {}});
  }
  // B has an ack of that session, and tells A that it does not lead: as a leader does that hands over.
  ShardAck a_unlearns_b(const std::shared_ptr<Session>& anna) {
    route(a_).post(ShardAck{anna, 5, AckCommand{UserId::trusted("anna"), tests::device("phone"), Sequence(3), {}}});
    a_changes_a_position();
    carry();
    const auto asked = b_.take_requests();
    std::get<ShardPositions>(asked.at(1)).done(fail(refusals::not_leader()));
    carry();
    EXPECT_EQ(a_.exchange->leader(kShard).node, NodeId());
    return std::get<ShardAck>(asked.at(0));
  }
  // Whom the node asks at its next tick who leads.
  std::set<NodeId> asked_who_leads(Node& from) {
    from.exchange->tick();
    std::set<NodeId> asked;
    for (const Wires::Frame& one : wires_.frames)
      if (one.frame.topic == cluster::PeerTopic::kCluster && one.frame.group == kShard) asked.insert(one.to);
    carry();
    return asked;
  }
  // The word of the new leader reaches B, gets lost on its way to A, and nobody says it again by itself.
  void c_leads_and_a_does_not_know() {
    c_.exchange->leader_is(kShard, {kC, Term(3)});
    std::erase_if(wires_.frames, [](const Wires::Frame& one) { return one.to == kA; });
    carry();
    ASSERT_EQ(a_.exchange->leader(kShard).node, kB);
    ASSERT_EQ(b_.exchange->leader(kShard).node, kC);
  }
  // A asks all others who leads, and then the one that does.
  void expect_a_finds_c() {
    EXPECT_EQ(a_.exchange->leader(kShard).node, NodeId());
    EXPECT_EQ(asked_who_leads(a_), (std::set<NodeId>{kB, kC}));
    for (Node* asked : {&b_, &c_}) asked->exchange->compared(kShard, kA, false);  // as their shards do
    carry();
    EXPECT_EQ(a_.exchange->leader(kShard), (Route::Leader{kC, Term(3)}));
    a_changes_a_position();
    carry();
    EXPECT_EQ(c_.take_requests().size(), 1u);
  }

  ManualClock clock_;
  Wires wires_;
  Node a_{kA, wires_, clock_}, b_{kB, wires_, clock_}, c_{kC, wires_, clock_};
};

TEST_F(ExchangeTest, ANewLeaderIsKnownOnEveryNodeAndTheirSessionsAreTold) {
  b_leads();
  EXPECT_EQ(a_.exchange->leader(kShard).node, kB);
  EXPECT_EQ(c_.exchange->leader(kShard).node, kB);
  EXPECT_EQ(a_.sessions->announced, std::vector<Term>{Term(2)});
}

TEST_F(ExchangeTest, OnePulseIsSaidForAllGroupsThatRest) {
  const std::vector followers{kB, kC};
  for (const storage::GroupId group : {kShard, storage::kMetaGroup}) {
    a_.exchange->pulse(group)->leads(followers, Term(2), LogIndex(9), clock_.monotonic_ms() + 600);
    for (Node* follower : {&b_, &c_})
      follower->exchange->pulse(group)->follows(kA, Term(2), LogIndex(9), clock_.monotonic_ms() + 600);
  }
  c_.exchange->pulse(kShard)->stirs();
  clock_.advance(150);
  for (Node* node : {&a_, &b_, &c_}) node->exchange->send_pulses();
  EXPECT_EQ(wires_.frames.size(), 2u) << "one to each follower's node, none from there";
  carry();
  EXPECT_EQ(b_.exchange->pulse(kShard)->heard_ms(kA), clock_.monotonic_ms());
  EXPECT_EQ(b_.exchange->pulse(storage::kMetaGroup)->heard_ms(kA), clock_.monotonic_ms());
  EXPECT_EQ(a_.exchange->pulse(kShard)->heard_ms(kB), clock_.monotonic_ms());
  EXPECT_EQ(a_.exchange->pulse(kShard)->heard_ms(kC), 0u) << "it does not rest there";
  EXPECT_EQ(a_.exchange->pulse(storage::kMetaGroup)->heard_ms(kC), clock_.monotonic_ms());
}

TEST_F(ExchangeTest, ACallIsAnsweredAcrossNodes) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardAck{anna, 5, AckCommand{UserId::trusted("anna"), tests::device("phone"), Sequence(3), {}}});
  carry();
  const auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  const auto& ack = std::get<ShardAck>(asked[0]);
  EXPECT_EQ(ack.command.up_to, Sequence(3));
  ack.from->post(AckAnswered{ack.request, Sequence(3)});
  carry();
  ASSERT_EQ(anna->acks.size(), 1u);
  EXPECT_EQ(anna->acks[0].request, 5u);
  EXPECT_EQ(a_.exchange->open_calls(), 0u);
}

TEST_F(ExchangeTest, ARegisteredSessionIsPushedTo) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardRegister{anna, 70, UserId::trusted("anna"), tests::device("phone"), true});
  carry();
  const auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  auto message = std::make_shared<IncomingMessage>();
  message->sequence = Sequence(1);
  message->sender = UserId::trusted("bert");
  message->sender_device = tests::device("phone");
  message->body = "hello";
  message->checksum = checksum_of(message->body);
  std::get<ShardRegister>(asked[0]).from->post(MailboxPush{{message}});
  carry();
  ASSERT_EQ(anna->pushes.size(), 1u);
  EXPECT_EQ(anna->pushes[0].messages[0]->body, "hello");
}

TEST_F(ExchangeTest, APushToASessionThatHasEndedIsDropped) {
  b_leads();
  route(a_).post(ShardRegister{session(a_, 70), 70, UserId::trusted("anna"), tests::device("phone"), true});
  carry();
  const auto asked = b_.take_requests();
  a_.sessions->live.clear();
  std::get<ShardRegister>(asked[0]).from->post(SessionEvicted{});
  carry();
}

TEST_F(ExchangeTest, CallsAreLostWithTheLinkAndWhoAskedIsTold) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1});
  wires_.frames.clear();
  a_.exchange->link_down(kB);
  ASSERT_EQ(anna->fetches.size(), 1u);
  EXPECT_EQ(anna->fetches[0].batch.error().code, ErrorCode::kUnavailable);
}

// Whoever reads the lines of two nodes finds one call by one name.
TEST_F(ExchangeTest, TheNameOfAClientsCallCrossesWithIt) {
  tests::LogCapture log;
  spdlog::default_logger()->set_level(spdlog::level::debug);
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1, 1'203});
  carry();
  const auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  log.take();
  const auto& fetch = std::get<ShardFetch>(asked[0]);
  fetch.from->post(FetchAnswered{fetch.request, fail(ErrorCode::kNotFound, "", "nothing")});
  const std::string there = log.take();
  EXPECT_NE(there.find("n1.s70.c1203: read is refused at shard 1"), std::string::npos) << there;
  wires_.frames.clear();
  a_.exchange->link_down(kB);
  const std::string here = log.take();
  EXPECT_NE(here.find("n1.s70.c1203: a call to node 2 for shard 1 is lost"), std::string::npos) << here;
}

TEST_F(ExchangeTest, CallsToALeaderThatWasReplacedAreLost) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1});
  wires_.frames.clear();
  c_.exchange->leader_is(kShard, {kC, Term(3)});
  carry();
  EXPECT_EQ(anna->fetches.size(), 1u);
}

// It has led all the time, and answers what it was asked before.
TEST_F(ExchangeTest, CallsToALeaderThatIsFoundAgainInItsTermAreNotLost) {
  b_leads();
  const auto anna = session(a_, 70);
  const ShardAck ack = a_unlearns_b(anna);
  route(a_).post(ShardFetch{anna, 6, UserId::trusted("anna"), {}, 1, 1});
  EXPECT_EQ(asked_who_leads(a_), (std::set<NodeId>{kB, kC}));
  EXPECT_TRUE(b_.take_requests().empty()) << "nobody is known to lead";
  b_.exchange->compared(kShard, kA, false);  // as its shard does
  carry();
  EXPECT_EQ(a_.exchange->leader(kShard), (Route::Leader{kB, Term(2)}));
  EXPECT_EQ(b_.take_requests().size(), 1u) << "what waited goes out";
  EXPECT_TRUE(anna->acks.empty()) << "nothing is known of it yet";
  ack.from->post(AckAnswered{ack.request, Sequence(3)});
  carry();
  ASSERT_EQ(anna->acks.size(), 1u);
  ASSERT_TRUE(anna->acks[0].cursor.has_value());
  EXPECT_EQ(*anna->acks[0].cursor, Sequence(3));
  EXPECT_EQ(a_.sessions->announced, std::vector<Term>{Term(2)}) << "it is no news";
}

TEST_F(ExchangeTest, CallsToALeaderThatIsElectedAgainAreLost) {
  b_leads();
  const auto anna = session(a_, 70);
  a_unlearns_b(anna);
  route(a_).post(ShardFetch{anna, 6, UserId::trusted("anna"), {}, 1, 1});
  b_.exchange->leader_is(kShard, {kB, Term(4)});
  carry();
  ASSERT_EQ(anna->acks.size(), 1u);
  ASSERT_FALSE(anna->acks[0].cursor.has_value());
  EXPECT_TRUE(refusals::is_leader_change(anna->acks[0].cursor.error()));
  EXPECT_EQ(b_.take_requests().size(), 1u) << "what waited goes out";
}

TEST_F(ExchangeTest, WhatWaitedForALeaderIsAskedOfItAndNotLost) {
  const auto anna = session(a_, 70);
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1});
  b_leads();
  EXPECT_THAT(anna->fetches, testing::IsEmpty());
  EXPECT_EQ(b_.take_requests().size(), 1u);
}

TEST_F(ExchangeTest, ANodeThatKnowsNoLeaderAsks) {
  b_leads();
  a_.exchange->leader_is(kShard, {NodeId(), Term(2)});
  a_.exchange->tick();
  carry();
  ASSERT_EQ(b_.replica_->frames.size(), std::size_t{tests::kShardCount});
  b_.exchange->compared(kShard, kA, false);  // as its shard does
  carry();
  EXPECT_EQ(a_.exchange->leader(kShard), (Route::Leader{kB, Term(2)}));
}

TEST_F(ExchangeTest, AnotherNodesCallIsPassedOnAndAnsweredStraight) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1});
  carry();
  auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  b_.exchange->leader_is(kShard, {kC, Term(3)});
  b_.exchange->given_back(kShard, std::move(asked[0]), 1);
  carry();
  const auto passed_on = c_.take_requests();
  ASSERT_EQ(passed_on.size(), 1u);
  const auto& fetch = std::get<ShardFetch>(passed_on[0]);
  EXPECT_EQ(fetch.from->address().node, kA);
  Batch batch;
  batch.epoch = Epoch(1);
  fetch.from->post(FetchAnswered{fetch.request, std::move(batch)});
  ASSERT_EQ(wires_.frames.size(), 1u);
  EXPECT_EQ(wires_.frames[0].to, kA);
  carry();
  EXPECT_EQ(anna->fetches.size(), 1u);
}

TEST_F(ExchangeTest, WhatIsAskedAboutPlacesKeepsTheNameOfItsCall) {
  b_leads();
  const RequestTag tag{kA, RequestTag::Door::kRedis, 12, 55};
  {
    const CallScope named(tag);
    route(a_).post(ShardPositions{ClearPositionsCommand{LayerId::trusted("cars"), {"m"}}, nullptr});
    route(a_).post(ShardWhere{LayerId::trusted("cars"), {"m"}, nullptr});
  }
  carry();
  const auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 2u);
  EXPECT_EQ(std::get<ShardPositions>(asked[0]).tag, tag);
  EXPECT_EQ(std::get<ShardWhere>(asked[1]).tag, tag);
  route(a_).post(ShardWhere{LayerId::trusted("cars"), {"m"}, nullptr});
  carry();
  EXPECT_EQ(std::get<ShardWhere>(b_.take_requests().at(0)).tag, (RequestTag{kA})) << "of no call";
}

TEST_F(ExchangeTest, DeliveriesInVainThatComeTwiceAreCountedOnce) {
  b_leads();
  const AttemptsCommand vain{UserId::trusted("anna"), tests::device("phone"), {{Sequence(3), Sequence(3), 1}}};
  const auto anna = session(a_, 70);
  route(a_).post(ShardAttempts{anna, 5, vain});
  route(a_).post(ShardAttempts{anna, 6, vain});
  route(a_).post(ShardAttempts{nullptr, 0, vain});  // the last word of a session
  ASSERT_EQ(wires_.frames.size(), 3u);
  const auto frames = wires_.frames;
  wires_.frames.insert(wires_.frames.end(), frames.begin(), frames.end());
  carry();
  EXPECT_EQ(b_.take_requests().size(), 3u);
}

TEST_F(ExchangeTest, WhatChangesMailboxesAndComesTwiceIsDoneOnceAndAnswered) {
  b_leads();
  const auto anna = session(a_, 70);
  const UserId user = UserId::trusted("anna");
  const DeviceId phone = tests::device("phone");
  const std::vector<ManageRequest> all{SetPolicyRequest{user, false, Policy()}, RemoveDeviceRequest{user, phone},
                                       ReplayRequest{user, phone, {Sequence(1)}},
                                       DropParkedRequest{user, phone, {Sequence(1)}}};
  for (const ManageRequest& one : all) {
    SCOPED_TRACE(one.index());
    route(a_).post(ShardManage{anna, 5, one});
    ASSERT_EQ(wires_.frames.size(), 1u);
    const auto frame = wires_.frames.front();
    carry();
    wires_.frames.push_back(frame);
    carry();
    const auto asked = b_.take_requests();
    ASSERT_EQ(asked.size(), 1u);
    const auto& first = std::get<ShardManage>(asked[0]);
    first.from->post(ManageAnswered{first.request, ManageAnswer(Done{})});
    carry();
    ASSERT_EQ(anna->manages.size(), 1u);
    EXPECT_TRUE(anna->manages[0].answer.has_value());
    anna->manages.clear();
  }
  EXPECT_EQ(a_.exchange->open_calls(), 0u);
}

// Its client may have asked again elsewhere by now, and for other things since.
TEST_F(ExchangeTest, AnotherNodesChangeIsNotPassedOn) {
  b_leads();
  std::optional<Error> told;
  route(a_).post(ShardPositions{SetPositionsCommand{LayerId::trusted("cars"), {}, {{"m", 1}}},
                                [&](const Result<PositionsAnswer>& answer) { told = answer.error(); }});
  carry();
  auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  b_.exchange->leader_is(kShard, {kC, Term(3)});
  b_.exchange->given_back(kShard, std::move(asked[0]), 1);
  carry();
  EXPECT_TRUE(c_.take_requests().empty());
  ASSERT_TRUE(told);
  EXPECT_TRUE(refusals::is_leader_change(*told)) << told->to_string();
}

// What its client asked next may have gone to the new leader before the shard gave this one back.
TEST_F(ExchangeTest, AChangeThatComesBackFromAShardHereDoesNotFollowLaterOnes) {
  b_.exchange->leader_is(kShard, {kC, Term(3)});
  std::optional<Error> told;
  ShardPositions positions{SetPositionsCommand{LayerId::trusted("cars"), {}, {{"m", 1}}},
                           [&](const Result<PositionsAnswer>& answer) { told = answer.error(); }};
  b_.exchange->given_back(kShard, std::move(positions), 0);
  carry();
  EXPECT_TRUE(c_.take_requests().empty());
  ASSERT_TRUE(told);
  EXPECT_TRUE(refusals::is_leader_change(*told)) << told->to_string();
}

TEST_F(ExchangeTest, ANodeThatIsToldThatTheLeaderDoesNotLeadAsksWhoDoes) {
  b_leads();
  c_leads_and_a_does_not_know();
  a_changes_a_position();
  carry();
  auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  b_.exchange->given_back(kShard, std::move(asked[0]), 1);
  carry();
  expect_a_finds_c();
}

// Its session would ask the same node again and again until its deadline.
TEST_F(ExchangeTest, ANodeThatIsToldSoOfMailboxesItLooksAfterAsksWhoLeads) {
  b_leads();
  c_leads_and_a_does_not_know();
  const auto anna = session(a_, 70);
  route(a_).post(ShardManage{anna, 5, DevicesRequest{UserId::trusted("anna")}});
  carry();
  auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  b_.exchange->given_back(kShard, std::move(asked[0]), 1);
  carry();
  ASSERT_EQ(anna->manages.size(), 1u);
  ASSERT_FALSE(anna->manages[0].answer.has_value());
  EXPECT_TRUE(refusals::is_leader_change(anna->manages[0].answer.error()));
  expect_a_finds_c();
}

// Whoever does not lead passes a read on: a new leader that has not caught up says so, and all else need not wait.
TEST_F(ExchangeTest, ALeaderThatRefusesAReadIsBelievedToLeadStill) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1});
  carry();
  const auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  const auto& fetch = std::get<ShardFetch>(asked[0]);
  fetch.from->post(FetchAnswered{fetch.request, fail(refusals::not_leader())});
  carry();
  ASSERT_EQ(anna->fetches.size(), 1u);
  EXPECT_EQ(a_.exchange->leader(kShard).node, kB);
}

// The leader knows a session by its node and its number: with another node's it would keep a session that has ended.
TEST_F(ExchangeTest, AGoodbyeThatIsPassedOnIsOfItsSessionsNode) {
  b_leads();
  route(a_).post(ShardUnregister{70, UserId::trusted("anna"), tests::device("phone"), kA});
  carry();
  auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  EXPECT_EQ(std::get<ShardUnregister>(asked[0]).node, kA);
  b_.exchange->leader_is(kShard, {kC, Term(3)});
  b_.exchange->given_back(kShard, std::move(asked[0]), 1);
  carry();
  const auto passed_on = c_.take_requests();
  ASSERT_EQ(passed_on.size(), 1u);
  EXPECT_EQ(std::get<ShardUnregister>(passed_on[0]).node, kA);
}

TEST_F(ExchangeTest, AFullLinkIsAnOverloadedLeader) {
  b_leads();
  const auto anna = session(a_, 70);
  wires_.full = true;
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1});
  ASSERT_EQ(anna->fetches.size(), 1u);
  EXPECT_EQ(anna->fetches[0].batch.error().code, ErrorCode::kOverloaded);
  route(a_).post(ShardAttempts{nullptr, 0, {UserId::trusted("anna"), tests::device("phone"), {}}});  // nobody is told
  EXPECT_EQ(a_.exchange->open_calls(), 0u);
}

TEST_F(ExchangeTest, WithoutALinkTheCallWaitsForOne) {
  b_leads();
  const auto anna = session(a_, 70);
  wires_.up = false;
  route(a_).post(ShardFetch{anna, 5, UserId::trusted("anna"), {}, 1, 1});
  EXPECT_TRUE(anna->fetches.empty());
  wires_.up = true;
  a_.exchange->link_up(kB);
  carry();
  EXPECT_EQ(b_.take_requests().size(), 1u);
}

TEST_F(ExchangeTest, ANodeThatComesLaterIsToldWhoLeads) {
  b_.exchange->leader_is(kShard, {kB, Term(2)});
  wires_.frames.clear();
  b_.exchange->link_up(kA);
  carry();
  EXPECT_EQ(a_.exchange->leader(kShard).node, kB);
}

TEST_F(ExchangeTest, ASessionElsewhereExplainsToTheOneThatAsks) {
  b_leads();
  const auto asker = session(a_, 70);
  const auto asked = session(c_, 90);
  route(c_).post(ShardRegister{asked, 90, UserId::trusted("anna"), tests::device("phone"), true});
  carry();
  const auto port = std::get<ShardRegister>(b_.take_requests().at(0)).from;
  // The leader on B asks the session on C for the one on A.
  route(a_).post(ShardManage{asker, 5, DevicesRequest{UserId::trusted("anna")}});
  carry();
  const auto manage = b_.take_requests();
  port->post(SessionExplain{std::get<ShardManage>(manage.at(0)).from, 5, Sequence(1)});
  carry();
  ASSERT_EQ(asked->explains.size(), 1u);
  DeviceFate fate;
  fate.device = tests::device("phone");
  asked->explains[0].from->post(SessionExplained{5, std::move(fate)});
  carry();
  EXPECT_EQ(asker->explained.size(), 1u);
}

TEST_F(ExchangeTest, ALostLastPushIsMissedWhenTheLeaderNamesIt) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardRegister{anna, 70, UserId::trusted("anna"), tests::device("phone"), true});
  carry();
  const auto asked = b_.take_requests();
  std::get<ShardRegister>(asked.at(0)).from->post(MessagesEnded{{{Sequence(1), Sequence(1), LostReason::kExpired}}});
  wires_.frames.clear();
  b_.exchange->compared(kShard, kA, false);
  carry();
  EXPECT_EQ(a_.sessions->again, 0) << "all that is missed by then is told at the next tick";
  a_.exchange->tick();
  EXPECT_EQ(a_.sessions->again, 1);
  b_.exchange->compared(kShard, kA, false);
  carry();
  a_.exchange->tick();
  EXPECT_EQ(a_.sessions->again, 1) << "once";
}

TEST_F(ExchangeTest, APushBeforeTheOneThatComesIsMissed) {
  b_leads();
  const auto anna = session(a_, 70);
  route(a_).post(ShardRegister{anna, 70, UserId::trusted("anna"), tests::device("phone"), true});
  carry();
  const auto asked = b_.take_requests();
  const auto port = std::get<ShardRegister>(asked.at(0)).from;
  const MessagesEnded ended{{{Sequence(1), Sequence(1), LostReason::kExpired}}};
  port->post(ended);
  wires_.frames.clear();
  port->post(ended);
  carry();
  a_.exchange->tick();
  EXPECT_EQ(a_.sessions->again, 1);
}

TEST_F(ExchangeTest, RegistrationsAreComparedWithTheLeader) {
  b_leads();
  a_.sessions->registered.add(7);
  for (int second = 0; second < 3; ++second) a_.exchange->tick();
  carry();
  // Of the other shards nobody leads: they are asked after.
  const auto& frames = b_.replica_->frames;
  const auto compared = std::find_if(frames.begin(), frames.end(), [&](const FromPeer& frame) {
    return decode_registrations(*frame.body).value() == a_.sessions->registered;
  });
  EXPECT_NE(compared, frames.end());
}

// As by a time server that is wrong: the monotonic clock shows it, and nobody speaks against that.
TEST_F(ExchangeTest, ClocksThatAreSetTogetherDoNotConfirmEachOther) {
  const auto is_confirmed = [this] {
    for (int second = 0; second < 6; ++second) {
      clock_.advance(1'000);
      for (Node* node : {&a_, &b_, &c_}) node->exchange->tick();
      carry();
    }
    return a_.exchange->clocks()->is_confirmed(clock_.wall_ms(), clock_.monotonic_ms());
  };
  EXPECT_TRUE(is_confirmed());
  clock_.jump_wall(3'600'000);
  EXPECT_FALSE(is_confirmed());
  EXPECT_FALSE(a_.exchange->clocks()->is_in_doubt());
  clock_.jump_wall(-3'600'000);
  EXPECT_TRUE(is_confirmed());
}

// It takes its clock for right, and no longer knows that it was set.
TEST_F(ExchangeTest, ANodeThatIsStartedAgainDoesNotConfirmClocksThatWereSet) {
  clock_.jump_wall(3'600'000);
  Node third(kC, wires_, clock_);
  const auto is_confirmed_by = [this](std::initializer_list<Node*> started_again) {
    clock_.advance(1'000);
    for (Node* node : started_again) node->exchange->tick();
    a_.exchange->tick();
    carry();
    a_.exchange->tick();
    return a_.exchange->clocks()->is_confirmed(clock_.wall_ms(), clock_.monotonic_ms());
  };
  EXPECT_FALSE(is_confirmed_by({&third}));
  EXPECT_FALSE(a_.exchange->clocks()->is_in_doubt());
  Node second(kB, wires_, clock_);
  EXPECT_TRUE(is_confirmed_by({&third, &second})) << "most of all others";
}

TEST_F(ExchangeTest, ANodeThatIsCutOffSendsItsClientsAway) {
  wires_.up = false;
  for (int second = 0; second < 3; ++second) {
    a_.exchange->tick();
    clock_.advance(1'000);
  }
  EXPECT_EQ(a_.sessions->sent_away, 1);
}

TEST_F(ExchangeTest, TheLeaderForgetsTheSessionsOfANodeThatIsGone) {
  b_leads();
  wires_.up = false;
  b_.exchange->tick();
  clock_.advance(limits::kNodeGoneMs);
  for (int second = 0; second < 3; ++second) b_.exchange->tick();
  std::set<NodeId> gone;
  for (const FromPeer& frame : b_.replica_->frames) {
    ASSERT_EQ(frame.topic, cluster::PeerTopic::kCluster);
    EXPECT_EQ(decode_registrations(*frame.body).value(), RegistrationDigest());
    gone.insert(frame.from);
  }
  EXPECT_EQ(gone, (std::set<NodeId>{kA, kC}));
}

// It is in nobody's list any more, and so nobody would notice for how long it is gone.
TEST_F(ExchangeTest, TheLeaderForgetsTheSessionsOfANodeThatIsRemovedAtOnce) {
  b_leads();
  b_.exchange->set_nodes({kA});
  for (int second = 0; second < 9; ++second) b_.exchange->tick();
  ASSERT_EQ(b_.replica_->frames.size(), 1u);
  EXPECT_EQ(b_.replica_->frames[0].from, kC);
  EXPECT_EQ(decode_registrations(*b_.replica_->frames[0].body).value(), RegistrationDigest());
}

TEST_F(ExchangeTest, GarbageChangesNothingAndIsCounted) {
  b_leads();
  const auto garbage = std::make_shared<const std::string>("no message at all");
  std::array to_a{cluster::PeerFrame{cluster::PeerTopic::kAnswer, {}, garbage},
                  cluster::PeerFrame{cluster::PeerTopic::kPulses, storage::kMetaGroup, garbage}};
  std::array to_b{cluster::PeerFrame{cluster::PeerTopic::kCall, kShard, garbage}};
  a_.exchange->received(kB, to_a);
  b_.exchange->received(kA, to_b);
  EXPECT_TRUE(b_.take_requests().empty());
  std::array of_nobody{cluster::PeerFrame{cluster::PeerTopic::kRaft, ShardId(999), garbage}};
  b_.exchange->received(kA, of_nobody);
  EXPECT_EQ(a_.exchange->malformed(), 2u);
  EXPECT_EQ(b_.exchange->malformed(), 1u);
}

TEST_F(ExchangeTest, WhereMembersAreIsAskedOfTheLeaderAcrossNodes) {
  b_leads();
  std::optional<Result<WhereAnswer>> told;
  route(a_).post(ShardWhere{
      LayerId::trusted("people"), {"ada", "bea"}, [&](Result<WhereAnswer> answer) { told = std::move(answer); }});
  carry();
  const auto asked = b_.take_requests();
  ASSERT_EQ(asked.size(), 1u);
  const auto& where = std::get<ShardWhere>(asked[0]);
  EXPECT_EQ(where.members, (std::vector<std::string>{"ada", "bea"}));
  where.done(WhereAnswer{std::nullopt, Whereabouts{17, 5, true}});
  carry();
  ASSERT_TRUE(told.has_value() && told->has_value());
  EXPECT_EQ((*told)->at(1), (Whereabouts{17, 5, true}));
  EXPECT_EQ(a_.exchange->open_calls(), 0u);
}

}  // namespace
}  // namespace earshot::actors
