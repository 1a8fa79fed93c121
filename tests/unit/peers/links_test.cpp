#include <algorithm>
#include <chrono>
#include <iostream>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/byte_relay.hpp"
#include "tests/support/peer_fixture.hpp"

namespace earshot::peers {
namespace {

using cluster::PeerTopic;
using tests::ByteRelay;
using tests::eventually;
using tests::HeardPeers;
using tests::PeerHost;
using tests::PeerTest;

class LinksTest : public PeerTest {};

TEST_F(LinksTest, ThreeNodesFindEachOtherAndFramesArriveBothWays) {
  std::vector<std::unique_ptr<PeerHost>> hosts;
  std::vector<PeerHost*> all;
  for (std::uint64_t node = 1; node <= 3; ++node) {
    hosts.push_back(make(node));
    hosts.back()->start();
    all.push_back(hosts.back().get());
  }
  introduce(all);
  const auto each_pair = [&](const std::function<void(PeerHost&, PeerHost&)>& look) {
    for (const auto& one : hosts)
      for (const auto& other : hosts)
        if (one != other) look(*one, *other);
  };
  each_pair([](PeerHost& one, PeerHost& other) { expect_linked(one, other); });
  each_pair([](PeerHost& one, PeerHost& other) {
    EXPECT_TRUE(one.send(other.id(), PeerTopic::kCall, "from " + std::to_string(one.id().value), 7));
  });
  for (const auto& host : hosts) {
    ASSERT_TRUE(eventually([&] { return host->heard.count() == 2; }));
    for (const HeardPeers::Frame& frame : host->heard.frames()) {
      EXPECT_EQ(frame.body, "from " + std::to_string(frame.from.value));
      EXPECT_EQ(frame.topic, PeerTopic::kCall);
      EXPECT_EQ(frame.group, 7);
    }
  }
  for (const auto& host : hosts) {
    host->links->stop();
    EXPECT_EQ(host->heard.changes().size(), 4u) << "each link has come up once and gone once";
  }
}

TEST_F(LinksTest, AFrameOfANodeThatIsNotLinkedIsRefused) {
  const auto one = make(1);
  one->start();
  EXPECT_FALSE(one->send(NodeId(2), PeerTopic::kRaft, "x"));
  one->links->set_nodes({{NodeId(2), {"127.0.0.1:1"}}});
  EXPECT_FALSE(one->send(NodeId(2), PeerTopic::kRaft, "x"));
  EXPECT_FALSE(one->links->is_up(NodeId(2)));
  EXPECT_EQ(one->links->counters().sends_refused, 2u);
}

TEST_F(LinksTest, TwoThatDialAtOnceAgreeOnOneLinkThatStays) {
  for (int round = 0; round < 20; ++round) {
    const auto one = make(1), two = make(2);
    one->start(), two->start();
    introduce({one.get(), two.get()});
    expect_linked(*one, *two);
    ASSERT_TRUE(one->send(NodeId(2), PeerTopic::kCall, "there"));
    ASSERT_TRUE(two->send(NodeId(1), PeerTopic::kCall, "and back"));
    ASSERT_TRUE(eventually([&] { return one->heard.count() == 1 && two->heard.count() == 1; }));
    EXPECT_EQ(one->heard.ups(NodeId(2)), 1u);
    EXPECT_EQ(two->heard.ups(NodeId(1)), 1u);
  }
}

TEST_F(LinksTest, EitherEndAloneMakesTheLinkWhenTheOtherCannotDial) {
  for (const std::uint64_t dialler : {1, 2}) {
    const auto one = make(1), two = make(2);
    one->start(), two->start();
    PeerHost& dials = dialler == 1 ? *one : *two;
    PeerHost& waits = dialler == 1 ? *two : *one;
    waits.links->set_nodes({{dials.id(), {"127.0.0.1:1"}}});
    dials.links->set_nodes({{waits.id(), {"127.0.0.1:1", waits.address()}}});
    expect_linked(*one, *two);
  }
}

TEST_F(LinksTest, ANodeThatIsKilledAndComesBackIsLinkedAgain) {
  const auto one = make(1), two = make(2);
  one->start(), two->start();
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
  for (int round = 0; round < 3; ++round) {
    two->stop();
    ASSERT_TRUE(eventually([&] { return !one->links->is_up(NodeId(2)); }));
    EXPECT_FALSE(one->send(NodeId(2), PeerTopic::kRaft, "x"));
    two->start();
    introduce({one.get(), two.get()});
    expect_linked(*one, *two);
  }
  one->stop(), two->stop();
  EXPECT_EQ(one->heard.ups(NodeId(2)), 4u);
  EXPECT_EQ(one->heard.downs(NodeId(2)), 4u);
}

TEST_F(LinksTest, ANodeThatWasRemovedIsToldSoAndOneThatIsNotKnownYetIsNot) {
  const auto one = make(1), two = make(2), three = make(3);
  one->start(), two->start(), three->start();
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
  for (PeerHost* host : {two.get(), three.get()}) host->links->set_nodes({{NodeId(1), {one->address()}}});
  one->links->set_removed([](NodeId node) { return node == NodeId(2); });
  one->links->set_nodes({});
  ASSERT_TRUE(eventually([&] { return two->removals > 0; }));
  ASSERT_TRUE(eventually([&] { return three->links->counters().dials_failed >= 3; }));
  EXPECT_EQ(three->removals, 0u) << "it would end, and may only be early";
  EXPECT_EQ(one->removals, 0u);
}

TEST_F(LinksTest, NumbersAreKeptForEachNodeOverItsLinks) {
  const auto one = make(1), two = make(2);
  one->start(), two->start();
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
  const auto of_two = [&] {
    const auto readings = one->links->readings();
    return readings.size() == 1 ? readings[0] : cluster::PeerReading{};
  };
  ASSERT_TRUE(one->send(NodeId(2), PeerTopic::kCall, "there"));
  ASSERT_TRUE(two->send(NodeId(1), PeerTopic::kCall, "and back"));
  ASSERT_TRUE(eventually([&] { return one->heard.count() == 1 && two->heard.count() == 1; }));
  ASSERT_TRUE(eventually([&] { return of_two().frames_received == 1; })) << "counted behind the frame";
  EXPECT_EQ(of_two().node, NodeId(2));
  EXPECT_TRUE(of_two().is_up);
  EXPECT_EQ(of_two().frames_sent, 1u);
  EXPECT_GE(of_two().bytes_sent, 5u);
  EXPECT_GE(of_two().bytes_received, 8u);
  EXPECT_EQ(of_two().links_up, 1u);
  two->stop();
  ASSERT_TRUE(eventually([&] { return !of_two().is_up; }));
  EXPECT_FALSE(one->send(NodeId(2), PeerTopic::kCall, "lost"));
  EXPECT_EQ(of_two().sends_refused, 1u);
  EXPECT_EQ(of_two().links_broken, 1u);
  two->start();
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
  EXPECT_EQ(of_two().links_up, 2u);
  EXPECT_EQ(of_two().frames_sent, 1u) << "of the link before";
  one->links->set_nodes({});
  EXPECT_TRUE(eventually([&] { return one->links->readings().empty(); }));
}

TEST_F(LinksTest, ANodeThatIsNamedNoMoreIsCutOffAndStaysSo) {
  const auto one = make(1), two = make(2);
  one->start(), two->start();
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
  one->links->set_nodes({});
  ASSERT_TRUE(eventually([&] { return two->links->counters().dials_failed >= 2; })) << "it is refused";
  EXPECT_FALSE(one->links->is_up(NodeId(2)));
  EXPECT_EQ(two->heard.ups(NodeId(1)), 1u);
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
}

TEST_F(LinksTest, OrderOfEachTopicIsKeptWithinItsGroup) {
  const auto one = make(1), two = make(2);
  one->start(), two->start();
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
  constexpr int kFrames = 3'000;
  for (int i = 0; i < kFrames; ++i) {
    const auto topic = static_cast<PeerTopic>(1 + i % 6);
    // Of Raft both small ones and large ones.
    std::string body = std::to_string(i) + std::string(i % 36 == 0 ? 100'000 : 100, 'x');
    while (!one->send(NodeId(2), topic, body, static_cast<std::uint16_t>(i % 5))) std::this_thread::yield();
  }
  ASSERT_TRUE(eventually([&] { return two->heard.count() == kFrames; }));
  std::map<std::pair<PeerTopic, std::uint16_t>, int> last;
  for (const HeardPeers::Frame& frame : two->heard.frames()) {
    const int number = std::stoi(frame.body.substr(0, frame.body.find('x')));
    const auto key = std::pair(frame.topic, frame.topic == PeerTopic::kRaft ? frame.group : std::uint16_t{0});
    const auto [before, is_first] = last.try_emplace(key, -1);
    EXPECT_LT(before->second, number);
    before->second = number;
  }
}

TEST_F(LinksTest, FramesOfTheLargestSizeGoThrough) {
  const auto one = make(1), two = make(2);
  one->start(), two->start();
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
  std::string body(limits::kPeerFrameBytesMax, 'a');
  for (std::size_t i = 0; i < body.size(); i += 4096) body[i] = static_cast<char>('a' + i / 4096 % 26);
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(one->send(NodeId(2), PeerTopic::kRaft, body));
  ASSERT_TRUE(eventually([&] { return two->heard.count() == 3; }));
  for (const auto& frame : two->heard.frames()) EXPECT_TRUE(frame.body == body);
  EXPECT_FALSE(one->send(NodeId(2), PeerTopic::kRaft, body + "x"));
}

TEST_F(LinksTest, FramesSentWhenALinkComesUpFollowItAtOnce) {
  const auto one = make(1), two = make(2);
  one->heard.on_frame([&](NodeId from, const PeerFrame& frame) {
    // From inside an event, on the links' own thread.
    if (*frame.body != "done") one->links->send(from, {PeerTopic::kAnswer, frame.group, frame.body});
  });
  one->start(), two->start();
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(two->send(NodeId(1), PeerTopic::kCall, std::to_string(i)));
  ASSERT_TRUE(eventually([&] { return two->heard.count() == 100; }));
}

// Not asserted: it tells how fast this machine is.
TEST_F(LinksTest, AMillionSmallFramesArriveOnceEach) {
  const auto one = make(1), two = make(2);
  two->heard.keep_nothing();
  std::atomic<std::uint64_t> sum{0};
  two->heard.on_frame([&](NodeId, const PeerFrame& frame) { sum += std::stoull(*frame.body); });
  one->start(), two->start();
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
  constexpr std::uint64_t kFrames = 1'000'000;
  const auto begin = std::chrono::steady_clock::now();
  for (std::uint64_t i = 0; i < kFrames; ++i) {
    const auto body = std::make_shared<const std::string>(std::to_string(i) + std::string(118, ' '));
    while (!one->links->send(NodeId(2), {PeerTopic::kCall, storage::GroupId(1), body}))
      std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  const auto deadline = begin + std::chrono::minutes(4);
  while (two->heard.count() < kFrames && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  EXPECT_EQ(two->heard.count(), kFrames);
  EXPECT_EQ(sum, kFrames * (kFrames - 1) / 2);
  std::cout << static_cast<std::uint64_t>(static_cast<double>(kFrames) / seconds) << " frames/s, "
            << kFrames / one->links->counters().writes << " in one write" << std::endl;
}

// ---- slow, silent and stopped nodes

TEST_F(LinksTest, WhatWaitsForANodeThatIsNotReadIsBoundedAndElectionsGoOn) {
  auto slow = options_of(1);
  slow.queue.bytes_max = {1 << 20, 4 << 20, 1 << 20};
  slow.times = {.heartbeat_ms = 500, .silence_ms = 600'000, .stall_ms = 600'000};
  const auto one = std::make_unique<PeerHost>(slow);
  const auto two = make(2);
  two->options.times = slow.times;
  two->start();
  ByteRelay relay(*two->options.port);
  one->start();
  one->links->set_nodes({{NodeId(2), {relay.address()}}});
  two->links->set_nodes({{NodeId(1), {"127.0.0.1:1"}}});
  expect_linked(*one, *two);
  relay.hold(ByteRelay::kUp);
  std::size_t taken = 0;
  const std::string body(64 << 10, 'x');
  // Sockets hold some megabytes before the queue does.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  for (std::size_t refused = 0; refused < 100 && std::chrono::steady_clock::now() < deadline;) {
    if (one->send(NodeId(2), PeerTopic::kCall, body))
      ++taken, refused = 0;
    else
      ++refused, std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_LT(taken * body.size(), 64u << 20);
  EXPECT_FALSE(one->send(NodeId(2), PeerTopic::kAnswer, body));
  EXPECT_TRUE(one->send(NodeId(2), PeerTopic::kRaft, "vote for me")) << "Raft has room of its own";
  relay.open(ByteRelay::kUp);
  ASSERT_TRUE(eventually([&] { return two->heard.count() == taken + 1; })) << "nothing was lost";
  const auto frames = two->heard.frames();
  const auto vote = std::ranges::find(frames, PeerTopic::kRaft, &HeardPeers::Frame::topic);
  EXPECT_LT(vote - frames.begin(), static_cast<std::ptrdiff_t>(taken)) << "and passed what waited in the queue";
}

TEST_F(LinksTest, ANodeThatTakesNothingIsGivenUpAndLinkedAgainWhenItDoes) {
  const auto one = make(1), two = make(2);
  one->options.times = {.heartbeat_ms = 50, .silence_ms = 60'000, .stall_ms = 300};
  one->options.look_ms = 5;
  two->options.times.silence_ms = 60'000;
  two->start();
  ByteRelay relay(*two->options.port);
  one->start();
  one->links->set_nodes({{NodeId(2), {relay.address()}}});
  two->links->set_nodes({{NodeId(1), {"127.0.0.1:1"}}});
  expect_linked(*one, *two);
  relay.hold(ByteRelay::kUp);
  const std::string body(1 << 20, 'x');
  ASSERT_TRUE(eventually([&] {
    for (int i = 0; i < 8; ++i) one->send(NodeId(2), PeerTopic::kCall, body);
    return one->heard.downs(NodeId(2)) > 0;
  }));
  EXPECT_EQ(one->links->counters().links_stalled, 1u);
  relay.open(ByteRelay::kUp);
  expect_linked(*one, *two);
}

TEST_F(LinksTest, ASilentNodeIsGivenUpAndOneThatSaysHeartbeatsIsNot) {
  const auto one = make(1), two = make(2);
  one->options.times = two->options.times = {.heartbeat_ms = 20, .silence_ms = 400, .stall_ms = 60'000};
  two->start();
  ByteRelay relay(*two->options.port);
  one->start();
  one->links->set_nodes({{NodeId(2), {relay.address()}}});
  two->links->set_nodes({{NodeId(1), {"127.0.0.1:1"}}});
  expect_linked(*one, *two);
  // Several times as long as silence is borne.
  const std::uint64_t begun = one->links->counters().bytes_received;
  ASSERT_TRUE(eventually([&] { return one->links->counters().bytes_received >= begun + 60 * kHeaderBytes; }));
  EXPECT_EQ(one->heard.downs(NodeId(2)), 0u);
  relay.hold(ByteRelay::kDown);
  ASSERT_TRUE(eventually([&] { return one->heard.downs(NodeId(2)) == 1; }));
  EXPECT_EQ(one->links->counters().links_silent, 1u);
  relay.open(ByteRelay::kDown);
  expect_linked(*one, *two);
}

TEST_F(LinksTest, NoFlippedBitReachesANodeAndTheLinkIsMadeAnew) {
  const auto one = make(1), two = make(2);
  two->start();
  ByteRelay relay(*two->options.port);
  const std::string body(1'000, 'b');
  std::atomic<int> altered{0};
  two->heard.on_frame([&](NodeId, const PeerFrame& frame) { altered += *frame.body != body ? 1 : 0; });
  one->start();
  one->links->set_nodes({{NodeId(2), {relay.address()}}});
  two->links->set_nodes({{NodeId(1), {"127.0.0.1:1"}}});
  for (std::size_t round = 1; round <= 5; ++round) {
    expect_linked(*one, *two);
    relay.flip(ByteRelay::kUp);
    ASSERT_TRUE(eventually([&] {
      one->send(NodeId(2), PeerTopic::kCall, body);
      return two->heard.downs(NodeId(1)) == round;
    }));
  }
  EXPECT_EQ(altered, 0);
  EXPECT_GE(two->links->counters().frames_broken + two->links->counters().guests_failed, 5u);
}

TEST_F(LinksTest, TimeAloneDecidesWhoIsSilent) {
  tests::SharedClock clock;
  const auto one = make(1), two = make(2);
  for (const auto& host : {one.get(), two.get()}) {
    host->clock = &clock;
    host->options.look_ms = 1;
  }
  two->start();
  ByteRelay relay(*two->options.port);
  one->start();
  one->links->set_nodes({{NodeId(2), {relay.address()}}});
  two->links->set_nodes({{NodeId(1), {"127.0.0.1:1"}}});
  expect_linked(*one, *two);
  relay.hold(ByteRelay::kDown);
  relay.hold(ByteRelay::kUp);
  // Each step is seen: it makes both say a heartbeat.
  for (int steps = 0; steps < 3; ++steps) {
    const std::uint64_t before_one = one->links->counters().writes, before_two = two->links->counters().writes;
    clock.advance(limits::kPeerHeartbeatMs);
    ASSERT_TRUE(eventually(
        [&] { return one->links->counters().writes > before_one && two->links->counters().writes > before_two; }));
  }
  EXPECT_EQ(one->heard.downs(NodeId(2)), 0u);
  EXPECT_EQ(two->heard.downs(NodeId(1)), 0u);
  ASSERT_TRUE(eventually([&] {
    clock.advance(100);
    return one->heard.downs(NodeId(2)) == 1 && two->heard.downs(NodeId(1)) == 1;
  }));
}

}  // namespace
}  // namespace earshot::peers
