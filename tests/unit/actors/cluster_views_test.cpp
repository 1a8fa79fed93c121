#include "actors/cluster_views.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <caf/all.hpp>
#include <gtest/gtest.h>

#include "actors/interfaces.hpp"
#include "actors/node_system.hpp"
#include "actors/places.hpp"
#include "actors/question_actor.hpp"
#include "base/call_scope.hpp"
#include "base/clock.hpp"
#include "base/limits.hpp"
#include "base/random.hpp"
#include "places/layer.hpp"
#include "tests/support/client_eventually.hpp"
#include "tests/support/deaf_shard.hpp"
#include "tests/support/linked_view.hpp"
#include "tests/support/log_capture.hpp"
#include "tests/support/seed.hpp"

namespace earshot::actors {
namespace {

constexpr std::uint16_t kShards = 4;
constexpr std::size_t kNodes = 3;
const LayerId kPeople = LayerId::trusted("people");

double score_at(const geo::Point& point) { return static_cast<double>(geo::encode(point).value); }

// Whom other nodes hear of frames from, some of which get lost and some of which come twice.
class Network {
 public:
  struct Link final : cluster::Peers {
    Link(Network& of, NodeId self) : network(of), from(self) {}
    bool send(NodeId to, cluster::PeerFrame frame) override { return network.pass(from, to, std::move(frame)); }
    [[nodiscard]] bool is_up(NodeId node) const override { return network.is_linked(from, node); }
    void set_nodes(std::vector<cluster::PeerNode>) override {}
    Network& network;
    const NodeId from;
  };

  bool pass(NodeId from, NodeId to, cluster::PeerFrame frame) {
    std::shared_ptr<QuestionPort> port;
    int copies = 1;
    {
      const std::lock_guard lock(mutex_);
      if (gone_.contains(from) || gone_.contains(to)) return false;
      ++frames;
      if (random_.chance(loss)) copies = 0;
      if (random_.chance(loss)) ++copies;
      if (deaf_.contains(to)) copies = 0;
      port = ports[to];
    }
    for (; copies > 0; --copies) port->received(from, frame.body);
    return true;
  }
  [[nodiscard]] bool is_linked(NodeId from, NodeId to) const {
    const std::lock_guard lock(mutex_);
    return !gone_.contains(from) && !gone_.contains(to);
  }
  void cut_off(NodeId node) {
    {
      const std::lock_guard lock(mutex_);
      gone_.insert(node);
    }
    for (const auto& [id, port] : ports) port->link_changed(node);
  }
  // It is linked, and hears nothing.
  void deafen(NodeId node) {
    const std::lock_guard lock(mutex_);
    deaf_.insert(node);
  }

  std::map<NodeId, std::shared_ptr<QuestionPort>> ports;  // filled before anything is asked
  double loss = 0;
  std::atomic<std::size_t> frames{0};

 private:
  mutable std::mutex mutex_;
  std::set<NodeId> gone_;
  std::set<NodeId> deaf_;
  Random random_{tests::seed_of_test()};
};

// Knows where members are, as the leaders of shards do.
struct Truth final : tests::DeafShard {
  using DeafShard::post;
  void post(ShardWhere message) override {
    if (losses > 0) return --losses, message.done(fail(refusal));
    WhereAnswer answer;
    for (const std::string& member : message.members) {
      const auto found = members.find({message.layer, member});
      answer.push_back(found == members.end() ? std::nullopt : std::optional(found->second));
    }
    message.done(std::move(answer));
  }
  std::map<std::pair<LayerId, std::string>, Whereabouts> members;
  int losses = 0;
  Error refusal{ErrorCode::kUnavailable, "leader", "it has changed"};
};

// Nodes with real actors on real threads, each with the members of its regions. Node 1 is asked, and beside them a node
// that is alone.
class ClusterViewsTest : public testing::Test {
 protected:
  ClusterViewsTest() {
    std::vector<NodeId> ids;
    for (std::uint64_t id = 1; id <= kNodes; ++id) ids.emplace_back(id);
    const auto router = std::make_shared<const Router>(std::vector<std::shared_ptr<ShardInbox>>(kShards, truth));
    for (const NodeId id : ids) {
      auto& node = nodes.emplace_back();
      PlacesLimits counting;
      counting.clock = &clock;
      node.places = make_places(system, kShards, {100, 20}, counting);
      node.link = std::make_unique<Network::Link>(network, id);
      const auto feeds = std::make_shared<tests::LinkedView>(id, ids, *node.link, node.places);
      views_of.push_back(feeds);
      node.questions = spawn_questions(
          system, QuestionSetup{id, node.places, feeds, nullptr, node.link.get(), &clock,
                                std::make_shared<RemoteCallLog>(clock, limits::kSlowCallMs), node.gauge});
      node.port = std::make_shared<QuestionPort>(node.questions);
      node.views = std::make_shared<ClusterViews>(node.places, router, node.port, feeds, node.places->privacy_table());
      network.ports[id] = node.port;
    }
  }
  ~ClusterViewsTest() override {
    for (auto& node : nodes) {
      caf::anon_send(node.questions, StopWriter{});
      node.places->end();
    }
    alone->end();
    for (auto& node : nodes) {
      EXPECT_TRUE(node.places->layers().wait_until_gone(std::chrono::seconds(30)));
      EXPECT_TRUE(node.places->cells().wait_until_gone(std::chrono::seconds(30)));
    }
    EXPECT_TRUE(alone->layers().wait_until_gone(std::chrono::seconds(30)));
    EXPECT_TRUE(alone->cells().wait_until_gone(std::chrono::seconds(30)));
  }

  void move(const std::string& member, double score, const LayerId& layer = kPeople, bool is_hidden = false) {
    const ShardId shard = shard_of(layer, member, kShards);
    truth->members[{layer, member}] = {score, ++version, is_hidden};
    for (std::size_t i = 0; i < nodes.size(); ++i) tell(i, {layer, member, score, version, is_hidden});
    alone->moved(shard, {{layer, member, score, version, is_hidden}}, {});
  }
  // As a feed does.
  void tell(std::size_t node, cluster::Move move) {
    const ShardId shard = shard_of(move.layer, move.member, kShards);
    const auto cells = views_of[node]->cells();
    move.elsewhere =
        cells->owner(move.layer, cluster::Region(places::region_of_score(*move.score))) != NodeId(node + 1);
    nodes[node].places->moved(shard, {std::move(move)}, {});
  }
  void tell_all() {
    for (std::uint16_t n = 0; n < kShards; ++n) {
      for (auto& node : nodes) node.places->all_told(ShardId(n));
      alone->all_told(ShardId(n));
    }
  }
  // A crowd in some towns all over the Earth.
  void populate(Random& random, std::size_t count) {
    std::vector<geo::Point> towns;
    for (int i = 0; i < 12; ++i)
      towns.push_back({static_cast<double>(random.below(360)) - 180.0, static_cast<double>(random.below(160)) - 80.0});
    for (std::size_t i = 0; i < count; ++i) {
      const geo::Point& town = towns[random.below(towns.size())];
      move("m" + std::to_string(i),
           score_at({std::clamp(town.longitude + static_cast<double>(random.below(4'000)) / 1'000 - 2, -180.0, 180.0),
                     town.latitude + static_cast<double>(random.below(4'000)) / 1'000 - 2}));
    }
  }

  Result<NearbyAnswer> nearby(PlaceViews& views, NearbyQuestion question, const LayerId& layer = kPeople) {
    std::promise<Result<NearbyAnswer>> answered;
    question.done = [&answered](Result<NearbyAnswer> answer) { answered.set_value(std::move(answer)); };
    views.ask(layer, std::move(question));
    return answered.get_future().get();
  }
  static NearbyQuestion around(std::variant<geo::Point, std::string> centre, double radius_m,
                               geo::Pick pick = geo::Pick::kNearest, std::size_t count_max = 1'000) {
    NearbyQuestion question;
    question.centre = std::move(centre);
    question.area = [radius_m](const geo::Point& point) { return geo::Area::circle(point, radius_m, "radius"); };
    question.pick = pick;
    question.count_max = count_max;
    return question;
  }
  // Those equally far off by their names: a node that is alone has no order for them.
  static std::vector<std::string> names_of(const Result<NearbyAnswer>& answer) {
    std::vector<std::pair<double, std::string>> found;
    for (const auto& one : answer->found) found.emplace_back(one.distance_m, one.member->name());
    EXPECT_TRUE(std::ranges::is_sorted(found, {}, [](const auto& one) { return one.first; }) ||
                std::ranges::is_sorted(found, std::greater(), [](const auto& one) { return one.first; }));
    std::ranges::sort(found);
    std::vector<std::string> names;
    for (const auto& [distance, name] : found) names.push_back(name + "@" + std::to_string(distance));
    return names;
  }
  static std::optional<std::size_t> size_of(PlaceViews& views, const LayerId& layer = kPeople) {
    std::promise<std::optional<std::size_t>> told;
    views.ask(layer, SizeQuestion{[&](std::size_t size) { told.set_value(size); }, nullptr,
                                  [&](const Error&) { told.set_value(std::nullopt); }});
    return told.get_future().get();
  }
  static std::vector<std::string> range_of(PlaceViews& views, const places::MemberRange& range) {
    std::promise<std::vector<std::string>> told;
    views.ask(kPeople,
              RangeQuestion{range,
                            [&](const std::vector<places::ScoredMember>& members) {
                              std::vector<std::string> names;
                              for (const auto& one : members)
                                names.push_back(std::string(one.member->name()) + "=" + std::to_string(one.score));
                              told.set_value(std::move(names));
                            },
                            [&](const Error& error) { told.set_value({error.to_string()}); }});
    return told.get_future().get();
  }
  ClusterViews& views(std::size_t node = 0) { return *nodes[node].views; }

  struct Node {
    std::shared_ptr<Places> places;
    std::unique_ptr<Network::Link> link;
    caf::actor questions;
    std::shared_ptr<QuestionGauge> gauge = std::make_shared<QuestionGauge>();
    std::shared_ptr<QuestionPort> port;
    std::shared_ptr<ClusterViews> views;
  };

  SystemClock clock;
  SystemConfig config{2};
  caf::actor_system system{config};
  std::shared_ptr<Truth> truth = std::make_shared<Truth>();
  Network network;
  std::vector<Node> nodes;
  std::vector<std::shared_ptr<tests::LinkedView>> views_of;  // by node
  std::shared_ptr<Places> alone = make_places(system, kShards, {100, 20});
  std::uint64_t version = 0;
};

TEST_F(ClusterViewsTest, CirclesAreThoseOfANodeThatIsAlone) {
  tell_all();
  Random random(tests::seed_of_test());
  populate(random, 3'000);
  for (int round = 0; round < 150; ++round) {
    const std::string centre = "m" + std::to_string(random.below(3'000));
    const double radius_m = std::vector{1e3, 5e4, 4e5, 2e7}[random.below(4)];
    const auto pick = std::vector{geo::Pick::kAll, geo::Pick::kNearest, geo::Pick::kFarthest}[random.below(3)];
    const std::size_t count_max = pick == geo::Pick::kAll ? SIZE_MAX : 1 + random.below(50);
    const auto whole = nearby(*alone, around(centre, radius_m, pick, count_max));
    const auto found = nearby(views(random.below(kNodes)), around(centre, radius_m, pick, count_max));
    ASSERT_TRUE(found.has_value()) << found.error().to_string();
    EXPECT_FALSE(found->is_partial);
    ASSERT_EQ(names_of(found), names_of(whole)) << centre << " " << radius_m;
  }
}

TEST_F(ClusterViewsTest, OneMessageGoesToEachNodeThatHasSomeOfTheAnswer) {
  tell_all();
  move("ada", score_at({10, 50}));
  (void)nearby(views(), around(geo::Point{10, 50}, 100));
  EXPECT_LE(network.frames, 2u);  // one region: a question and an answer, or neither
  network.frames = 0;
  (void)nearby(views(), around(geo::Point{10, 50}, 2e7));
  EXPECT_EQ(network.frames, 2 * (kNodes - 1));
}

TEST_F(ClusterViewsTest, FramesThatGetLostOrComeTwiceChangeNothing) {
  tell_all();
  Random random(tests::seed_of_test());
  populate(random, 500);
  network.loss = 0.2;
  for (int round = 0; round < 20; ++round) {
    NearbyQuestion question = around("m" + std::to_string(random.below(500)), 2e7, geo::Pick::kNearest, 20);
    question.deadline_ms = 10'000;
    const auto whole = nearby(*alone, question);
    const auto found = nearby(views(), question);
    EXPECT_FALSE(found->is_partial);
    ASSERT_EQ(names_of(found), names_of(whole));
  }
}

TEST_F(ClusterViewsTest, ANodeThatHearsNothingMakesItPartial) {
  tell_all();
  Random random(tests::seed_of_test());
  populate(random, 300);
  network.deafen(NodeId(3));
  NearbyQuestion question = around(geo::Point{0, 0}, 3e7, geo::Pick::kAll, SIZE_MAX);
  question.deadline_ms = 300;
  tests::LogCapture lines;
  spdlog::default_logger()->set_level(spdlog::level::debug);
  const CallScope named({NodeId(1), RequestTag::Door::kSession, 57, 1203});
  const auto found = nearby(views(), question);
  EXPECT_NE(lines.take().find("n1.s57.c1203: not every node has told in time who is there"), std::string::npos);
  EXPECT_TRUE(found->is_partial);
  EXPECT_GT(found->found.size(), 0u);
  EXPECT_LT(found->found.size(), 300u);
  EXPECT_EQ(size_of(views()), std::nullopt);
}

TEST_F(ClusterViewsTest, WhoeverWatchesIsToldOfQuestionsAsLongAsTheyAreOpen) {
  tell_all();
  Random random(tests::seed_of_test());
  populate(random, 300);
  network.deafen(NodeId(3));
  NearbyQuestion question = around(geo::Point{0, 0}, 3e7, geo::Pick::kAll, SIZE_MAX);
  question.deadline_ms = 1'000;
  auto answer = std::async(std::launch::async, [&] { return nearby(views(), question); });
  const QuestionGauge& gauge = *nodes[0].gauge;
  EXPECT_TRUE(tests::eventually([&] { return gauge.open == 1 && gauge.bytes > 0; })) << "two nodes have answered";
  EXPECT_TRUE(answer.get()->is_partial);
  EXPECT_TRUE(tests::eventually([&] { return gauge.open == 0 && gauge.bytes == 0; }));
}

TEST_F(ClusterViewsTest, RegionsOfANodeThatIsGoneAreThoseOfOthers) {
  tell_all();
  Random random(tests::seed_of_test());
  populate(random, 300);
  network.cut_off(NodeId(3));
  for (const auto& [who, where] : truth->members)
    for (const std::size_t node : {0, 1})
      tell(node, {who.first, who.second, where.score, where.version, where.is_hidden});
  const auto found = nearby(views(), around(geo::Point{0, 0}, 3e7, geo::Pick::kAll, SIZE_MAX));
  EXPECT_FALSE(found->is_partial);
  EXPECT_EQ(found->found.size(), 300u);
  EXPECT_EQ(size_of(views()), 300u);
}

TEST_F(ClusterViewsTest, ANodeThatDoesNotKnowOfAllYetIsWaitedForUntilTheDeadline) {
  move("ada", score_at({10, 50}));
  for (std::uint16_t n = 0; n < kShards; ++n) {
    nodes[0].places->all_told(ShardId(n));
    nodes[1].places->all_told(ShardId(n));
    if (n > 0) nodes[2].places->all_told(ShardId(n));
  }
  NearbyQuestion question = around(geo::Point{10, 50}, 2e7);
  question.deadline_ms = 300;
  EXPECT_TRUE(nearby(views(), question)->is_partial);
  question.deadline_ms = 10'000;
  auto later = std::async(std::launch::async, [&] { return nearby(views(), question); });
  nodes[2].places->all_told(ShardId(0));
  const auto found = later.get();
  EXPECT_FALSE(found->is_partial);
  EXPECT_EQ(found->found.size(), 1u);
}

TEST_F(ClusterViewsTest, ACentreThatIsNowhereIsToldApartFromALayerThatNobodyIsIn) {
  tell_all();
  EXPECT_EQ(nearby(views(), around("ada", 100)).error().field, "layer");
  move("bea", score_at({10, 50}));
  EXPECT_EQ(nearby(views(), around("ada", 100)).error().field, "member");
  move("ada", 1e300);  // which is no place
  EXPECT_EQ(nearby(views(), around("ada", 100)).error().field, "member");
}

TEST_F(ClusterViewsTest, UsersAreShownTheSameAsByANodeThatIsAlone) {
  tell_all();
  Random random(tests::seed_of_test());
  populate(random, 1'000);
  move("ghost", truth->members[{kPeople, "m1"}].score, kPeople, true);
  const auto sight =
      std::make_shared<const places::Sight>(UserId::trusted("m1"), kPeople, LayerPrivacy{200, 100, 0}, 7, nullptr);
  for (int round = 0; round < 30; ++round) {
    NearbyQuestion question = around(
        geo::decode(*places::place_of(truth->members[{kPeople, "m" + std::to_string(random.below(1'000))}].score)), 5e4,
        geo::Pick::kNearest, 1 + random.below(30));
    question.lens = sight;
    const auto whole = nearby(*alone, question);
    const auto found = nearby(views(), question);
    ASSERT_EQ(names_of(found), names_of(whole));
    for (std::size_t i = 0; i < whole->found.size(); ++i) EXPECT_EQ(found->found[i].place, whole->found[i].place);
  }
}

// Who changed it was answered before a node heard of it that had no lease.
TEST_F(ClusterViewsTest, WhatALayerShowsIsKnownToWhoeverIsToldOfItExactly) {
  const auto is_known = [this](std::uint32_t deadline_ms) {
    std::promise<bool> told;
    views().when_privacy_is_known(kPeople, deadline_ms, [&](bool is_known) { told.set_value(is_known); });
    return told.get_future().get();
  };
  EXPECT_FALSE(is_known(0));
  EXPECT_FALSE(is_known(20));
  std::promise<bool> late;
  views().when_privacy_is_known(kPeople, 60'000, [&](bool is_known) { late.set_value(is_known); });
  tell_all();
  EXPECT_TRUE(late.get_future().get());
  EXPECT_TRUE(is_known(0));
}

TEST_F(ClusterViewsTest, MembersAreSummedOverNodesEachOnce) {
  tell_all();
  EXPECT_EQ(size_of(views()), 0u);
  Random random(tests::seed_of_test());
  populate(random, 400);
  move("nowhere", -1);
  for (int i = 0; i < 200; ++i)
    move("m" + std::to_string(random.below(400)), score_at({static_cast<double>(random.below(300)) - 150, 10}));
  EXPECT_EQ(size_of(views()), 401u);
  EXPECT_EQ(size_of(views(2)), 401u);
}

TEST_F(ClusterViewsTest, RangesAreThoseOfANodeThatIsAlone) {
  tell_all();
  Random random(tests::seed_of_test());
  for (int i = 0; i < 9'000; ++i) move("m" + std::to_string(i), static_cast<double>(random.below(1ull << 50)));
  const auto index = [&] { return static_cast<std::int64_t>(random.below(20'000)) - 10'000; };
  for (int round = 0; round < 25; ++round) {
    places::MemberRange range;
    range.first = index();
    range.last = index();
    if (random.chance(0.2)) range.first = 0, range.last = -1;
    range.reversed = random.chance(0.5);
    if (random.chance(0.5)) range.count_max = random.below(200);
    if (random.chance(0.5)) range.bounds.emplace().score_min = static_cast<double>(random.below(1ull << 50));
    if (random.chance(0.3)) range.wants = [](double, std::string_view name) { return name.back() != '7'; };
    ASSERT_EQ(range_of(views(), range), range_of(*alone, range)) << range.first << " " << range.last;
  }
}

TEST_F(ClusterViewsTest, LayersAreThoseOfANodeThatIsAlone) {
  tell_all();
  Random random(tests::seed_of_test());
  for (int i = 0; i < 300; ++i)
    move("m", score_at({static_cast<double>(random.below(300)) - 150, 10}),
         LayerId::trusted("layer" + std::to_string(i % 150)));
  const auto found_by = [](PlaceViews& by, const std::string& after, std::size_t count_max) {
    std::promise<std::string> told;
    by.ask_layers({after, count_max, [](std::string_view name) { return name.back() != '3'; },
                   [&](FoundLayers found) {
                     std::string text = found.more ? "more " : "all ";
                     for (const auto& one : found.layers)
                       text += one.layer.text() + "=" + std::to_string(one.members) + " ";
                     told.set_value(text);
                   }});
    return told.get_future().get();
  };
  EXPECT_EQ(found_by(views(), "", 1'000), found_by(*alone, "", 1'000));
  EXPECT_EQ(found_by(views(), "layer2", 10), found_by(*alone, "layer2", 10));
  const auto scanned_by = [](PlaceViews& by) {
    std::set<std::string> names;
    std::uint64_t from = 0;
    do {
      std::promise<ScannedLayers> told;
      by.scan_layers({from, 20, [&](ScannedLayers scanned) { told.set_value(std::move(scanned)); }});
      const ScannedLayers scanned = told.get_future().get();
      for (const LayerId& layer : scanned.layers) EXPECT_TRUE(names.insert(layer.text()).second);
      from = scanned.next;
    } while (from != 0);
    return names;
  };
  EXPECT_EQ(scanned_by(views()), scanned_by(*alone));
  std::promise<std::size_t> count;
  views().count_layers([&](std::size_t layers) { count.set_value(layers); });
  EXPECT_EQ(count.get_future().get(), 150u);
}

TEST_F(ClusterViewsTest, SingleMembersAreAskedOfTheirShards) {
  tell_all();
  move("ada", 17), move("bea", 18, kPeople, true);
  const auto scores = [&](ScoresQuestion question) {
    std::promise<std::optional<Scores>> told;
    question.done = [&](Scores found) { told.set_value(std::move(found)); };
    question.failed = [&](const Error&) { told.set_value(std::nullopt); };
    views().ask(kPeople, std::move(question));
    return told.get_future().get();
  };
  const std::vector<std::string> names{"ada", "", "bea", "cy", std::string(limits::kMemberBytesMax + 1, 'x')};
  EXPECT_EQ(scores({names, nullptr}), (Scores{17, std::nullopt, 18, std::nullopt, std::nullopt}));
  EXPECT_EQ(scores({names, nullptr, [](const places::Member& one) { return !one.is_hidden(); }}),
            (Scores{17, std::nullopt, std::nullopt, std::nullopt, std::nullopt}));
  EXPECT_EQ(network.frames, 0u);
  // A leader that goes is followed by another one, who is asked the same.
  truth->losses = 1;
  EXPECT_TRUE(scores({{"ada"}, nullptr}).has_value());
  truth->losses = 1'000;
  EXPECT_EQ(scores({{"ada"}, nullptr}), std::nullopt);
}

TEST_F(ClusterViewsTest, KnowsThatThereMayBeLayersElsewhere) {
  EXPECT_FALSE(views().knows_all_layers());
  EXPECT_TRUE(alone->knows_all_layers());
}

}  // namespace
}  // namespace earshot::actors
