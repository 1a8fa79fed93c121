#include "peers/link.hpp"

#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/peer_fixture.hpp"

namespace earshot::peers {
namespace {

struct Owner final : Link::Owner {
  void arrived(Link&, std::span<PeerFrame>) override {}
  void probe_answered(Link&) override {}
  void broken(Link&, const std::string&) override { ++breaks; }
  int breaks = 0;
};

Hello node_2() {
  Hello hello;
  hello.node = NodeId(2);
  return hello;
}

// A link whose other end is gone, which it has not been told yet.
struct BrokenLink {
  BrokenLink() {
    box.open();
    link.begin();
    io.waitScope.poll();
    pipe.ends[1] = nullptr;
  }

  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::TwoWayPipe pipe = io.provider->newTwoWayPipe();
  tests::SharedClock clock;
  PeerCounters counters;
  SendBox box{QueueBounds{}};
  Owner owner;
  Link link{Link::Parts{.stream = kj::mv(pipe.ends[0]),
                        .theirs = node_2(),
                        .box = box,
                        .counters = counters,
                        .clock = clock,
                        .times = {}},
            owner};
};

// Links are woken by tasks of the node's one queue, and looked at by its one round: neither may end with a link.
TEST(Link, WhoseOtherEndIsGoneBreaksWithoutHarmToWhoeverWakesIt) {
  BrokenLink broken;
  broken.box.put({cluster::PeerTopic::kRaft, storage::GroupId(1), std::make_shared<const std::string>("a frame")});
  EXPECT_NO_THROW(broken.link.wake());
  broken.io.waitScope.poll();
  EXPECT_EQ(broken.owner.breaks, 1);
}

TEST(Link, WhoseOtherEndIsGoneBreaksWithoutHarmToWhoeverLooksAtIt) {
  BrokenLink broken;
  broken.clock.advance(LinkTimes{}.heartbeat_ms);
  EXPECT_NO_THROW(broken.link.look());
  broken.io.waitScope.poll();
  EXPECT_EQ(broken.owner.breaks, 1);
}

}  // namespace
}  // namespace earshot::peers
