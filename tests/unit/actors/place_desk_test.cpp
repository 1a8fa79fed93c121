#include "actors/place_desk.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "tests/support/fake_places.hpp"

namespace earshot::actors {
namespace {

using cluster::PositionOutcome;
using tests::FakePlaces;

const LayerId kPeople = LayerId::trusted("people");
const LayerId kCars = LayerId::trusted("cars");

ShardId shard_in(const LayerId& layer, const std::string& member) {
  return shard_of(layer, member, FakePlaces::kShards);
}

class PlaceDeskTest : public testing::Test {
 protected:
  // What nobody has answered leads back to whom it was asked.
  ~PlaceDeskTest() override { places->forget_all(); }

  template <class T>
  PlaceDesk::Done<T> into(std::optional<Result<T>>& answer) {
    return [&answer](Result<T> given) {
      EXPECT_FALSE(answer) << "answered twice";
      answer.emplace(std::move(given));
    };
  }
  // What is said of items that are refused before anybody is told.
  Error refusal(std::vector<SetPositionsCommand::Item> items) {
    std::optional<Result<PlaceDesk::Outcomes>> answer;
    desk->set({kPeople, PositionCondition::kAlways, std::move(items)}, into(answer));
    EXPECT_EQ(places->changes(), 0u) << "all is checked before any of it is done";
    if (!answer || *answer) return {};
    return answer->error();
  }
  std::vector<FakePlaces::Change> changes() {
    std::vector<FakePlaces::Change> all;
    while (places->changes() > 0) all.push_back(places->next_change());
    return all;
  }
  static std::vector<std::string> names(std::size_t count) {
    std::vector<std::string> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back("member-" + std::to_string(i));
    return all;
  }
  static SetPositionsCommand set_of(const std::vector<std::string>& members) {
    SetPositionsCommand command{kPeople, PositionCondition::kIfNew, {}};
    for (std::size_t i = 0; i < members.size(); ++i) command.items.push_back({members[i], static_cast<double>(i), i});
    return command;
  }
  static std::vector<LayerId> layers_in(const FakePlaces::Change& change) {
    return std::get<ClearLayersCommand>(change.positions.command).layers;
  }
  // Of one shard.
  static std::vector<std::string> neighbours(std::size_t count) {
    std::vector<std::string> all;
    for (int i = 0; all.size() < count; ++i) {
      std::string name = "member-" + std::to_string(i);
      if (shard_in(kPeople, name) == ShardId(1)) all.push_back(std::move(name));
    }
    return all;
  }

  const std::shared_ptr<FakePlaces> places = std::make_shared<FakePlaces>();
  const std::shared_ptr<PlaceDesk> desk = places->desk();
  std::optional<Result<PlaceDesk::Outcomes>> outcomes;
  std::optional<Result<std::uint64_t>> number;
};

// ---- set

TEST_F(PlaceDeskTest, EachShardGetsItsOwnMembersAndOutcomesComeInTheOrderOfTheItems) {
  const auto members = names(100);
  desk->set(set_of(members), into(outcomes));
  auto parts = changes();
  ASSERT_EQ(parts.size(), FakePlaces::kShards);
  std::ranges::reverse(parts);
  std::size_t told = 0;
  for (const auto& part : parts) {
    EXPECT_FALSE(outcomes) << "all of them have to answer";
    EXPECT_EQ(part.set().layer, kPeople);
    EXPECT_EQ(part.set().condition, PositionCondition::kIfNew);
    PositionsAnswer answer;
    for (const auto& item : part.set().items) {
      EXPECT_EQ(shard_in(kPeople, item.member), part.shard);
      EXPECT_EQ(item.member, members[item.ttl_ms]);
      EXPECT_EQ(item.score, static_cast<double>(item.ttl_ms));
      answer.outcomes.push_back(static_cast<PositionOutcome>(item.ttl_ms % 4));
      ++told;
    }
    part.answer(std::move(answer));
  }
  EXPECT_EQ(told, members.size());
  ASSERT_TRUE(outcomes && *outcomes);
  ASSERT_EQ((*outcomes)->size(), members.size());
  for (std::size_t i = 0; i < members.size(); ++i) EXPECT_EQ((**outcomes)[i], static_cast<PositionOutcome>(i % 4)) << i;
}

TEST_F(PlaceDeskTest, AMemberThatStandsTwiceIsTakenInItsOrder) {
  desk->set(set_of({"ada", "bea", "ada"}), into(outcomes));
  for (const auto& part : changes()) {
    std::vector<double> scores;
    PositionsAnswer answer;
    for (const auto& item : part.set().items) {
      if (item.member == "ada") scores.push_back(item.score);
      answer.outcomes.push_back(item.score == 2 ? PositionOutcome::kChanged : PositionOutcome::kAdded);
    }
    const bool is_adas = part.shard == shard_in(kPeople, "ada");
    EXPECT_EQ(scores, is_adas ? std::vector<double>({0, 2}) : std::vector<double>());
    part.answer(std::move(answer));
  }
  EXPECT_EQ(**outcomes,
            (PlaceDesk::Outcomes{PositionOutcome::kAdded, PositionOutcome::kAdded, PositionOutcome::kChanged}));
}

TEST_F(PlaceDeskTest, OneCommandToAShardHoldsAsManyAsTheLimitAndOneMoreMakesAnother) {
  const auto members = neighbours(limits::kPositionsPerCommandMax + 1);
  desk->set(set_of({members.begin(), members.end() - 1}), into(outcomes));
  auto parts = changes();
  ASSERT_EQ(parts.size(), 1u);
  parts[0].done();
  outcomes.reset();
  desk->set(set_of(members), into(outcomes));
  parts = changes();
  ASSERT_EQ(parts.size(), 2u);
  EXPECT_EQ(parts[0].set().items.size(), limits::kPositionsPerCommandMax);
  EXPECT_EQ(parts[1].set().items.front().member, members.back()) << "in their order";
  parts[1].answer({{PositionOutcome::kSkipped}, 0});
  parts[0].done();
  ASSERT_EQ((*outcomes)->size(), members.size());
  EXPECT_EQ((**outcomes).back(), PositionOutcome::kSkipped);
  EXPECT_EQ((**outcomes).front(), PositionOutcome::kAdded);
}

TEST_F(PlaceDeskTest, TheFirstFailureIsTheAnswerWhenAllHaveAnswered) {
  desk->set(set_of(names(100)), into(outcomes));
  const auto parts = changes();
  parts[0].done();
  parts[2].fail({ErrorCode::kStorageFull, "disk", "is full", 0});
  parts[1].fail({ErrorCode::kOverloaded, "", "later", 0});
  EXPECT_FALSE(outcomes);
  parts[3].done();
  ASSERT_TRUE(outcomes);
  EXPECT_EQ(outcomes->error().code, ErrorCode::kStorageFull);
}

TEST_F(PlaceDeskTest, OneAloneFailsAndSucceedsLikeMany) {
  desk->set(set_of({"ada"}), into(outcomes));
  const auto part = places->next_change();
  EXPECT_EQ(part.shard, shard_in(kPeople, "ada"));
  part.fail({ErrorCode::kOverloaded, "", "later", 0});
  EXPECT_EQ(outcomes->error().code, ErrorCode::kOverloaded);
  outcomes.reset();
  desk->set(set_of({"ada"}), into(outcomes));
  places->next_change().done();
  EXPECT_EQ(**outcomes, PlaceDesk::Outcomes{PositionOutcome::kAdded});
}

TEST_F(PlaceDeskTest, AShardThatAnswersForAnotherNumberIsNotBelieved) {
  const std::vector<PositionOutcome> two(2, PositionOutcome::kAdded);
  desk->set(set_of({"ada"}), into(outcomes));
  places->next_change().answer({two});
  EXPECT_EQ(outcomes->error().code, ErrorCode::kInternal);
  outcomes.reset();
  desk->set(set_of(names(100)), into(outcomes));
  for (const auto& part : changes()) part.answer({});
  EXPECT_EQ(outcomes->error().code, ErrorCode::kInternal);
  desk->clear_layers({kPeople, kCars}, into(number));
  for (const auto& part : changes()) part.answer({{}, 0, {1}});
  EXPECT_EQ(number->error().code, ErrorCode::kInternal);
}

TEST_F(PlaceDeskTest, NothingToSetIsDoneAtOnce) {
  desk->set({kPeople, PositionCondition::kAlways, {}}, into(outcomes));
  ASSERT_TRUE(outcomes && *outcomes);
  EXPECT_TRUE((*outcomes)->empty());
}

TEST_F(PlaceDeskTest, MembersPassAtTheirLimitsAndNotBeyond) {
  const std::string longest(limits::kMemberBytesMax, 'x');
  EXPECT_EQ(refusal({{"ada", 1, 0}, {"", 1, 0}}).field, "member");
  EXPECT_EQ(refusal({{"ada", 1, 0}, {"", 1, 0}}).code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(refusal({{longest + "x", 1, 0}}).code, ErrorCode::kTooLarge);
  EXPECT_EQ(refusal({{longest + "x", 1, 0}}).field, "member");
  EXPECT_EQ(refusal({{"ada", 1, 0}, {"bea", std::nan(""), 0}}).field, "score");
  EXPECT_EQ(refusal({{"ada", 1, limits::kTtlMsMax + 1}, {"bea", 1, 0}}).field, "ttl");
  desk->set({kPeople, PositionCondition::kAlways, {{longest, HUGE_VAL, limits::kTtlMsMax}}}, into(outcomes));
  EXPECT_EQ(places->next_change().set().items.front().member, longest);
}

TEST_F(PlaceDeskTest, ANegativeZeroIsZeroForOneAndForMany) {
  desk->set({kPeople, PositionCondition::kAlways, {{"ada", -0.0, 0}}}, into(outcomes));
  std::optional<Result<PlaceDesk::Outcomes>> more;
  desk->set({kPeople, PositionCondition::kAlways, {{"ada", -0.0, 0}, {"bea", -0.0, 0}, {"cy", -1, 0}}}, into(more));
  for (const auto& part : changes()) {
    for (const auto& item : part.set().items) EXPECT_EQ(std::signbit(item.score), item.member == "cy") << item.member;
  }
}

// ---- clear

TEST_F(PlaceDeskTest, ClearingAddsUpWhoHadAPosition) {
  desk->clear({kPeople, names(100)}, into(number));
  const auto parts = changes();
  ASSERT_EQ(parts.size(), FakePlaces::kShards);
  for (const auto& part : parts) {
    const auto& command = std::get<ClearPositionsCommand>(part.positions.command);
    for (const auto& member : command.members) EXPECT_EQ(shard_in(kPeople, member), part.shard);
    EXPECT_FALSE(number);
    part.done();
  }
  EXPECT_EQ(number->value(), 100u);
}

TEST_F(PlaceDeskTest, ClearingMoreThanFitOneCommandTakesSeveral) {
  desk->clear({kPeople, neighbours(2 * limits::kPositionsPerCommandMax + 1)}, into(number));
  const auto parts = changes();
  ASSERT_EQ(parts.size(), 3u);
  for (const auto& part : parts) {
    EXPECT_LE(std::get<ClearPositionsCommand>(part.positions.command).members.size(), limits::kPositionsPerCommandMax);
    part.done();
  }
  EXPECT_EQ(number->value(), 2 * limits::kPositionsPerCommandMax + 1);
}

TEST_F(PlaceDeskTest, WhatCannotBeAMembersNameHasNoPosition) {
  desk->clear({kPeople, {"", std::string(limits::kMemberBytesMax + 1, 'x')}}, into(number));
  EXPECT_EQ(places->changes(), 0u);
  EXPECT_EQ(number->value(), 0u);
  number.reset();
  desk->clear({kPeople, {"", "ada"}}, into(number));
  places->next_change().done();
  EXPECT_EQ(number->value(), 1u);
}

// An entry of a shard's log that names none cannot be read, and stops the node.
TEST_F(PlaceDeskTest, WhereALayerHasNoNameNobodyIsAndNoShardIsTold) {
  desk->clear({LayerId(), {"ada"}}, into(number));
  EXPECT_EQ(places->changes(), 0u);
  ASSERT_TRUE(number);
  EXPECT_EQ(number->value(), 0u);
  number.reset();
  desk->clear_layers({LayerId()}, into(number));
  EXPECT_EQ(places->changes(), 0u);
  ASSERT_TRUE(number);
  EXPECT_EQ(number->value(), 0u);
  number.reset();
  desk->clear_layers({LayerId(), kPeople}, into(number));
  for (const auto& part : changes()) part.done();
  EXPECT_EQ(number->value(), 1u);
  desk->set({LayerId(), PositionCondition::kAlways, {{"ada", 1, 0}}}, into(outcomes));
  EXPECT_EQ(places->changes(), 0u);
  ASSERT_TRUE(outcomes);
  EXPECT_EQ(outcomes->error().field, "layer");
}

TEST_F(PlaceDeskTest, LayersThatSomebodyWasInAreCountedOnce) {
  desk->clear_layers({kPeople, kCars, kPeople}, into(number));
  const auto parts = changes();
  ASSERT_EQ(parts.size(), FakePlaces::kShards);
  for (const auto& part : parts) {
    EXPECT_FALSE(number);
    EXPECT_EQ(layers_in(part), (std::vector{kCars, kPeople}));
    // Of people, two shards have members; of cars, none.
    part.answer({{}, 0, {0, part.shard.value < 2 ? 7u : 0u}});
  }
  EXPECT_EQ(number->value(), 1u);
  number.reset();
  desk->clear_layers({}, into(number));
  EXPECT_EQ(number->value(), 0u);
}

TEST_F(PlaceDeskTest, ManyLayersAreClearedStepByStepAndOnlyThoseThatThereAre) {
  std::vector<LayerId> layers;
  for (std::size_t i = 0; i < 3 * limits::kLayersPerCommandMax; ++i) {
    layers.push_back(LayerId::trusted("layer-" + std::to_string(i)));
    if (i % 2 == 0) places->forget_layer(layers.back());
  }
  desk->clear_layers(layers, into(number));
  std::set<LayerId> told;
  for (int step = 0; step < 2; ++step) {
    EXPECT_FALSE(number);
    const auto parts = changes();
    ASSERT_EQ(parts.size(), FakePlaces::kShards) << "one command to each shard at a time";
    const auto cleared = layers_in(parts.front());
    EXPECT_LE(cleared.size(), limits::kLayersPerCommandMax);
    told.insert(cleared.begin(), cleared.end());
    for (const auto& part : parts) part.done();
  }
  EXPECT_EQ(told.size(), layers.size() / 2);
  EXPECT_FALSE(told.contains(layers[0]));
  EXPECT_EQ(number->value(), layers.size() / 2);

  number.reset();
  layers.resize(limits::kLayersPerCommandMax);
  desk->clear_layers(layers, into(number));
  EXPECT_EQ(layers_in(places->next_change()).size(), layers.size()) << "who is not answered may be in them";
  changes();
  number.reset();
  places->set_complete(false);
  layers.push_back(LayerId::trusted("one more"));
  desk->clear_layers(layers, into(number));
  EXPECT_EQ(layers_in(places->next_change()).size(), limits::kLayersPerCommandMax) << "and who is not known";
}

TEST_F(PlaceDeskTest, AFailedStepIsTheLast) {
  std::vector<LayerId> layers;
  for (std::size_t i = 0; i <= limits::kLayersPerCommandMax; ++i)
    layers.push_back(LayerId::trusted("layer-" + std::to_string(i)));
  desk->clear_layers(layers, into(number));
  for (const auto& part : changes()) part.fail({ErrorCode::kStorageFull, "", "later", 0});
  EXPECT_EQ(places->changes(), 0u);
  EXPECT_EQ(number->error().code, ErrorCode::kStorageFull);
}

TEST_F(PlaceDeskTest, ClearingAllIsOfTheLayersThatThereArePageByPage) {
  desk->clear_all(into(number));
  places->next_question().answer<LayersQuestion>(FoundLayers{{{kCars, 1}, {kPeople, 3}}, true});
  auto parts = changes();
  ASSERT_EQ(parts.size(), FakePlaces::kShards);
  EXPECT_EQ(layers_in(parts.front()), (std::vector{kCars, kPeople}));
  for (const auto& part : parts) part.done();
  const auto second = places->next_question();
  EXPECT_EQ(std::get<LayersQuestion>(second.any).after, "people");
  second.answer<LayersQuestion>(FoundLayers{{{LayerId::trusted("trams"), 1}}, false});
  for (const auto& part : changes()) part.done();
  EXPECT_EQ(number->value(), 3u);
}

TEST_F(PlaceDeskTest, ALayerThatIsBehindIsWaitedForBeforeTheAnswer) {
  for (const std::vector<std::string>& members : {std::vector<std::string>{"ada"}, names(20)}) {
    outcomes.reset();
    places->permit(LayerPermit{nullptr, true});
    desk->set(set_of(members), into(outcomes));
    places->permit(LayerPermit());
    EXPECT_EQ(places->questions(), 0u) << "the shards are told at once, in the order of the calls";
    for (const auto& part : changes()) part.done();
    EXPECT_FALSE(outcomes);
    const auto behind = places->next_question();
    EXPECT_EQ(behind.layer, kPeople);
    behind.answer<SizeQuestion>(1);
    ASSERT_TRUE(outcomes && *outcomes);
    EXPECT_EQ((*outcomes)->size(), members.size());
  }
  desk->set(set_of({"ada"}), into(outcomes = std::nullopt));
  for (const auto& part : changes()) part.done();
  EXPECT_TRUE(outcomes);
}

TEST_F(PlaceDeskTest, WithoutAPermitNothingIsSetAndItIsKeptUntilTheAnswer) {
  places->permit(fail(ErrorCode::kOverloaded, "layer", "too many"));
  desk->set({kPeople, PositionCondition::kAlways, {{"ada", 1, 0}}}, into(outcomes));
  EXPECT_EQ(places->changes(), 0u);
  EXPECT_EQ(outcomes->error().code, ErrorCode::kOverloaded);
  for (const std::vector<std::string>& members : {std::vector<std::string>{"ada"}, names(20)}) {
    outcomes.reset();
    auto permit = std::make_shared<int>();
    places->permit(LayerPermit{permit});
    desk->set(set_of(members), into(outcomes));
    places->permit(LayerPermit());
    EXPECT_GT(permit.use_count(), 1);
    for (const auto& part : changes()) part.done();
    EXPECT_TRUE(outcomes && *outcomes);
    EXPECT_EQ(permit.use_count(), 1);
  }
}

TEST_F(PlaceDeskTest, SizesComeInTheOrderOfTheLayers) {
  std::optional<Result<std::vector<std::uint64_t>>> sizes;
  desk->count({kPeople, kCars, kPeople}, into(sizes));
  std::vector<FakePlaces::Question> asked;
  while (places->questions() > 0) asked.push_back(places->next_question());
  ASSERT_EQ(asked.size(), 3u);
  for (std::size_t i = 3; i-- > 0;) asked[i].answer<SizeQuestion>(i);
  EXPECT_EQ(**sizes, (std::vector<std::uint64_t>{0, 1, 2}));
}

// ---- store

class PlaceDeskStore : public PlaceDeskTest {
 protected:
  void store() {
    NearbyQuestion question;
    question.centre = geo::Point{1, 2};
    desk->store(
        kPeople, std::move(question), kCars, [](const places::FoundMember& one) { return one.distance_m; },
        into(number));
    const auto asked = places->next_question();
    EXPECT_EQ(asked.layer, kPeople);
    done = std::get<NearbyQuestion>(asked.any).done;
  }
  // In the target, but for those who come.
  void tell_who_is_there(const std::vector<std::string>& members) {
    const auto asked = places->next_question();
    EXPECT_EQ(asked.layer, kCars);
    std::vector<places::ScoredMember> there;
    for (const std::string& member : members) there.push_back({places::Member::make(member), 1});
    std::get<RangeQuestion>(asked.any).done(std::move(there));
  }
  std::function<void(Result<NearbyAnswer>)> done;
};

TEST_F(PlaceDeskStore, WhoIsThereGoesWhenThoseWhoComeAreThere) {
  store();
  NearbyAnswer answer;
  for (int i = 0; i < 50; ++i)
    answer.found.push_back({places::Member::make("member-" + std::to_string(i)), {}, 1.0 * i});
  done(std::move(answer));
  tell_who_is_there({"gone-1", "gone-2"});
  std::size_t told = 0;
  for (const auto& part : changes()) {
    EXPECT_FALSE(number);
    EXPECT_EQ(part.set().layer, kCars);
    EXPECT_EQ(part.set().condition, PositionCondition::kAlways);
    for (const auto& item : part.set().items) {
      EXPECT_EQ(item.member, "member-" + std::to_string(static_cast<int>(item.score)));
      EXPECT_EQ(shard_in(kCars, item.member), part.shard);
      ++told;
    }
    part.done();
  }
  EXPECT_EQ(told, 50u);
  std::set<std::string> gone;
  for (const auto& part : changes()) {
    EXPECT_FALSE(number);
    const auto& clear = std::get<ClearPositionsCommand>(part.positions.command);
    EXPECT_EQ(clear.layer, kCars);
    gone.insert(clear.members.begin(), clear.members.end());
    part.done();
  }
  EXPECT_EQ(gone, (std::set<std::string>{"gone-1", "gone-2"}));
  EXPECT_EQ(number->value(), 50u);
}

TEST_F(PlaceDeskStore, WhereNobodyIsFoundTheTargetIsCleared) {
  const auto is_cleared = [&](Result<NearbyAnswer> answer) {
    number.reset();
    store();
    done(std::move(answer));
    const auto parts = changes();
    EXPECT_EQ(parts.size(), FakePlaces::kShards);
    for (const auto& part : parts) {
      EXPECT_TRUE(part.is_clear());
      part.done();
    }
    EXPECT_EQ(number->value(), 0u);
  };
  is_cleared(NearbyAnswer{});
  is_cleared(fail(ErrorCode::kNotFound, "layer", "nobody is in it"));
}

TEST_F(PlaceDeskStore, AroundAMemberThatIsNowhereNothingIsDone) {
  store();
  done(fail(ErrorCode::kNotFound, "member", "is nowhere"));
  EXPECT_EQ(places->changes(), 0u);
  EXPECT_EQ(number->error().field, "member");
}

TEST_F(PlaceDeskStore, WhereNobodyCanComeNobodyGoes) {
  store();
  done(NearbyAnswer{{{places::Member::make("ada"), {}, 1}}});
  tell_who_is_there({"bea"});
  for (const auto& part : changes()) part.fail({ErrorCode::kStorageFull, "", "later", 0});
  EXPECT_EQ(places->changes(), 0u);
  EXPECT_EQ(number->error().code, ErrorCode::kStorageFull);
}

TEST_F(PlaceDeskStore, AFailureOfTheLastStepIsTheAnswer) {
  store();
  done(NearbyAnswer{{{places::Member::make("ada"), {}, 1}}});
  tell_who_is_there({"bea"});
  for (const auto& part : changes()) part.done();
  for (const auto& part : changes()) part.fail({ErrorCode::kOverloaded, "", "later", 0});
  EXPECT_EQ(number->error().code, ErrorCode::kOverloaded);
}

TEST_F(PlaceDeskStore, AsManyMayLeaveAsTheLimitAndOneMoreIsRefusedBeforeAnybodyComes) {
  const auto tell_of = [&](std::size_t members) {
    number.reset();
    store();
    done(NearbyAnswer{{{places::Member::make("ada"), {}, 1}}});
    const auto asked = places->next_question();
    EXPECT_GT(std::get<RangeQuestion>(asked.any).range.count_max, limits::kNearbyMembersMax);
    EXPECT_LE(std::get<RangeQuestion>(asked.any).range.count_max, limits::kNearbyMembersMax + 1) << "nor more memory";
    asked.answer<RangeQuestion>(std::vector(members, places::ScoredMember{places::Member::make("bea"), 1}));
  };
  tell_of(limits::kNearbyMembersMax + 1);
  EXPECT_EQ(places->changes(), 0u);
  ASSERT_TRUE(number);
  EXPECT_EQ(number->error().code, ErrorCode::kTooLarge);
  tell_of(limits::kNearbyMembersMax);
  EXPECT_EQ(places->changes(), 1u);
}

TEST_F(PlaceDeskStore, WhoLeavesDoesSoStepByStep) {
  store();
  done(NearbyAnswer{{{places::Member::make("ada"), {}, 1}}});
  tell_who_is_there(names(2 * limits::kStoreStepMax + 1));
  for (const auto& part : changes()) part.done();
  std::vector<std::size_t> steps;
  while (places->changes() > 0) {
    steps.push_back(0);
    for (const auto& part : changes())
      steps.back() += std::get<ClearPositionsCommand>(part.positions.command).members.size(), part.done();
  }
  EXPECT_EQ(steps, (std::vector<std::size_t>{limits::kStoreStepMax, limits::kStoreStepMax, 1}));
  EXPECT_EQ(number->value(), 1u);
}

TEST_F(PlaceDeskStore, AsManyAsAQueryMayFindAreStoredAndOneMoreIsRefused) {
  const auto answer = [](std::size_t members) {
    NearbyAnswer answer;
    answer.found.assign(members, {places::Member::make("ada"), {}, 1});
    return answer;
  };
  store();
  done(answer(limits::kNearbyMembersMax));
  tell_who_is_there({});
  while (places->changes() > 0) {
    std::size_t members = 0;
    for (const auto& part : changes()) members += part.set().items.size(), part.done();
    EXPECT_LE(members, limits::kStoreStepMax) << "at a time";
  }
  EXPECT_EQ(number->value(), limits::kNearbyMembersMax);
  number.reset();
  store();
  done(answer(limits::kNearbyMembersMax + 1));
  EXPECT_EQ(places->changes(), 0u) << "nobody is left out in silence";
  ASSERT_TRUE(number);
  EXPECT_EQ(number->error().code, ErrorCode::kTooLarge);
}

}  // namespace
}  // namespace earshot::actors
