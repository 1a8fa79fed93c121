#include "app/cluster_removal.hpp"

#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace earshot::app {
namespace {

// Nodes at "a", "b", …, each with an answer; who is asked is written down.
class FindWhoRemoves : public testing::Test {
 protected:
  Result<NodeRemoved> find(const std::vector<std::string>& servers) {
    return find_who_removes(servers, [this](const std::string& address) -> Result<RemovalAnswer> {
      asked.push_back(address);
      const auto found = answers.find(address);
      if (found == answers.end()) return fail(ErrorCode::kUnavailable, "", "Connection refused");
      return found->second;
    });
  }
  static Result<RemovalAnswer> points_to(std::vector<std::string> clients) { return AskLeader{std::move(clients)}; }

  std::map<std::string, Result<RemovalAnswer>> answers;
  std::vector<std::string> asked;
};

using Asked = std::vector<std::string>;

TEST_F(FindWhoRemoves, WhoIsAskedPointsToTheLeader) {
  answers.emplace("a", points_to({"dead", "b"}));
  answers.emplace("b", NodeRemoved{true});
  const auto removed = find({"a"});
  ASSERT_TRUE(removed);
  EXPECT_TRUE(removed->was_before);
  EXPECT_EQ(asked, (Asked{"a", "dead", "b"}));
}

TEST_F(FindWhoRemoves, ADeadNodeHidesNoOther) {
  answers.emplace("a", points_to({"dead"}));
  answers.emplace("c", NodeRemoved{});
  EXPECT_TRUE(find({"nowhere", "a", "c"}));
}

TEST_F(FindWhoRemoves, ARefusalStands) {
  answers.emplace("a", fail(ErrorCode::kConflict, "node", "it is there"));
  answers.emplace("b", NodeRemoved{});
  const auto removed = find({"a", "b"});
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, ErrorCode::kConflict);
  EXPECT_EQ(asked, (Asked{"a"}));
  EXPECT_FALSE(may_be_asked_again(removed.error()));
}

TEST_F(FindWhoRemoves, NodesThatSendEachOtherRoundAreLeftAfterAFewSteps) {
  answers.emplace("a", points_to({"b"}));
  answers.emplace("b", points_to({"a"}));
  const auto removed = find({"a"});
  ASSERT_FALSE(removed);
  EXPECT_TRUE(may_be_asked_again(removed.error()));
  EXPECT_LE(asked.size(), 5u);
}

TEST_F(FindWhoRemoves, WhatTheLastOneSaidIsTold) {
  answers.emplace("b", fail(ErrorCode::kDeadlineExceeded, "", "late"));
  const auto removed = find({"a", "b"});
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, ErrorCode::kDeadlineExceeded);
  EXPECT_TRUE(may_be_asked_again(removed.error()));
}

}  // namespace
}  // namespace earshot::app
