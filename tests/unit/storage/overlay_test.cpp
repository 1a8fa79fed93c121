#include "storage/overlay.hpp"

#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace earshot::storage {
namespace {

using testing::ElementsAre;

std::vector<std::string> keys_of(const Overlay& overlay) {
  std::vector<std::string> keys;
  for (const Overlay::Change* change : overlay.in_order()) keys.emplace_back(change->key());
  return keys;
}

TEST(Overlay, TheLastChangeOfAKeyIsFound) {
  Overlay overlay;
  EXPECT_TRUE(overlay.empty());
  EXPECT_EQ(overlay.find("a"), nullptr);
  overlay.put("a", "1");
  overlay.put("a", "longer than before");
  overlay.put("b", "");
  overlay.erase("c");
  EXPECT_FALSE(overlay.empty());
  EXPECT_EQ(overlay.find("a")->value(), "longer than before");
  EXPECT_EQ(overlay.find("b")->value(), "") << "empty is not erased";
  EXPECT_EQ(overlay.find("c")->value(), std::nullopt);
  overlay.erase("a");
  overlay.put("c", "again");
  EXPECT_EQ(overlay.find("a")->value(), std::nullopt);
  EXPECT_EQ(overlay.find("c")->value(), "again");
}

TEST(Overlay, WhatComesAfterTheOrderWasAskedForFindsItsPlace) {
  Overlay overlay;
  for (const char* key : {"m", "c", "x"}) overlay.put(key, "1");
  EXPECT_THAT(keys_of(overlay), ElementsAre("c", "m", "x"));
  for (const char* key : {"z", "a", "m", "n"}) overlay.put(key, "2");
  overlay.erase("c");
  EXPECT_THAT(keys_of(overlay), ElementsAre("a", "c", "m", "n", "x", "z"));
  EXPECT_EQ((*overlay.in_order().lower_bound("m"))->value(), "2");
}

TEST(Overlay, KeysAreComparedAsBytes) {
  Overlay overlay;
  for (const std::string& key : {std::string("b\xff"), std::string("b\0", 2), std::string("b"), std::string("ba")})
    overlay.put(key, "1");
  EXPECT_THAT(keys_of(overlay), ElementsAre("b", std::string("b\0", 2), "ba", "b\xff"));
}

TEST(Overlay, BytesCountWhatIsKept) {
  Overlay overlay;
  EXPECT_EQ(overlay.bytes(), 0u);
  overlay.put("key", std::string(1'000, 'x'));
  const std::size_t one = overlay.bytes();
  EXPECT_GE(one, 1'003u);
  overlay.put("key", std::string(500, 'x'));
  EXPECT_EQ(overlay.bytes(), one + 500);
  overlay.erase("key");
  EXPECT_EQ(overlay.bytes(), one + 500);
}

// The shard scans what the state writer writes; whoever comes first puts it in order.
TEST(Overlay, WhatIsFrozenIsReadByTwoThreads) {
  for (int round = 0; round < 20; ++round) {
    Overlay overlay;
    for (int i = 0; i < 500; ++i) overlay.put(std::to_string(i * 7'919 % 1'000), "1");
    std::vector<std::string> seen[2];
    std::thread other([&] { seen[0] = keys_of(overlay); });
    seen[1] = keys_of(overlay);
    EXPECT_NE(overlay.find("0"), nullptr);
    other.join();
    EXPECT_EQ(seen[0].size(), 500u);
    EXPECT_EQ(seen[0], seen[1]);
  }
}

}  // namespace
}  // namespace earshot::storage
