#include "gateway/rpc_places.hpp"

#include <chrono>
#include <cmath>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "auth/keys.hpp"
#include "auth/token.hpp"
#include "base/clock.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/gateway_client.hpp"
#include "tests/support/place_map.hpp"
#include "tests/support/temporary_directory.hpp"

// Calls about where members are, on their way between the client and the desk.
namespace earshot::gateway {
namespace {

using tests::GatewayTest;
using tests::PlaceMap;
using tests::TestClient;
using Session = schema::Session;

const LayerId kPeople = LayerId::trusted(kDefaultLayer);
const geo::Point kBeijing{116.4, 39.9};

// ---- who may ask

const UserId kAlice = UserId::trusted("alice");

SetPositionsRequest set_of(const std::vector<std::string>& members) {
  SetPositionsRequest request;
  for (const std::string& member : members) request.items.push_back({member, kBeijing, 0});
  return request;
}

TEST(PlacesPermission, AUserSetsAndClearsItsOwnPositionOnly) {
  const auto denied = [](const PlacesRequest& request) -> std::string {
    const Status allowed = may_ask(kAlice, Role::kUser, request);
    if (allowed) return "allowed";
    EXPECT_EQ(allowed.error().code, ErrorCode::kPermissionDenied);
    EXPECT_NE(allowed.error().detail.find("a token with the role service or operator"), std::string::npos);
    return allowed.error().field;
  };
  EXPECT_EQ(denied(set_of({"", "alice"})), "allowed");
  EXPECT_EQ(denied(set_of({"alice", "bob"})), "items[1].member");
  EXPECT_EQ(denied(set_of({"Alice"})), "items[0].member");
  EXPECT_EQ(denied(ClearPositionsRequest{kPeople, {"alice", ""}}), "allowed");
  EXPECT_EQ(denied(ClearPositionsRequest{kPeople, {"alice", "bob"}}), "members");
  EXPECT_EQ(denied(ClearLayerRequest{kPeople}), "role");
  EXPECT_EQ(denied(LayerPrivacyRequest{}), "role");
  EXPECT_EQ(denied(SetLayerPrivacyRequest{}), "role");
  EXPECT_EQ(denied(NearbyRequest{}), "allowed");
  EXPECT_EQ(denied(PositionsRequest{kPeople, {"alice", "bob"}}), "allowed");
  EXPECT_EQ(denied(DistanceRequest{}), "allowed");
  EXPECT_EQ(denied(LayersRequest{}), "role");
  EXPECT_EQ(may_ask(kAlice, Role(77), LayersRequest{}).error().code, ErrorCode::kPermissionDenied)
      << "a role that nobody knows may do what a user may";
}

TEST(PlacesPermission, ServicesAndOperatorsDoEverything) {
  for (const Role role : {Role::kService, Role::kOperator}) {
    EXPECT_TRUE(may_ask(kAlice, role, set_of({"alice", "bob"})));
    EXPECT_TRUE(may_ask(kAlice, role, ClearPositionsRequest{kPeople, {"bob"}}));
    EXPECT_TRUE(may_ask(kAlice, role, ClearLayerRequest{kPeople}));
    EXPECT_TRUE(may_ask(kAlice, role, NearbyRequest{}));
    EXPECT_TRUE(may_ask(kAlice, role, PositionsRequest{}));
    EXPECT_TRUE(may_ask(kAlice, role, DistanceRequest{}));
    EXPECT_TRUE(may_ask(kAlice, role, LayersRequest{}));
    EXPECT_TRUE(may_ask(kAlice, role, LayerPrivacyRequest{}));
    EXPECT_TRUE(may_ask(kAlice, role, SetLayerPrivacyRequest{}));
  }
}

// ---- over a real connection

class RpcPlacesTest : public GatewayTest {
 protected:
  void SetUp() override {
    GatewayTest::SetUp();
    broker_->keep_places(map_->desk());
  }
  void log_in(GatewayOptions options = {}) {
    start(options);
    client_ = std::make_unique<TestClient>(io_, gateway_->port());
    client_->login("alice");
  }
  template <class Call, class Request>
  static auto call(Call call, const Request& request) {
    wire::write(request, call);
    return call.send().then([](auto answer) { return wire::read(answer); });
  }
  auto set_later(const SetPositionsRequest& request) { return call(client_->session().setPositionsRequest(), request); }
  auto set(const SetPositionsRequest& request) { return wait(set_later(request)); }
  auto nearby_later(const NearbyRequest& request) { return call(client_->session().nearbyRequest(), request); }
  auto nearby(const NearbyRequest& request) { return wait(nearby_later(request)); }
  auto positions_later(const std::vector<std::string>& members) {
    return call(client_->session().positionsRequest(), PositionsRequest{{}, members});
  }
  auto positions(const std::vector<std::string>& members) { return wait(positions_later(members)); }
  auto distance(const std::string& from, const std::string& to) {
    return wait(call(client_->session().distanceRequest(), DistanceRequest{{}, from, to}));
  }
  auto privacy(const LayerId& layer = {}) {
    return wait(call(client_->session().layerPrivacyRequest(), LayerPrivacyRequest{layer}));
  }
  Status set_privacy(std::optional<LayerPrivacy> privacy, const LayerId& layer = {}) {
    auto request = client_->session().setLayerPrivacyRequest();
    wire::write(SetLayerPrivacyRequest{layer, privacy}, request);
    auto answer = request.send().wait(io_.waitScope);
    if (answer.isError()) return fail(wire::read(answer.getError()));
    return {};
  }
  auto layers(const std::string& after = "") {
    return wait(call(client_->session().layersRequest(), LayersRequest{after}));
  }
  static NearbyRequest around(std::variant<geo::Point, std::string> centre, double radius_m) {
    NearbyRequest request;
    request.centre = std::move(centre);
    request.area = Circle{radius_m};
    return request;
  }
  static std::vector<std::string> names_of(const Result<NearbyFound>& found) {
    std::vector<std::string> names;
    if (!found)
      ADD_FAILURE() << found.error().to_string();
    else
      for (const auto& one : found->members) names.push_back(one.member);
    return names;
  }
  // One to nine, each a tenth of a degree further north than the one before.
  void put_nine() {
    for (int i = 1; i <= 9; ++i) map_->put("people", std::to_string(i), geo::Point{116.4, 39.9 + 0.1 * i});
  }

  const std::shared_ptr<PlaceMap> map_ = std::make_shared<PlaceMap>();
  std::unique_ptr<TestClient> client_;
};

TEST_F(RpcPlacesTest, PositionsAreSetWithTheirOutcomesAndCleared) {
  using enum PositionOutcome;
  log_in();
  SetPositionsRequest request;
  request.items = {{"", kBeijing, 60'000}, {"bob", {-180, 85.05112878}, 0}};
  EXPECT_EQ(set(request).value(), (PositionOutcomes{kAdded, kAdded}));
  EXPECT_EQ(map_->score("people", "alice"), static_cast<double>(geo::encode(kBeijing).value));
  EXPECT_EQ(map_->ttl_ms("alice"), 60'000u);
  request.items[1].point.latitude = 0;
  EXPECT_EQ(set(request).value(), (PositionOutcomes{kUnchanged, kChanged}));
  request.condition = PositionCondition::kIfNew;
  EXPECT_EQ(set(request).value(), (PositionOutcomes{kSkipped, kSkipped}));
  EXPECT_EQ(set(SetPositionsRequest{}).value(), PositionOutcomes{});

  const auto cleared =
      wait(call(client_->session().clearPositionsRequest(), ClearPositionsRequest{{}, {"", "nobody", "bob"}}));
  EXPECT_EQ(cleared.value().members, 2u);
  EXPECT_FALSE(map_->score("people", "alice"));
  set(request);
  const auto clear_layer = [&] {
    return wait(call(client_->session().clearLayerRequest(), ClearLayerRequest{})).value().existed;
  };
  EXPECT_TRUE(clear_layer());
  EXPECT_FALSE(clear_layer());
}

// A shard has to know which of two sessions of a device is the later one, and log lines whose call it is.
TEST_F(RpcPlacesTest, AChangeNamesItsSessionAndItsCall) {
  log_in();
  ASSERT_TRUE(set(set_of({""})));
  ASSERT_TRUE(wait(call(client_->session().clearPositionsRequest(), ClearPositionsRequest{{}, {""}})));
  ASSERT_TRUE(set_privacy(LayerPrivacy{}));
  ASSERT_TRUE(wait(call(client_->session().clearLayerRequest(), ClearLayerRequest{})));
  const auto askers = map_->askers();
  ASSERT_GE(askers.size(), 4u) << "a layer is cleared in every shard";
  std::uint64_t call = 0;
  for (const auto& [mover, tag] : askers) {
    EXPECT_EQ(mover, (Mover{kAlice, DeviceId::trusted("phone"), tests::kLoginNumber}));
    EXPECT_GE(tag.call, call);
    call = tag.call;
  }
  EXPECT_GE(call, askers.front().second.call + 3);
}

TEST_F(RpcPlacesTest, EverybodyNearIsToldWithWhatWasAskedFor) {
  put_nine();
  log_in();
  auto request = around(kBeijing, 30'000);
  request.order = NearbyOrder::kNearestFirst;
  auto found = nearby(request);
  EXPECT_EQ(names_of(found), (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(found.value().completeness, Completeness::kExact);
  EXPECT_EQ(found.value().members[0], (NearbyMember{"1", {}, {}, {}})) << "nothing else was asked for";
  request.with_distance = request.with_point = request.with_geohash = true;
  const NearbyMember first = nearby(request).value().members[0];
  const geo::Geohash place = geo::encode({116.4, 40.0});
  EXPECT_EQ(first, (NearbyMember{"1", geo::distance_m(kBeijing, geo::decode(place)), geo::decode(place), place}));

  request.order = NearbyOrder::kFarthestFirst;
  EXPECT_EQ(names_of(nearby(request)), (std::vector<std::string>{"2", "1"}));
  request.centre = std::string("5");
  request.area = Box{1'000, 50'000};
  EXPECT_EQ(names_of(nearby(request)).size(), 5u);
  request.centre = std::string("");
  map_->put("people", "alice", geo::Point{116.4, 40.81});
  EXPECT_EQ(names_of(nearby(request)).back(), "alice") << "an empty centre is the session's own user";
}

TEST_F(RpcPlacesTest, WhatTheCountCutsOffIsSaid) {
  put_nine();
  log_in();
  auto request = around(kBeijing, 1e6);
  for (const auto& [order, any, expected] :
       {std::tuple{NearbyOrder::kNone, false, std::set<std::string>{"1", "2", "3"}},
        std::tuple{NearbyOrder::kNearestFirst, false, std::set<std::string>{"1", "2", "3"}},
        std::tuple{NearbyOrder::kFarthestFirst, false, std::set<std::string>{"7", "8", "9"}}}) {
    request.count = 3, request.order = order, request.any = any;
    const auto found = nearby(request);
    const auto names = names_of(found);
    EXPECT_EQ(std::set(names.begin(), names.end()), expected);
    EXPECT_EQ(found.value().completeness, Completeness::kTruncated);
  }
  request.any = true;
  EXPECT_EQ(names_of(nearby(request)).size(), 3u);
  EXPECT_GT(names_of(nearby(request)).front(), names_of(nearby(request)).back()) << "the farthest of them first";
  request.count = 9;
  EXPECT_EQ(nearby(request).value().completeness, Completeness::kExact) << "as many as there are";
}

TEST_F(RpcPlacesTest, AnAnswerHoldsNoMoreThanItsLimit) {
  for (std::size_t i = 0; i <= limits::kNearbyAnswerMax; ++i) map_->put("people", std::to_string(i), kBeijing);
  log_in();
  auto request = around(kBeijing, 10);
  request.with_distance = request.with_point = request.with_geohash = true;
  auto found = nearby(request);
  EXPECT_EQ(names_of(found).size(), limits::kNearbyAnswerMax);
  EXPECT_EQ(found.value().completeness, Completeness::kTruncated);
}

TEST_F(RpcPlacesTest, ACentreThatIsNowhereIsNotFound) {
  log_in();
  const auto found = nearby(around(std::string("bob"), 10));
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kNotFound);
  EXPECT_EQ(found.error().field, "centre.member");
  EXPECT_EQ(names_of(nearby(around(kBeijing, 10))).size(), 0u) << "nobody is near a point of an empty layer";
}

TEST_F(RpcPlacesTest, PositionsAndDistancesAreThoseOfTheGeohashes) {
  map_->put("people", "alice", kBeijing);
  map_->put("people", "bob", geo::Point{13.361389, 38.115556});
  map_->put("people", "score", 1e300);  // set over Redis's protocol: no place on Earth
  log_in();
  const Positions told = positions({"bob", "nobody", "", "score"}).value();
  ASSERT_EQ(told.members.size(), 4u);
  EXPECT_EQ(geo::text_of(told.members[0]->geohash), "sqc8b49rny0");
  EXPECT_FALSE(told.members[1] || told.members[3]);
  EXPECT_EQ(told.members[2]->point, geo::decode(geo::encode(kBeijing)));
  EXPECT_EQ(distance("", "bob").value().metres, geo::distance_m(told.members[2]->point, told.members[0]->point));
  EXPECT_EQ(distance("bob", "bob").value().metres, 0.0);
  EXPECT_FALSE(distance("bob", "nobody").value().metres);
  EXPECT_FALSE(distance("score", "bob").value().metres);
}

TEST_F(RpcPlacesTest, LayersAreToldPageByPageInTheOrderOfTheirNames) {
  for (std::size_t i = 0; i <= limits::kLayersPageMax; ++i) map_->put("layer " + std::to_string(10'000 + i), "7", 1);
  map_->put("zoo", "lion", 1), map_->put("zoo", "tiger", 2);
  log_in();
  const LayersPage first = layers().value();
  EXPECT_EQ(first.layers.size(), limits::kLayersPageMax);
  EXPECT_TRUE(first.more);
  EXPECT_TRUE(std::ranges::is_sorted(first.layers, {}, &LayerInfo::layer));
  const LayersPage last = layers(first.layers.back().layer.text()).value();
  EXPECT_FALSE(last.more);
  ASSERT_EQ(last.layers.size(), 2u);
  EXPECT_EQ(last.layers[1], (LayerInfo{LayerId::trusted("zoo"), 2}));
}

TEST_F(RpcPlacesTest, ABadFieldIsNamedAndNothingIsSet) {
  log_in();
  SetPositionsRequest request;
  request.items = {{"bob", kBeijing, 0}, {"carol", {181, 0}, 0}};
  const auto answer = set(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(answer.error().field, "items[1].point.longitude");
  EXPECT_FALSE(map_->score("people", "bob"));
}

TEST_F(RpcPlacesTest, WhatAShardRefusesIsSaid) {
  map_->refuse_changes(Error{ErrorCode::kStorageFull, "", "the disk is full", 1'000});
  log_in();
  const auto answer = set(set_of({"bob", "carol"}));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), (Error{ErrorCode::kStorageFull, "", "the disk is full", 1'000}));
}

TEST_F(RpcPlacesTest, ANodeWithoutPlacesSaysSo) {
  broker_->keep_places(nullptr);
  log_in();
  EXPECT_EQ(set(set_of({"alice"})).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(layers().error().code, ErrorCode::kUnavailable);
}

// ---- while the node does not know where everybody is

TEST_F(RpcPlacesTest, QuestionsWaitForTheNodeToKnowWhereEverybodyIs) {
  map_->begin_incomplete();
  log_in();
  auto request = around(kBeijing, 30'000);
  request.deadline_ms = limits::kNearbyDeadlineMsMax;
  const auto began = std::chrono::steady_clock::now();
  auto near = nearby_later(request);
  EXPECT_TRUE(set(set_of({"bob"}))) << "changes do not wait";
  put_nine();
  map_->complete();
  const auto found = wait(kj::mv(near));
  EXPECT_EQ(names_of(found).size(), 3u);
  EXPECT_EQ(found.value().completeness, Completeness::kExact);
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(limits::kNearbyDeadlineMsMax))
      << "and no longer than that";
  EXPECT_TRUE(positions({"1"}).value().members[0]);
}

TEST_F(RpcPlacesTest, AfterItsDeadlineAQuestionIsAnsweredInPartAndSaysSo) {
  map_->begin_incomplete();
  put_nine();
  log_in();
  auto request = around(kBeijing, 30'000);
  request.deadline_ms = 20;
  const auto found = nearby(request);
  EXPECT_EQ(names_of(found).size(), 2u);
  EXPECT_EQ(found.value().completeness, Completeness::kPartial);
  request.centre = std::string("somebody");
  EXPECT_EQ(nearby(request).error().code, ErrorCode::kUnavailable) << "who is not found may be somewhere";
}

TEST_F(RpcPlacesTest, WhatCannotBeAnsweredInPartIsNotGuessed) {
  map_->begin_incomplete();
  log_in();
  const auto began = std::chrono::steady_clock::now();
  for (const Error& error : {positions({"bob"}).error(), distance("bob", "alice").error(), layers().error()}) {
    EXPECT_EQ(error.code, ErrorCode::kUnavailable);
    EXPECT_EQ(error.retry_after_ms, limits::kRetryAfterMs);
  }
  EXPECT_GE(std::chrono::steady_clock::now() - began, 3 * std::chrono::milliseconds(limits::kNearbyDeadlineMsDefault));
}

// ---- bounds

TEST_F(RpcPlacesTest, LargeAnswersCountAmongTheFetchesInFlight) {
  put_nine();
  map_->hold_answers();
  log_in();
  std::vector<kj::Promise<Result<NearbyFound>>> calls;
  for (std::size_t i = 0; i < limits::kFetchesInFlightMax; ++i) calls.push_back(nearby_later(around(kBeijing, 1e6)));
  const auto refused = nearby(around(kBeijing, 1e6));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(refused.error().field, "fetchesInFlight");
  auto few = around(kBeijing, 1e6);
  few.count = 5;
  auto small = nearby_later(few);
  run_until([&] { return map_->held() == limits::kFetchesInFlightMax + 1; });
  map_->let_go();
  for (auto& call : calls) EXPECT_EQ(names_of(wait(kj::mv(call))).size(), 9u);
  EXPECT_EQ(names_of(wait(kj::mv(small))).size(), 5u);
  EXPECT_EQ(names_of(nearby(around(kBeijing, 1e6))).size(), 9u) << "there is room again";
}

TEST_F(RpcPlacesTest, TheNodesMemoryForAnswersIsBounded) {
  GatewayOptions options;
  options.answers_bytes_max = 1;  // one at a time
  put_nine();
  map_->hold_answers();
  log_in(options);
  auto first = nearby_later(around(kBeijing, 1e6));
  EXPECT_EQ(nearby(around(kBeijing, 1e6)).error().code, ErrorCode::kOverloaded);
  map_->let_go();
  EXPECT_TRUE(wait(kj::mv(first)));
  Result<NearbyFound> again = nearby(around(kBeijing, 1e6));
  // The first one's memory is free once it is written, which is soon.
  while (!again && again.error().code == ErrorCode::kOverloaded) {
    wait(io_.provider->getTimer().afterDelay(again.error().retry_after_ms * kj::MILLISECONDS));
    again = nearby(around(kBeijing, 1e6));
  }
  EXPECT_TRUE(again);
}

TEST_F(RpcPlacesTest, ACallThatTheDeskLostIsAnswered) {
  map_->hold_answers();
  GatewayOptions options;
  options.call_timeout_ms = 50;
  log_in(options);
  EXPECT_EQ(set(set_of({"bob"})).error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_EQ(nearby(around(kBeijing, 10)).error().code, ErrorCode::kDeadlineExceeded);
  map_->let_go();  // too late, and nobody waits
  EXPECT_TRUE(set(set_of({"bob"})));
}

TEST_F(RpcPlacesTest, CallsEndWithTheirSession) {
  map_->begin_incomplete();
  log_in();
  auto request = around(kBeijing, 10);
  request.deadline_ms = 100;
  auto near = nearby_later(request);
  map_->hold_answers();
  auto setting = set_later(set_of({"bob"}));
  run_until([&] { return map_->held() == 1; });
  client_->session().logoutRequest().send().wait(io_.waitScope);
  EXPECT_EQ(wait(kj::mv(near)).error().code, ErrorCode::kClosed);
  EXPECT_EQ(wait(kj::mv(setting)).error().code, ErrorCode::kClosed);
  map_->let_go();
  map_->complete();
}

// ---- roles come from tokens

class RpcPlacesTokenTest : public RpcPlacesTest {
 protected:
  void log_in_as(const std::string& user, Role role) {
    const auto key = auth::new_key(auth::Algorithm::kEs256, "first").value();
    tests::write_file(directory_ / "keys.json", auth::to_json(std::vector{key}).value());
    NodeConfig config;
    config.auth = AuthMode::kJwt;
    config.jwt_keys = directory_ / "keys.json";
    start(config);
    const std::uint64_t now_s = SystemClock().wall_ms() / 1'000;
    client_ = std::make_unique<TestClient>(io_, gateway_->port());
    client_->login(auth::sign({UserId::trusted(user), role, now_s, now_s + 600}, key).value());
  }
  tests::TemporaryDirectory directory_;
};

TEST_F(RpcPlacesTokenTest, AUsersTokenSetsItsOwnPositionAndNobodyElses) {
  log_in_as("alice", Role::kUser);
  EXPECT_TRUE(set(set_of({""})));
  EXPECT_TRUE(map_->score("people", "alice"));
  const auto refused = set(set_of({"alice", "bob"}));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kPermissionDenied);
  EXPECT_FALSE(map_->score("people", "bob"));
  EXPECT_EQ(layers().error().code, ErrorCode::kPermissionDenied);
  EXPECT_EQ(privacy().error().code, ErrorCode::kPermissionDenied);
  EXPECT_EQ(set_privacy(LayerPrivacy{0, 0, 0}).error().code, ErrorCode::kPermissionDenied);
}

TEST_F(RpcPlacesTokenTest, AUserMakesNoLayer) {
  log_in_as("alice", Role::kUser);
  EXPECT_TRUE(set(set_of({""}))) << "the layer that everybody has";
  SetPositionsRequest request = set_of({""});
  request.layer = LayerId::trusted("taxis");
  const Error refused = set(request).error();
  EXPECT_EQ(refused.code, ErrorCode::kPermissionDenied);
  EXPECT_EQ(refused.field, "layer");
  EXPECT_FALSE(map_->score("taxis", "alice"));
  map_->put("taxis", "bob", kBeijing);
  EXPECT_TRUE(set(request));
  request.layer = LayerId::trusted("trams");
  map_->privacies->set(request.layer, LayerPrivacy{});
  EXPECT_TRUE(set(request));
}

// On a node of a cluster, which knows of the layers of its own regions.
TEST_F(RpcPlacesTokenTest, ALayerThatOtherNodesHaveIsThere) {
  map_->set_knows_all_layers(false);
  map_->hide_layers(true);
  log_in_as("alice", Role::kUser);
  SetPositionsRequest request = set_of({""});
  request.layer = LayerId::trusted("taxis");
  const Error refused = set(request).error();
  EXPECT_EQ(refused.code, ErrorCode::kPermissionDenied);
  EXPECT_EQ(refused.field, "layer");
  EXPECT_FALSE(map_->score("taxis", "alice"));
  map_->put("taxis", "bob", kBeijing);
  EXPECT_TRUE(set(request));
  EXPECT_TRUE(map_->score("taxis", "alice"));
}

TEST_F(RpcPlacesTokenTest, WhichLayersThereAreIsNotGuessed) {
  map_->begin_incomplete();
  log_in_as("alice", Role::kUser);
  SetPositionsRequest request = set_of({""});
  EXPECT_TRUE(set(request));
  request.layer = LayerId::trusted("taxis");
  EXPECT_EQ(set(request).error().code, ErrorCode::kUnavailable);
}

TEST_F(RpcPlacesTokenTest, AUserIsShownOthersAsTheLayersPrivacyHasIt) {
  log_in_as("alice", Role::kUser);
  map_->privacies->set(kPeople, LayerPrivacy{1'000, 500, 20});
  map_->put("people", "alice", kBeijing), map_->put("people", "bob", kBeijing);
  map_->put("people", "hidden", kBeijing, true);
  const geo::Geohash bob = places::shown_place(geo::encode(kBeijing), kPeople, "bob", PlaceMap::kSecret, 1'000);
  const double apart = geo::distance_m(geo::decode(geo::encode(kBeijing)), geo::decode(bob));
  auto request = around(std::string(), 10'000);
  request.order = NearbyOrder::kNearestFirst;
  request.with_distance = request.with_point = request.with_geohash = true;
  const NearbyFound found = nearby(request).value();
  ASSERT_EQ(found.members.size(), 2u);
  EXPECT_EQ(found.completeness, Completeness::kExact);
  const geo::Geohash alice = geo::encode(kBeijing);
  EXPECT_EQ(found.members[0], (NearbyMember{"alice", 0.0, geo::decode(alice), alice}));
  EXPECT_EQ(found.members[1], (NearbyMember{"bob", std::ceil(apart / 500) * 500, geo::decode(bob), bob}));
  const Positions told = positions({"bob", "hidden", ""}).value();
  EXPECT_EQ(told.members[0]->geohash, bob);
  EXPECT_FALSE(told.members[1]);
  EXPECT_EQ(told.members[2]->geohash, alice);
  EXPECT_EQ(distance("", "bob").value().metres, std::ceil(apart / 500) * 500);
  EXPECT_FALSE(distance("", "hidden").value().metres);
  request.centre = std::string("hidden");
  EXPECT_EQ(nearby(request).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(nearby(request).error().field, "centre.member");

  request.centre = kBeijing;
  request.count = 1;
  EXPECT_EQ(nearby(request).value().completeness, Completeness::kTruncated);
  map_->privacies->set(kPeople, LayerPrivacy{1'000, 500, 1});
  const Error refused = nearby(request).error();
  EXPECT_EQ(refused.code, ErrorCode::kOverloaded);
  EXPECT_EQ(refused.field, "queries");
  EXPECT_GT(refused.retry_after_ms, 0u);
}

TEST_F(RpcPlacesTokenTest, AUserIsToldNothingInPart) {
  map_->begin_incomplete();
  log_in_as("alice", Role::kUser);
  map_->put("people", "bob", kBeijing);
  auto request = around(kBeijing, 10);
  request.deadline_ms = 20;
  EXPECT_EQ(nearby(request).error().code, ErrorCode::kUnavailable) << "what the layer shows is not known either";
}

TEST_F(RpcPlacesTokenTest, AUserHidesItself) {
  log_in_as("alice", Role::kUser);
  SetPositionsRequest request = set_of({""});
  request.items[0].hidden = true;
  EXPECT_TRUE(set(request));
  EXPECT_TRUE(map_->is_hidden("alice"));
  EXPECT_EQ(names_of(nearby(around(kBeijing, 10))), std::vector<std::string>{"alice"});
  EXPECT_TRUE(set(set_of({""})));
  EXPECT_FALSE(map_->is_hidden("alice"));
}

TEST_F(RpcPlacesTokenTest, AServicesTokenSetsAndAsksForEverybody) {
  log_in_as("backend", Role::kService);
  EXPECT_TRUE(set(set_of({"alice", "bob"})));
  SetPositionsRequest request = set_of({"alice"});
  request.layer = LayerId::trusted("a new one");
  EXPECT_TRUE(set(request));
  map_->put("people", "hidden", kBeijing, true);
  for (int i = 0; i < 100; ++i)
    ASSERT_EQ(names_of(nearby(around(kBeijing, 10))).size(), 3u) << "exactly there, hidden or not, and no budget";
}

TEST_F(RpcPlacesTokenTest, AServiceSetsHowALayerIsShown) {
  log_in_as("backend", Role::kService);
  EXPECT_EQ(privacy().value(), (LayerPrivacyInfo{{}, true}));
  EXPECT_TRUE(set_privacy(LayerPrivacy{300, 100, 60}));
  EXPECT_EQ(privacy().value(), (LayerPrivacyInfo{{300, 100, 60}, false}));
  EXPECT_EQ(privacy(LayerId::trusted("taxis")).value().inherited, true);
  map_->put("people", "bob", kBeijing);
  EXPECT_EQ(layers().value().layers.at(0), (LayerInfo{kPeople, 1, {{300, 100, 60}, false}}));
  EXPECT_EQ(set_privacy(LayerPrivacy{limits::kPrecisionMMax + 1, 0, 0}).error().field, "privacy.precisionM");
  EXPECT_TRUE(set_privacy(std::nullopt));
  EXPECT_EQ(privacy().value(), (LayerPrivacyInfo{{}, true}));
}

}  // namespace
}  // namespace earshot::gateway
