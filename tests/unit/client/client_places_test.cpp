// Calls about where members are: each is answered once.
#include <algorithm>
#include <memory>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/client_harness.hpp"

namespace earshot::client {
namespace {

using tests::eventually;
using tests::FakeServer;
using tests::options_for;

class ClientPlaces : public testing::Test {
 protected:
  void connect(Options options) {
    client_ = Client::open(std::move(options), std::make_shared<MemoryStore>(10'000), {}, runtime_).value();
    ASSERT_TRUE(client_->wait_connected(10'000));
  }
  void connect() { connect(options_for(server_)); }
  void answer(Result<PlacesReply> reply) {
    server_.script([&](auto& s) { s.places = std::move(reply); });
  }

  FakeServer server_;
  const std::shared_ptr<Runtime> runtime_ = Runtime::start().value();
  std::unique_ptr<Client> client_;
};

const LayerId kTaxis = LayerId::trusted("taxis");
const geo::Point kBeijing{116.4, 39.9};

TEST_F(ClientPlaces, EachCallGoesOutWholeAndGetsTheAnswerOfItsKind) {
  connect();
  const auto expect = [&](auto future, const auto& reply) {
    const auto given = future.get();
    ASSERT_TRUE(given) << given.error().to_string();
    EXPECT_EQ(*given, reply);
  };
  const PositionOutcomes outcomes{PositionOutcome::kAdded, PositionOutcome::kSkipped};
  answer(PlacesReply(outcomes));
  const SetPositionsRequest set{kTaxis, {{"7", kBeijing, 1'000}, {"", kBeijing, 0}}, PositionCondition::kIfNew};
  expect(client_->set_positions(set), outcomes);
  answer(PlacesReply(PositionsCleared{1}));
  const ClearPositionsRequest clear{kTaxis, {"7"}};
  expect(client_->clear_positions(clear), PositionsCleared{1});
  answer(PlacesReply(LayerCleared{true}));
  expect(client_->clear_layer(ClearLayerRequest{kTaxis}), LayerCleared{true});
  const NearbyFound found{{{"7", 12.5, kBeijing, geo::encode(kBeijing)}}, Completeness::kTruncated};
  answer(PlacesReply(found));
  NearbyRequest nearby;
  nearby.layer = kTaxis, nearby.centre = std::string("7"), nearby.area = Box{10, 20}, nearby.count = 1;
  expect(client_->nearby(nearby), found);
  const Positions positions{{std::nullopt, Position{kBeijing, geo::encode(kBeijing)}}};
  answer(PlacesReply(positions));
  const PositionsRequest where{kTaxis, {"8", "7"}};
  expect(client_->positions(where), positions);
  answer(PlacesReply(Distance{12.5}));
  const DistanceRequest between{kTaxis, "7", "8"};
  expect(client_->distance(between), Distance{12.5});
  const LayersPage page{{{kTaxis, 2}}, true};
  answer(PlacesReply(page));
  expect(client_->layers(), page);
  EXPECT_EQ(server_.seen().places, (std::vector<PlacesRequest>{set, clear, ClearLayerRequest{kTaxis}, nearby, where,
                                                               between, LayersRequest{}}));
}

TEST_F(ClientPlaces, AnErrorIsTheServersOwn) {
  const Error error{ErrorCode::kPermissionDenied, "items[0].member", "not yours", 0, 0};
  answer(fail(error));
  connect();
  EXPECT_EQ(client_->set_positions({}).get().error(), error);
}

TEST_F(ClientPlaces, WithoutATimeoutAndAConnectionTheAnswerIsUnavailable) {
  Options options = options_for(server_);
  options.call_timeout_ms = 0;
  server_.script([](auto& s) { s.refuse_login = Error{ErrorCode::kUnavailable, "", "starting", 0, 0}; });
  client_ = Client::open(options, std::make_shared<MemoryStore>(10'000), {}, runtime_).value();
  EXPECT_EQ(client_->nearby({}).get().error().code, ErrorCode::kUnavailable);
}

TEST_F(ClientPlaces, ALostConnectionIsAPauseForWhoSetsAPosition) {
  connect();
  auto set = client_->set_positions({kTaxis, {{"7", kBeijing, 0}}, {}});
  ASSERT_TRUE(eventually([&] { return server_.seen().places.size() == 1; }));
  answer(PlacesReply(PositionOutcomes{PositionOutcome::kUnchanged}));
  server_.disconnect();
  EXPECT_TRUE(set.get());
  EXPECT_EQ(server_.seen().places.size(), 2u);
}

// Whether the change was made nobody knows, and a second answer would tell of the first call's work.
TEST_F(ClientPlaces, AConditionalChangeIsNotMadeAgainWhenItsConnectionIsLost) {
  connect();
  auto set = client_->set_positions({kTaxis, {{"7", kBeijing, 0}}, PositionCondition::kIfNew});
  ASSERT_TRUE(eventually([&] { return server_.seen().places.size() == 1; }));
  server_.disconnect();
  EXPECT_EQ(set.get().error().code, ErrorCode::kUnavailable);
  answer(PlacesReply(LayersPage{}));
  EXPECT_TRUE(client_->layers().get());
  const auto seen = server_.seen().places;
  EXPECT_EQ(
      std::ranges::count_if(seen, [](const auto& one) { return std::holds_alternative<SetPositionsRequest>(one); }), 1);
}

}  // namespace
}  // namespace earshot::client
