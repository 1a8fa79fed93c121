#include "storage/keys.hpp"

#include <set>

#include <gtest/gtest.h>

namespace earshot::storage::keys {
namespace {

UserId user(std::string_view text) { return UserId::trusted(text); }
DeviceId device(std::string_view text) { return DeviceId::trusted(text); }

TEST(Keys, NumbersSortAsBytes) {
  const auto ada = user("ada");
  EXPECT_LT(message(ada, Sequence(255)), message(ada, Sequence(256)));
  EXPECT_LT(message(ada, Sequence(1)), message(ada, Sequence(UINT64_MAX)));
  EXPECT_LT(outbox(ShardId(1), UINT64_MAX), outbox(ShardId(2), 0));
  EXPECT_LT(outbox_head(ShardId(255)), outbox_head(ShardId(256)));
  EXPECT_LT(lane(ProducerId(9)), lane(ProducerId(300)));
}

TEST(Keys, NoUsersRangeRunsIntoAnothers) {
  // "ada" is a prefix of the others; their keys must lie outside its ranges.
  for (const char* other : {"ada!", "adaa", "ad", "adb", "ada\xc3\xa9"}) {
    const std::string key = message(user(other), Sequence(7));
    const bool inside = key >= message(user("ada"), Sequence(0)) && key <= message(user("ada"), Sequence(UINT64_MAX));
    EXPECT_FALSE(inside) << other;
    const std::string other_cursor = cursor(user(other), device("phone"));
    EXPECT_FALSE(other_cursor >= cursors_from(user("ada")) && other_cursor < cursors_to(user("ada"))) << other;
  }
}

TEST(Keys, CursorRangeHoldsEveryDeviceOfItsUser) {
  for (const char* name : {"a", "phone", "\xf0\x9f\x93\xb1", "z"}) {
    const std::string key = cursor(user("ada"), device(name));
    EXPECT_GE(key, cursors_from(user("ada")));
    EXPECT_LT(key, cursors_to(user("ada")));
    EXPECT_EQ(device_of(key, user("ada")), device(name));
  }
}

TEST(Keys, PartsAreReadBack) {
  EXPECT_EQ(sequence_of(message(user("ada"), Sequence(0x0102030405060708))), Sequence(0x0102030405060708));
  EXPECT_EQ(number_of(outbox(ShardId(3), 77)), 77u);
  EXPECT_EQ(target_of(outbox_head(ShardId(0xabcd))), ShardId(0xabcd));
}

LayerId layer(std::string_view text) { return LayerId::trusted(text); }

TEST(Keys, AMemberMayBeAnyBytes) {
  for (const std::string& member : {std::string("ada"), std::string("\0a\xff\0", 4), std::string(256, '\xff')}) {
    const std::string key = position(layer("people"), member);
    EXPECT_EQ(layer_of(key), layer("people"));
    EXPECT_EQ(member_of(key), member);
    EXPECT_GE(key, positions_from(layer("people")));
    EXPECT_LT(key, positions_to(layer("people")));
    for (const char* other : {"people!", "peopl", "peoplf"}) {
      const std::string beside = position(layer(other), member);
      EXPECT_FALSE(beside >= positions_from(layer("people")) && beside < positions_to(layer("people"))) << other;
    }
    const PositionExpiry expiry{0x0102030405060708, layer("people"), member};
    EXPECT_EQ(position_expiry_of(position_expiry(expiry)), expiry);
    EXPECT_LT(position_expiry(expiry), position_expiries_to(expiry.at_ms));
    EXPECT_GT(position_expiry(expiry), position_expiries_to(expiry.at_ms - 1));
  }
  EXPECT_EQ(layer_of(layer_head(layer("people"))), layer("people"));
}

TEST(Keys, KindsDoNotCollide) {
  const std::set<std::string> all = {mailbox_head(user("u")),        message(user("u"), Sequence(1)),
                                     cursor(user("u"), device("d")), lane(ProducerId(1)),
                                     outbox(ShardId(1), 1),          outbox_head(ShardId(1)),
                                     inbound_head(ShardId(1)),       shard_head(),
                                     position(layer("l"), "m"),      position_expiry({1, layer("l"), "m"}),
                                     layer_head(layer("l"))};
  EXPECT_EQ(all.size(), 11u);
  std::set<char> kinds;
  for (const std::string& key : all) kinds.insert(key.front());
  EXPECT_EQ(kinds.size(), 11u);
}

TEST(Keys, LongestNamesFitLmdb) {
  const std::string name(128, 'n');
  EXPECT_LE(2 + cursor(user(name), device(name)).size(), 511u);
  EXPECT_LE(2 + message(user(name), Sequence(1)).size(), 511u);
  EXPECT_LE(2 + position_expiry({1, layer(name), std::string(256, 'm')}).size(), 511u);
}

TEST(Keys, DamagedKeysReadAsNoneAndNeverCrash) {
  for (std::size_t size = 0; size < 8; ++size) {
    const std::string key(size, 'M');
    EXPECT_EQ(sequence_of(key), Sequence());
    EXPECT_EQ(number_of(key), 0u);
    EXPECT_TRUE(device_of(key, user("someone else")).empty());
  }
  EXPECT_EQ(target_of("T"), ShardId());
  EXPECT_EQ(read_big_endian("\x01", 0, 2), 0x100u);
  EXPECT_EQ(read_big_endian("", 5, 8), 0u);
}

}  // namespace
}  // namespace earshot::storage::keys
