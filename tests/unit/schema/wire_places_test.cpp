#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <capnp/message.h>
#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "schema/places.hpp"
#include "schema/wire.hpp"
#include "tests/unit/schema/random_values.hpp"
#include "tests/unit/schema/wire_through.hpp"

namespace earshot::tests {
namespace {

using Session = schema::Session;

const LayerId kPeople = LayerId::trusted(kDefaultLayer);
const LayerId kTaxis = LayerId::trusted("taxis");
const geo::Point kBeijing{116.4, 39.9};
const double kNan = std::numeric_limits<double>::quiet_NaN();
const double kInfinity = std::numeric_limits<double>::infinity();

SetPositionsRequest some_positions() {
  return {kTaxis, {{"7", kBeijing, 60'000}, {"", {-180, -85.05112878}, 0, true}}, PositionCondition::kIfNew};
}
NearbyRequest some_question() {
  NearbyRequest request;
  request.layer = kTaxis;
  request.centre = kBeijing;
  request.area = Circle{5000};
  request.count = 5;
  request.any = true;
  request.order = NearbyOrder::kFarthestFirst;
  request.with_distance = request.with_point = request.with_geohash = true;
  request.deadline_ms = 250;
  return request;
}

TEST(WirePlaces, RequestsComeBackWhole) {
  EXPECT_EQ(through<Session::SetPositionsParams>(some_positions()).value(), some_positions());
  const ClearPositionsRequest clear{kTaxis, {"7", "", std::string("\xff\0", 2)}};
  EXPECT_EQ(through<Session::ClearPositionsParams>(clear).value(), clear) << "what is no text is nowhere";
  EXPECT_EQ(through<Session::ClearLayerParams>(ClearLayerRequest{kTaxis}).value(), ClearLayerRequest{kTaxis});
  EXPECT_EQ(through<Session::NearbyParams>(some_question()).value(), some_question());
  NearbyRequest box;
  box.layer = kPeople;
  box.centre = std::string("bob");
  box.area = Box{3000, 2000};
  EXPECT_EQ(through<Session::NearbyParams>(box).value(), box);
  const PositionsRequest positions{kTaxis, {"7", "8"}};
  EXPECT_EQ(through<Session::PositionsParams>(positions).value(), positions);
  const DistanceRequest distance{kTaxis, "7", ""};
  EXPECT_EQ(through<Session::DistanceParams>(distance).value(), distance);
  EXPECT_EQ(through<Session::LayersParams>(LayersRequest{"m"}).value(), LayersRequest{"m"});
}

TEST(WirePlaces, NoLayerMeansTheDefaultOne) {
  EXPECT_EQ(through<Session::SetPositionsParams>(SetPositionsRequest{}).value().layer, kPeople);
  EXPECT_EQ(through<Session::ClearPositionsParams>(ClearPositionsRequest{}).value().layer, kPeople);
  EXPECT_EQ(through<Session::ClearLayerParams>(ClearLayerRequest{}).value().layer, kPeople);
  EXPECT_EQ(through<Session::NearbyParams>(NearbyRequest{}).value().layer, kPeople);
  EXPECT_EQ(through<Session::PositionsParams>(PositionsRequest{}).value().layer, kPeople);
  EXPECT_EQ(through<Session::DistanceParams>(DistanceRequest{}).value().layer, kPeople);
}

TEST(WirePlaces, ChangesNameTheItemAndTheFieldAtFault) {
  using Params = Session::SetPositionsParams;
  const auto tell = [](const std::function<void(Params::Builder)>& breaks,
                       ErrorCode code = ErrorCode::kInvalidArgument) {
    return refused(through<Params>(some_positions(), breaks), code);
  };
  const std::string long_member(limits::kMemberBytesMax + 1, 'x');
  EXPECT_EQ(tell([](auto p) { p.setLayer("\n"); }), "layer");
  EXPECT_EQ(tell([](auto p) { p.setLayer(std::string(129, 'x').c_str()); }), "layer");
  EXPECT_EQ(tell([&](auto p) { p.getItems()[1].setMember(long_member.c_str()); }, ErrorCode::kTooLarge),
            "items[1].member");
  EXPECT_EQ(tell([](auto p) { p.getItems()[0].disownPoint(); }), "items[0].point");
  for (const double wrong : {180.1, -180.1, kNan, kInfinity})
    EXPECT_EQ(tell([&](auto p) { p.getItems()[1].getPoint().setLongitude(wrong); }), "items[1].point.longitude");
  for (const double wrong : {85.06, -90.0, kNan, -kInfinity})
    EXPECT_EQ(tell([&](auto p) { p.getItems()[1].getPoint().setLatitude(wrong); }), "items[1].point.latitude");
  EXPECT_EQ(tell([](auto p) { p.getItems()[1].setTtlMs(limits::kTtlMsMax + 1); }), "items[1].ttlMs");
  EXPECT_EQ(tell([](auto p) { p.setCondition(static_cast<schema::SetCondition>(3)); }), "condition");
  EXPECT_EQ(tell([](auto p) { p.setAccepted(true); }), "accepted") << "there is a condition";
  SetPositionsRequest edge = some_positions();
  edge.condition = PositionCondition::kAlways;
  edge.accepted = true;
  edge.items[0].member = std::string(limits::kMemberBytesMax, 'x');
  edge.items[0].ttl_ms = limits::kTtlMsMax;
  edge.items[0].point = {180, 85.05112878};
  EXPECT_EQ(through<Params>(edge).value(), edge);

  using Clear = Session::ClearPositionsParams;
  const ClearPositionsRequest clear{kTaxis, {"7"}};
  EXPECT_EQ(
      refused(through<Clear>(clear, [&](auto p) { p.getMembers().set(0, long_member.c_str()); }), ErrorCode::kTooLarge),
      "members");
  EXPECT_EQ(refused(through<Session::ClearLayerParams>(ClearLayerRequest{}, [](auto p) { p.setLayer("\t"); })),
            "layer");
}

TEST(WirePlaces, QuestionsNameTheFieldAtFault) {
  using Params = Session::NearbyParams;
  const auto tell = [](const std::function<void(schema::NearbyRequest::Builder)>& breaks,
                       ErrorCode code = ErrorCode::kInvalidArgument) {
    return refused(through<Params>(some_question(), [&](auto p) { breaks(p.getRequest()); }), code);
  };
  const std::string long_member(limits::kMemberBytesMax + 1, 'x');
  EXPECT_EQ(tell([](auto r) { r.setLayer("\n"); }), "layer");
  EXPECT_EQ(tell([](auto r) { r.getCentre().disownPoint(); }), "centre.point") << "(0, 0) is not what nobody said";
  EXPECT_EQ(tell([](auto r) { r.getCentre().getPoint().setLongitude(181); }), "centre.point.longitude");
  EXPECT_EQ(tell([](auto r) { r.getCentre().getPoint().setLatitude(kNan); }), "centre.point.latitude");
  EXPECT_EQ(tell([&](auto r) { r.getCentre().setMember(long_member.c_str()); }, ErrorCode::kTooLarge), "centre.member");
  for (const double wrong : {-1.0, kNan, kInfinity}) {
    EXPECT_EQ(tell([&](auto r) { r.getArea().setRadiusM(wrong); }), "area.radiusM");
    EXPECT_EQ(tell([&](auto r) { r.getArea().initBox().setWidthM(wrong); }), "area.box.widthM");
    EXPECT_EQ(tell([&](auto r) { r.getArea().initBox().setHeightM(wrong); }), "area.box.heightM");
  }
  EXPECT_EQ(tell([](auto r) { r.setOrder(static_cast<schema::NearbyOrder>(3)); }), "order");

  const PositionsRequest positions{kTaxis, {"7"}};
  EXPECT_EQ(
      refused(through<Session::PositionsParams>(positions, [&](auto p) { p.getMembers().set(0, long_member.c_str()); }),
              ErrorCode::kTooLarge),
      "members");
  const DistanceRequest distance{kTaxis, "7", "8"};
  using Between = Session::DistanceParams;
  EXPECT_EQ(refused(through<Between>(distance, [&](auto p) { p.setFrom(long_member.c_str()); }), ErrorCode::kTooLarge),
            "from");
  EXPECT_EQ(refused(through<Between>(distance, [&](auto p) { p.setTo(long_member.c_str()); }), ErrorCode::kTooLarge),
            "to");
  const std::string long_name(limits::kNameBytesMax + 1, 'x');
  EXPECT_EQ(refused(through<Session::LayersParams>(LayersRequest{long_name}), ErrorCode::kTooLarge), "after");
}

TEST(WirePlaces, RequestsHoldABatchAndNotOneMore) {
  SetPositionsRequest set{kTaxis, std::vector<PositionItem>(limits::kPositionsBatchMax, {"7", kBeijing, 0}), {}};
  EXPECT_TRUE(through<Session::SetPositionsParams>(set).has_value());
  set.items.push_back(set.items.front());
  const auto more = through<Session::SetPositionsParams>(set);
  EXPECT_EQ(refused(more, ErrorCode::kTooLarge), "items");
  EXPECT_EQ(more.error().detail, "has 4097 entries, the limit is 4096");
  std::vector<std::string> members(limits::kPositionsBatchMax, "7");
  EXPECT_TRUE(through<Session::ClearPositionsParams>(ClearPositionsRequest{kTaxis, members}).has_value());
  EXPECT_TRUE(through<Session::PositionsParams>(PositionsRequest{kTaxis, members}).has_value());
  members.emplace_back("7");
  EXPECT_EQ(
      refused(through<Session::ClearPositionsParams>(ClearPositionsRequest{kTaxis, members}), ErrorCode::kTooLarge),
      "members");
  EXPECT_EQ(refused(through<Session::PositionsParams>(PositionsRequest{kTaxis, members}), ErrorCode::kTooLarge),
            "members");
}

TEST(WirePlaces, QuestionsWantWhatAnAnswerHoldsAndNotOneMore) {
  NearbyRequest question = some_question();
  question.count = limits::kNearbyAnswerMax;
  EXPECT_TRUE(through<Session::NearbyParams>(question).has_value());
  ++question.count;
  const auto more = through<Session::NearbyParams>(question);
  EXPECT_EQ(refused(more), "count");
  EXPECT_EQ(more.error().detail, "is 10001, the limit is 10000");
}

TEST(WirePlaces, QuestionsWaitAsLongAsTheyMayAndNoLonger) {
  NearbyRequest question = some_question();
  question.deadline_ms = limits::kNearbyDeadlineMsMax;
  EXPECT_TRUE(through<Session::NearbyParams>(question).has_value());
  ++question.deadline_ms;
  EXPECT_EQ(refused(through<Session::NearbyParams>(question)), "deadlineMs");
}

// ---- answers

NearbyFound some_found() {
  const geo::Geohash place = geo::encode(kBeijing);
  return {{{"7", 12.5, geo::decode(place), place},
           {"8", std::nullopt, std::nullopt, std::nullopt},
           {std::string("\xff\0", 2), 0, std::nullopt, geo::Geohash(0)}},
          Completeness::kTruncated};
}

template <class Answer, class Value>
void expect_whole(const Value& value) {
  const Error error{ErrorCode::kPermissionDenied, "role", "needs another role"};
  EXPECT_EQ(through<Answer>(Result<Value>(value)).value(), value);
  EXPECT_EQ(through<Answer>(Result<Value>(fail(error))).error(), error);
}

TEST(WirePlaces, AnswersComeBackAsValueOrError) {
  using enum PositionOutcome;
  expect_whole<schema::SetPositionsAnswer>(PositionOutcomes{kAdded, kChanged, kUnchanged, kSkipped, kAccepted});
  expect_whole<schema::ClearPositionsAnswer>(PositionsCleared{3});
  expect_whole<schema::ClearLayerAnswer>(LayerCleared{true});
  expect_whole<schema::ClearLayerAnswer>(LayerCleared{false});
  expect_whole<schema::NearbyAnswer>(some_found());
  const geo::Geohash place = geo::encode(kBeijing);
  expect_whole<schema::PositionsAnswer>(Positions{{std::nullopt, Position{geo::decode(place), place}}});
  expect_whole<schema::DistanceAnswer>(Distance{0.0});
  expect_whole<schema::DistanceAnswer>(Distance{});
  expect_whole<schema::LayersAnswer>(LayersPage{{{kPeople, 3}, {kTaxis, 1, {{1, 2, 3}, false}}}, true});
  expect_whole<schema::LayerPrivacyAnswer>(LayerPrivacyInfo{{1, 2, 3}, false});
  expect_whole<schema::LayerPrivacyAnswer>(LayerPrivacyInfo{{}, true});
}

TEST(WirePlaces, APrivacyIsReadWholeAndWithinItsLimits) {
  using Params = Session::SetLayerPrivacyParams;
  const SetLayerPrivacyRequest edge{
      kTaxis, LayerPrivacy{limits::kPrecisionMMax, limits::kDistanceStepMMax, limits::kQueriesPerMinuteMax}};
  EXPECT_EQ(through<Params>(edge).value(), edge);
  EXPECT_EQ(through<Params>(SetLayerPrivacyRequest{kTaxis, LayerPrivacy{0, 0, 0}}).value().privacy,
            (LayerPrivacy{0, 0, 0}));
  EXPECT_EQ(through<Params>(SetLayerPrivacyRequest{{}, std::nullopt}).value(),
            (SetLayerPrivacyRequest{kPeople, std::nullopt}));
  EXPECT_EQ(through<Session::LayerPrivacyParams>(LayerPrivacyRequest{}).value().layer, kPeople);
  const auto broken = [&](const std::function<void(Params::Builder)>& breaks) {
    return refused(through<Params>(edge, [&](auto params) { breaks(params); }));
  };
  EXPECT_EQ(broken([](auto p) { p.getPrivacy().setPrecisionM(limits::kPrecisionMMax + 1); }), "privacy.precisionM");
  EXPECT_EQ(broken([](auto p) { p.getPrivacy().setDistanceStepM(limits::kDistanceStepMMax + 1); }),
            "privacy.distanceStepM");
  EXPECT_EQ(broken([](auto p) { p.getPrivacy().setQueriesPerMinute(limits::kQueriesPerMinuteMax + 1); }),
            "privacy.queriesPerMinute");
  EXPECT_EQ(broken([](auto p) { p.disownPrivacy(); }), "privacy") << "one that is left out would show everything";
}

TEST(WirePlaces, GeohashesAreToldAsTextToo) {
  capnp::MallocMessageBuilder message;
  auto answer = message.initRoot<schema::NearbyAnswer>();
  NearbyFound found = some_found();
  found.members[0].geohash = geo::encode({13.361389, 38.115556});
  wire::write(Result<NearbyFound>(found), answer);
  EXPECT_EQ(std::string(answer.getFound().getMembers()[0].getGeohash().getText().cStr()), "sqc8b49rny0");
  EXPECT_FALSE(answer.getFound().getMembers()[2].hasMember()) << "bytes that are no text are not told as one";
}

TEST(WirePlaces, AnswersNameTheFieldAtFault) {
  const auto tell = [](const std::function<void(schema::NearbyMember::Builder)>& breaks,
                       ErrorCode code = ErrorCode::kInvalidArgument) {
    const Result<NearbyFound> found = some_found();
    return refused(through<schema::NearbyAnswer>(found, [&](auto a) { breaks(a.getFound().getMembers()[0]); }), code);
  };
  EXPECT_EQ(tell([](auto m) { m.setMember(""); }), "member");
  EXPECT_EQ(tell([](auto m) { m.getPoint().setLatitude(86); }), "point.latitude");
  EXPECT_EQ(tell([](auto m) { m.getGeohash().setValue(std::uint64_t{1} << 52); }), "geohash");
  const Result<PositionOutcomes> outcomes = PositionOutcomes{PositionOutcome::kAdded};
  EXPECT_EQ(refused(through<schema::SetPositionsAnswer>(
                outcomes, [](auto a) { a.getOutcomes().set(0, static_cast<schema::PositionOutcome>(5)); })),
            "outcomes");
  const Result<LayersPage> page = LayersPage{{{kPeople, 3}}, false};
  EXPECT_EQ(refused(through<schema::LayersAnswer>(page, [](auto a) { a.getFound().getLayers()[0].setName(""); })),
            "name");
}

// A newer node may know more kinds of answers: none of them is "exact".
TEST(WirePlaces, AnUnknownCompletenessPromisesNothing) {
  const Result<NearbyFound> found = some_found();
  const auto read = through<schema::NearbyAnswer>(
      found, [](auto a) { a.getFound().setCompleteness(static_cast<schema::Completeness>(9)); });
  EXPECT_EQ(read.value().completeness, Completeness::kPartial);
}

TEST(WirePlaces, AnswersHoldWhatOneMayAskForAndNotOneMore) {
  NearbyFound found;
  found.members.resize(limits::kNearbyAnswerMax, NearbyMember{"7", {}, {}, {}});
  EXPECT_TRUE(through<schema::NearbyAnswer>(Result<NearbyFound>(found)).has_value());
  found.members.push_back(found.members.front());
  EXPECT_EQ(refused(through<schema::NearbyAnswer>(Result<NearbyFound>(found)), ErrorCode::kTooLarge), "members");
  LayersPage page;
  page.layers.resize(limits::kLayersPageMax, LayerInfo{kPeople, 1});
  EXPECT_TRUE(through<schema::LayersAnswer>(Result<LayersPage>(page)).has_value());
  page.layers.push_back(page.layers.front());
  EXPECT_EQ(refused(through<schema::LayersAnswer>(Result<LayersPage>(page)), ErrorCode::kTooLarge), "layers");
  Positions positions;
  positions.members.resize(limits::kPositionsBatchMax + 1);
  EXPECT_EQ(refused(through<schema::PositionsAnswer>(Result<Positions>(positions)), ErrorCode::kTooLarge), "positions");
  PositionOutcomes outcomes(limits::kPositionsBatchMax + 1);
  EXPECT_EQ(refused(through<schema::SetPositionsAnswer>(Result<PositionOutcomes>(outcomes)), ErrorCode::kTooLarge),
            "outcomes");
}

}  // namespace
}  // namespace earshot::tests
