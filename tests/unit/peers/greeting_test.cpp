#include "peers/greeting.hpp"

#include <string>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "peers/admission.hpp"
#include "peers/link_watch.hpp"

namespace earshot::peers {
namespace {

Result<Greeting> decode(const std::string& bytes, std::size_t bytes_max = kGreetingBytesMax) {
  if (bytes.size() < kGreetingHeadBytes) return fail(ErrorCode::kCorrupt, "peer", "short");
  const auto head = decode_head(std::string_view(bytes).substr(0, kGreetingHeadBytes), bytes_max);
  if (!head) return fail(head.error());
  return decode_greeting(*head, std::string_view(bytes).substr(kGreetingHeadBytes));
}

Hello hello_of(std::uint64_t node, std::uint64_t boot = 1, std::uint64_t cluster = 9) {
  Hello hello;
  hello.cluster_id = cluster;
  hello.node = NodeId(node);
  hello.boot = boot;
  return hello;
}

TEST(Greeting, EachComesThroughAsItWas) {
  Hello hello = hello_of(3, 77);
  hello.protocol = {2, 5};
  hello.purpose = Purpose::kJoiner;
  hello.windows = {1, 2, 3};
  EXPECT_EQ(std::get<Hello>(*decode(encode(hello))), hello);
  EXPECT_EQ(std::get<Welcome>(*decode(encode(Welcome{hello}))).hello, hello);
  EXPECT_TRUE(std::holds_alternative<Start>(*decode(encode(Start{}))));
  const auto refusal = std::get<Refusal>(*decode(encode(Refusal{RefusalReason::kTwin, "two of them"})));
  EXPECT_EQ(refusal.reason, RefusalReason::kTwin);
  EXPECT_EQ(refusal.detail, "two of them");
  const std::string large(limits::kPeerRequestBytesMax, 'q');
  EXPECT_EQ(std::get<Request>(*decode(encode(Request{large}), 2 * large.size())).bytes, large);
  EXPECT_EQ(std::get<Answer>(*decode(encode(Answer{"yes"}))).bytes, "yes");
}

TEST(Greeting, AnyFlippedBitIsSeenAndEveryCutToo) {
  const std::string bytes = encode(hello_of(3));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    EXPECT_FALSE(decode(flipped)) << "bit " << bit;
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode(bytes.substr(0, size)));
}

TEST(Greeting, WhatSpeaksSomethingElseIsToldApart) {
  std::string tls(kGreetingHeadBytes, '\0');
  tls[0] = 22;
  EXPECT_NE(decode(tls).error().detail.find("TLS"), std::string::npos);
  EXPECT_EQ(decode("GET / HTTP/1.1\r\nHost: here\r\n\r\n").error().code, ErrorCode::kUnsupportedVersion);
}

TEST(Greeting, ALargerOneThanItsPlaceAllowsIsRefusedByItsHead) {
  const std::string bytes = encode(Request{std::string(kGreetingBytesMax, 'x')});
  const Error error = decode(bytes).error();
  EXPECT_EQ(error.code, ErrorCode::kTooLarge);
  EXPECT_EQ(error.detail, "a greeting has " + std::to_string(bytes.size() - kGreetingHeadBytes) +
                              " bytes, the limit is " + std::to_string(kGreetingBytesMax));
}

TEST(Greeting, AnEmptyOneIsNone) {
  std::string head = encode(Start{}).substr(0, kGreetingHeadBytes);
  std::fill(head.begin() + 8, head.begin() + 16, '\0');
  EXPECT_EQ(decode(head).error().code, ErrorCode::kCorrupt);
}

TEST(Greeting, ARefusalCannotSteerATerminal) {
  const auto refusal = std::get<Refusal>(*decode(encode(Refusal{RefusalReason::kBusy, "a\x1b[2Jb\nc\xc2\x9bz"})));
  EXPECT_EQ(refusal.detail, "a [2Jb c  z");
}

class Admission : public testing::Test {
 protected:
  Decision judge(const Hello& hello, Standing standing = {.is_known = true, .up = {}, .own_dial_greets = false}) {
    return judge_hello(self_, hello, standing);
  }
  static RefusalReason reason_of(const Decision& decision) {
    const auto* refusal = std::get_if<Refusal>(&decision);
    return refusal ? refusal->reason : RefusalReason::kUnknown;
  }
  const Self self_{.cluster_id = 9, .node = NodeId(2), .boot = 22, .protocol = {2, 3}};
  Hello from(std::uint64_t node, std::uint64_t boot = 1) {
    Hello hello = hello_of(node, boot);
    hello.protocol = {3, 4};
    return hello;
  }
};

TEST_F(Admission, ProtocolRangesThatDoNotOverlapAreRefusedByName) {
  Hello hello = from(1);
  EXPECT_TRUE(std::holds_alternative<Admit>(judge(hello)));
  hello.protocol = {4, 9};
  const Decision newer = judge(hello);
  EXPECT_EQ(reason_of(newer), RefusalReason::kProtocol);
  EXPECT_NE(std::get<Refusal>(newer).detail.find("4 to 9"), std::string::npos);
  EXPECT_NE(std::get<Refusal>(newer).detail.find("2 to 3"), std::string::npos);
  hello.protocol = {1, 1};
  EXPECT_EQ(reason_of(judge(hello)), RefusalReason::kProtocol);
}

TEST_F(Admission, StrangersOfEachKindAreRefusedWithTheirReason) {
  Hello other_cluster = from(1);
  other_cluster.cluster_id = 8;
  EXPECT_EQ(reason_of(judge(other_cluster)), RefusalReason::kCluster);
  EXPECT_EQ(reason_of(judge(from(2, 22))), RefusalReason::kOwnIdentity);
  EXPECT_EQ(reason_of(judge(from(2, 23))), RefusalReason::kOwnIdentity);
  EXPECT_EQ(reason_of(judge(from(5), {})), RefusalReason::kUnknownNode);
  EXPECT_EQ(reason_of(judge(from(5), {.was_removed = true, .up = {}})), RefusalReason::kRemoved);
  EXPECT_EQ(judge_welcome(self_, NodeId(3), from(4))->reason, RefusalReason::kOtherNode);
  EXPECT_FALSE(judge_welcome(self_, NodeId(4), from(4)));
}

TEST_F(Admission, OfTwoDialsAtOnceTheOneOfTheLowerIdStays) {
  const Standing greets{.is_known = true, .up = {}, .own_dial_greets = true};
  EXPECT_EQ(reason_of(judge(from(3), greets)), RefusalReason::kDuplicate) << "this node's dial goes on";
  EXPECT_TRUE(std::holds_alternative<Admit>(judge(from(1), greets))) << "the other one's does";
}

TEST_F(Admission, AConnectionThatIsMadeAnewReplacesTheOneThatStandsUnlessThisNodeDialledIt) {
  const auto up = [](std::uint64_t boot, bool dialled_here) {
    return Standing{.is_known = true, .up = Standing::Up{boot, dialled_here}, .own_dial_greets = false};
  };
  EXPECT_TRUE(std::get<Admit>(judge(from(3, 7), up(7, false))).replaces);
  EXPECT_TRUE(std::get<Admit>(judge(from(1, 7), up(7, false))).replaces);
  EXPECT_TRUE(std::get<Admit>(judge(from(1, 7), up(7, true))).replaces);
  EXPECT_EQ(reason_of(judge(from(3, 7), up(7, true))), RefusalReason::kDuplicate);
  EXPECT_TRUE(std::holds_alternative<Probe>(judge(from(3, 8), up(7, true)))) << "another process of that identity";
}

TEST(LinkWatch, WhoIsNotHeardIsSilentAndWhoTakesNothingStalls) {
  LinkWatch watch({.heartbeat_ms = 500, .silence_ms = 2'000, .stall_ms = 5'000}, 0);
  for (std::uint64_t now = 100; now < 2'000; now += 100) {
    watch.progressed(now);
    EXPECT_EQ(watch.look(now), LinkWatch::Verdict::kFine) << now;
  }
  EXPECT_EQ(watch.look(2'000), LinkWatch::Verdict::kSilent);
  watch.heard(2'000);
  for (std::uint64_t now = 2'100; now < 6'900; now += 100) {
    watch.heard(now);
    EXPECT_EQ(watch.look(now), LinkWatch::Verdict::kFine) << now;
  }
  EXPECT_EQ(watch.look(6'900), LinkWatch::Verdict::kStalled);
}

TEST(LinkWatch, HeartbeatsAreDueOnlyWhereNothingElseIsSaid) {
  LinkWatch watch({.heartbeat_ms = 500, .silence_ms = 2'000, .stall_ms = 5'000}, 0);
  EXPECT_FALSE(watch.heartbeat_due(499));
  EXPECT_TRUE(watch.heartbeat_due(500));
  watch.said(500);
  EXPECT_FALSE(watch.heartbeat_due(999));
}

TEST(LinkWatch, AProcessThatWasStoppedItselfJudgesNobodyByThatTime) {
  LinkWatch watch({.heartbeat_ms = 500, .silence_ms = 2'000, .stall_ms = 5'000}, 0);
  EXPECT_EQ(watch.look(100), LinkWatch::Verdict::kFine);
  EXPECT_EQ(watch.look(20'100), LinkWatch::Verdict::kFine);
  for (std::uint64_t now = 20'200; now < 22'000; now += 100)
    EXPECT_EQ(watch.look(now), LinkWatch::Verdict::kFine) << now;
  EXPECT_EQ(watch.look(22'000), LinkWatch::Verdict::kSilent) << "but by the time after it";
}

}  // namespace
}  // namespace earshot::peers
