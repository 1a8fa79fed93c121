#include "cluster/joining.hpp"

#include <string>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace earshot::cluster {
namespace {

const JoinAccepted kAccepted{7, NodeId(4), 64, {{NodeId(1), {"a:1"}}}};

std::string redirect(std::vector<std::string> peers) { return encode(JoinAnswer(JoinRedirect{std::move(peers)})); }
std::string refusal(std::string reason, bool is_final) {
  return encode(JoinAnswer(JoinRefused{std::move(reason), is_final}));
}
Joining::Ask ask_of(Joining& joining) { return std::get<Joining::Ask>(joining.next()); }
std::string address_of(Joining& joining) { return ask_of(joining).address; }

TEST(Joining, AcceptedEndsIt) {
  Joining joining({"a:1", "b:1"}, 1);
  EXPECT_EQ(address_of(joining), "a:1");
  joining.answered(encode(JoinAnswer(kAccepted)));
  EXPECT_EQ(std::get<JoinAccepted>(joining.next()), kAccepted);
}

TEST(Joining, AsksTheNextOneWhenOneDoesNotAnswerAndWaitsBeforeItAsksAllOfThemAgain) {
  Joining joining({"a:1", "b:1"}, 1);
  for (int round = 0; round < 8; ++round) {
    const Joining::Ask first = ask_of(joining);
    EXPECT_EQ(first.address, "a:1");
    EXPECT_EQ(first.wait_ms > 0, round > 0);
    EXPECT_LE(first.wait_ms, 10'000u);
    joining.unanswered("cannot connect");
    EXPECT_EQ(ask_of(joining).wait_ms, 0u);
    EXPECT_EQ(address_of(joining), "b:1");
    joining.unanswered("cannot connect");
  }
  EXPECT_EQ(joining.last_trouble(), "cannot connect");
}

TEST(Joining, GoesWhereAMemberPointsAndComesBackWhenNobodyIsThere) {
  Joining joining({"a:1", "b:1"}, 1);
  joining.answered(redirect({"leader:1", "leader:2"}));
  EXPECT_EQ(address_of(joining), "leader:1");
  joining.unanswered("gone");
  EXPECT_EQ(address_of(joining), "leader:2");
  joining.unanswered("gone");
  EXPECT_EQ(address_of(joining), "b:1") << "who has pointed there would point there again";
}

TEST(Joining, MembersThatSendEachOtherRoundAreNotFollowedForEver) {
  Joining joining({"a:1"}, 1);
  std::uint64_t waited_ms = 0;
  for (int i = 0; i < 100; ++i) {
    waited_ms += ask_of(joining).wait_ms;
    joining.answered(redirect({"a:1"}));
  }
  EXPECT_GT(waited_ms, 10'000u);
}

TEST(Joining, APointerToNobodyCountsAsNoAnswer) {
  Joining joining({"a:1", "b:1"}, 1);
  joining.answered(redirect({}));
  EXPECT_EQ(address_of(joining), "b:1");
}

TEST(Joining, ARefusalForGoodEndsItAndAnotherOneDoesNot) {
  Joining joining({"a:1"}, 1);
  joining.answered(redirect({"leader:1", "leader:2"}));
  joining.answered(refusal("an election is under way", false));
  EXPECT_EQ(address_of(joining), "a:1") << "the leader's other address leads to the same node";
  EXPECT_GT(ask_of(joining).wait_ms, 0u);
  joining.answered(refusal("speaks another protocol", true));
  EXPECT_EQ(std::get<JoinRefused>(joining.next()).reason, "speaks another protocol");
}

TEST(Joining, WhatIsNoAnswerIsPassedOver) {
  Joining joining({"a:1", "b:1"}, 1);
  joining.answered("no message at all");
  EXPECT_EQ(address_of(joining), "b:1");
  EXPECT_NE(joining.last_trouble().find("no answer"), std::string::npos);
}

}  // namespace
}  // namespace earshot::cluster
