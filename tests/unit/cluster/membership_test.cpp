#include "cluster/membership.hpp"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace earshot::cluster {
namespace {

constexpr NodeId kSelf{1}, kOther{2}, kThird{3};

Member voter(NodeId node) { return {node, "node-" + std::to_string(node.value), true}; }
Member standby(NodeId node) { return {node, "node-" + std::to_string(node.value), false}; }

bool others_have_state(const std::vector<Member>& members) {
  return Membership::of(members, kSelf).others_have_state();
}

TEST(Membership, NobodyElseHasTheStateOfAnOnlyVoter) {
  EXPECT_FALSE(others_have_state({}));
  EXPECT_FALSE(others_have_state({voter(kSelf)}));
  EXPECT_FALSE(others_have_state({voter(kSelf), standby(kOther)})) << "which is about to get it";
}

TEST(Membership, OtherVotersHaveTheState) {
  EXPECT_TRUE(others_have_state({voter(kSelf), voter(kOther)}));
  EXPECT_TRUE(others_have_state({standby(kSelf), voter(kOther)}));
  EXPECT_TRUE(others_have_state({voter(kOther), voter(kThird)})) << "of which this one is no member any more";
}

TEST(Membership, OfALogIsThatOfItsNewestConfiguration) {
  storage::LoadedLog log;
  EXPECT_TRUE(members_in(log).empty());
  const std::vector<Member> before{voter(kSelf)};
  log.snapshot = {LogIndex(3), Term(1), encode_members(before), LogIndex(1)};
  EXPECT_EQ(members_in(log), before);
  const std::vector<Member> after{voter(kSelf), voter(kOther)};
  const auto add = [&log](std::uint64_t index, storage::EntryType type, std::string data) {
    log.entries.push_back({LogIndex(index), Term(1), type, std::make_shared<const std::string>(std::move(data))});
  };
  add(4, storage::EntryType::kConfiguration, encode_members(after));
  add(5, storage::EntryType::kCommand, "anything");
  EXPECT_EQ(members_in(log), after);
}

}  // namespace
}  // namespace earshot::cluster
