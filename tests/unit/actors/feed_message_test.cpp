#include "actors/feed_message.hpp"

#include <limits>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace earshot::actors {
namespace {

constexpr FeedId kFeed{Term(3), 77};
const LayerId kPeople = LayerId::trusted("people");
const LayerId kCars = LayerId::trusted("cars");

FeedItems some_items() {
  FeedItems items{kFeed, 9, FeedScan::kPage, {}, {}, {}};
  items.moves.push_back({kPeople, "ada", 1.5, 4, true, false, true});
  items.moves.push_back({kCars, std::string("\0\xff", 2), std::nullopt, 5, false, true, false});
  items.cleared.push_back({kCars, 6});
  items.privacies.push_back({kPeople, LayerPrivacy{100, 50, 3}});
  items.privacies.push_back({LayerId::trusted("bikes"), std::nullopt});
  items.moves.back().elsewhere = items.tells_late = true;
  return items;
}

void round_trip(const FeedRequest& request) {
  const std::string bytes = encode(request);
  EXPECT_TRUE(is_feed_request(bytes));
  const auto again = decode_feed_request(bytes);
  ASSERT_TRUE(again.has_value()) << again.error().to_string();
  EXPECT_TRUE(*again == request);
  EXPECT_FALSE(decode_feed_tiding(bytes).has_value());
}

TEST(FeedMessage, RequestsComeBackAsTheyWere) {
  round_trip(FeedSubscribe{kFeed, {NodeId(1), NodeId(4)}});
  round_trip(FeedAck{kFeed, 5, 2});
  round_trip(FeedAskLease{kFeed, 8});
}

TEST(FeedMessage, TidingsComeBackAsTheyWere) {
  const std::string bytes = encode(FeedTiding(std::make_shared<const FeedItems>(some_items())));
  EXPECT_FALSE(is_feed_request(bytes));
  const auto items = decode_feed_tiding(bytes);
  ASSERT_TRUE(items.has_value()) << items.error().to_string();
  EXPECT_TRUE(*std::get<std::shared_ptr<const FeedItems>>(*items) == some_items());
  EXPECT_FALSE(decode_feed_request(bytes).has_value());
  const auto grant = decode_feed_tiding(encode(FeedTiding(FeedGrant{kFeed, 5, 6})));
  EXPECT_TRUE(std::get<FeedGrant>(grant.value()) == (FeedGrant{kFeed, 5, 6}));
  const auto gone = decode_feed_tiding(encode(FeedTiding(FeedGone{kFeed})));
  EXPECT_TRUE(std::get<FeedGone>(gone.value()) == FeedGone{kFeed});
}

// As many moves as go into one frame, each in a layer of its own, and as many layers that were cleared.
TEST(FeedMessage, EveryItemMayBeOfALayerOfItsOwn) {
  FeedItems items{kFeed, 9, FeedScan::kNone, {}, {}, {}};
  for (std::size_t i = 0; i < limits::kFeedItemsMax; ++i) {
    items.moves.push_back({LayerId::trusted("set-" + std::to_string(i)), "ada", 1.5, 2 * i, false, false, false});
    items.cleared.push_back({LayerId::trusted("cleared-" + std::to_string(i)), 2 * i + 1});
  }
  const auto again = decode_feed_tiding(encode(FeedTiding(std::make_shared<const FeedItems>(items))));
  ASSERT_TRUE(again.has_value()) << again.error().to_string();
  EXPECT_TRUE(*std::get<std::shared_ptr<const FeedItems>>(*again) == items);
}

TEST(FeedMessage, AnyFlippedBitIsSeen) {
  const std::string bytes = encode(FeedTiding(std::make_shared<const FeedItems>(some_items())));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(decode_feed_tiding(damaged).has_value());
  }
}

TEST(FeedMessage, AFrameHasAsManyItemsAsMayBeAndNotOneMore) {
  FeedItems items{kFeed, 1, FeedScan::kPage, {}, {}, {}};
  const std::string longest(limits::kMemberBytesMax, 'm');
  for (std::size_t i = 0; i < limits::kFeedItemsMax; ++i) {
    std::string name(limits::kNameBytesMax, 'l');
    name.replace(0, 4, std::to_string(1000 + i));
    items.moves.push_back({LayerId::trusted(name), longest, 1.0, i + 1});
  }
  const std::string bytes = encode(FeedTiding(std::make_shared<const FeedItems>(items)));
  EXPECT_LE(bytes.size(), limits::kFeedFrameBytesMax);
  EXPECT_TRUE(decode_feed_tiding(bytes).has_value());
  items.moves.push_back(items.moves.back());
  const auto more = decode_feed_tiding(encode(FeedTiding(std::make_shared<const FeedItems>(items))));
  ASSERT_FALSE(more.has_value());
  EXPECT_EQ(more.error().code, ErrorCode::kTooLarge);
}

TEST(FeedMessage, LongerBytesThanAFrameMayHaveAreNotRead) {
  const auto read = decode_feed_tiding(std::string(limits::kFeedFrameBytesMax + 1, 't'));
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code, ErrorCode::kTooLarge);
  EXPECT_EQ(read.error().detail, "has " + std::to_string(limits::kFeedFrameBytesMax + 1) + " bytes, the limit is " +
                                     std::to_string(limits::kFeedFrameBytesMax));
}

// What is no number has no place in any order, and would be nowhere and somewhere.
TEST(FeedMessage, AScoreThatIsNoNumberIsRefused) {
  FeedItems items{kFeed, 1, FeedScan::kPage, {}, {}, {}};
  items.moves.push_back({LayerId::trusted("people"), "ada", std::numeric_limits<double>::infinity(), 1});
  EXPECT_TRUE(decode_feed_tiding(encode(FeedTiding(std::make_shared<const FeedItems>(items)))).has_value());
  items.moves.back().score = std::numeric_limits<double>::quiet_NaN();
  const auto read = decode_feed_tiding(encode(FeedTiding(std::make_shared<const FeedItems>(items))));
  ASSERT_FALSE(read.has_value());
  EXPECT_EQ(read.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(read.error().field, "score");
}

TEST(FeedMessage, AViewThatIsNoneIsRefused) {
  EXPECT_FALSE(decode_feed_request(encode(FeedRequest(FeedSubscribe{kFeed, {}}))).has_value());
  EXPECT_FALSE(decode_feed_request(encode(FeedRequest(FeedSubscribe{kFeed, {NodeId(2), NodeId(2)}}))).has_value());
  std::vector<NodeId> view;
  for (std::uint64_t id = 1; id <= limits::kClusterNodesMax; ++id) view.emplace_back(id);
  EXPECT_TRUE(decode_feed_request(encode(FeedRequest(FeedSubscribe{kFeed, view}))).has_value());
  view.emplace_back(limits::kClusterNodesMax + 1);
  EXPECT_FALSE(decode_feed_request(encode(FeedRequest(FeedSubscribe{kFeed, view}))).has_value());
}

TEST(FeedMessage, NothingAtAllIsNoMessage) {
  EXPECT_FALSE(is_feed_request(""));
  EXPECT_FALSE(decode_feed_request("").has_value());
  EXPECT_FALSE(decode_feed_tiding("").has_value());
}

}  // namespace
}  // namespace earshot::actors
