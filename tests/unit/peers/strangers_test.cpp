#include <array>
#include <optional>
#include <string>
#include <thread>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peers/frame.hpp"
#include "peers/greeting.hpp"
#include "tests/support/log_capture.hpp"
#include "tests/support/peer_fixture.hpp"

namespace earshot::peers {
namespace {

using cluster::PeerTopic;
using tests::eventually;
using tests::PeerHost;
using tests::PeerTest;

// A connection that says whatever the test wants, and waits at most ten seconds for what it reads.
class RawPeer {
 public:
  explicit RawPeer(std::uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  }
  explicit RawPeer(int fd) : fd_(fd) {}
  ~RawPeer() { ::close(fd_); }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  void say(const std::string& bytes) const { (void)!::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
  std::optional<std::string> read(std::size_t size) const {
    std::string bytes(size, '\0');
    std::size_t got = 0;
    while (got < size) {
      const ssize_t part = ::recv(fd_, bytes.data() + got, size - got, 0);
      if (part <= 0) return std::nullopt;
      got += static_cast<std::size_t>(part);
    }
    return bytes;
  }
  // Reads until it is closed; false when it is not.
  bool closes() const {
    std::array<char, 4096> sink;
    for (;;) {
      const ssize_t got = ::recv(fd_, sink.data(), sink.size(), 0);
      if (got == 0 || (got < 0 && errno == ECONNRESET)) return true;
      if (got < 0) return false;
    }
  }
  std::optional<Greeting> read_greeting() const {
    const auto head_bytes = read(kGreetingHeadBytes);
    if (!head_bytes) return std::nullopt;
    const auto head = decode_head(*head_bytes, 128 << 10);
    if (!head) return std::nullopt;
    const auto body = read(head->bytes);
    if (!body) return std::nullopt;
    auto greeting = decode_greeting(*head, *body);
    return greeting ? std::optional(std::move(*greeting)) : std::nullopt;
  }
  std::optional<RefusalReason> read_refusal() const {
    const auto greeting = read_greeting();
    const auto* refusal = greeting ? std::get_if<Refusal>(&*greeting) : nullptr;
    return refusal ? std::optional(refusal->reason) : std::nullopt;
  }

 private:
  const int fd_;
};

std::string frame_bytes(PeerTopic topic, const std::string& body, std::uint8_t flags = 0) {
  std::string head(kHeaderBytes, '\0');
  write_header(head.data(), static_cast<std::uint8_t>(topic), flags, 0, body);
  return head + body;
}

class StrangersTest : public PeerTest {
 protected:
  // Node 1, which knows a node 2 that it cannot reach.
  PeerHost& start_one(std::function<void(PeerLinksOptions&)> change = {}) {
    auto options = options_of(1);
    if (change) change(options);
    one_ = std::make_unique<PeerHost>(std::move(options));
    one_->start();
    one_->links->set_nodes({{NodeId(2), {}}});
    return *one_;
  }
  [[nodiscard]] RawPeer dial() const { return RawPeer(*one_->options.port); }
  static Hello hello(std::uint64_t node = 2, std::uint64_t boot = 22) {
    Hello hello;
    hello.cluster_id = kCluster;
    hello.node = NodeId(node);
    hello.boot = boot;
    return hello;
  }
  // Becomes node 2's link.
  void link(const RawPeer& peer, std::uint64_t boot = 22) {
    peer.say(encode(hello(2, boot)));
    const auto greeting = peer.read_greeting();
    ASSERT_TRUE(greeting && std::holds_alternative<Welcome>(*greeting));
    peer.say(encode(Start{}));
    ASSERT_TRUE(eventually([&] { return one_->links->is_up(NodeId(2)); }));
  }

  std::unique_ptr<PeerHost> one_;
};

TEST_F(StrangersTest, GarbageIsClosedAndOthersAreServedAllTheWhile) {
  start_one();
  for (const std::string& garbage : {std::string("GET / HTTP/1.1\r\nHost: earshot\r\n\r\n"), std::string(100'000, '\0'),
                                     std::string(64, '\xff'), encode(Start{}), encode(Request{"x"})}) {
    const RawPeer stranger = dial();
    stranger.say(garbage);
    EXPECT_TRUE(stranger.closes());
  }
  link(dial());
}

TEST_F(StrangersTest, AGreetingThatSaysItIsHugeIsClosedByItsHead) {
  start_one();
  std::string bytes = encode(hello());
  put_u64(bytes.data() + 8, 1 << 30);
  const RawPeer stranger = dial();
  stranger.say(bytes);
  EXPECT_TRUE(stranger.closes());
}

TEST_F(StrangersTest, HalfAHandshakeEndsWithItsTime) {
  start_one([](PeerLinksOptions& options) { options.reception.handshake_ms = 50; });
  const std::string whole = encode(hello());
  const RawPeer silent = dial(), half = dial(), welcomed = dial();
  half.say(whole.substr(0, whole.size() / 2));
  welcomed.say(whole);
  EXPECT_TRUE(silent.closes());
  EXPECT_TRUE(half.closes());
  EXPECT_TRUE(welcomed.closes()) << "though it never said start";
  EXPECT_FALSE(one_->links->is_up(NodeId(2)));
  EXPECT_EQ(one_->links->counters().guests_failed, 3u);
}

TEST_F(StrangersTest, StrangersAtTheirLimitMakeRoomForWhoComesThen) {
  start_one([](PeerLinksOptions& options) {
    options.reception.strangers_max = 4;
    options.reception.handshake_ms = 60'000;
  });
  std::vector<std::unique_ptr<RawPeer>> strangers;
  for (int i = 0; i < 4; ++i) strangers.push_back(std::make_unique<RawPeer>(*one_->options.port));
  link(dial());
  EXPECT_TRUE(strangers.front()->closes()) << "the oldest made room";
}

TEST_F(StrangersTest, EachKindOfStrangerIsToldWhyAndSoIsTheLog) {
  tests::LogCapture log;
  start_one();
  const auto refusal_of = [&](const Hello& said) {
    const RawPeer stranger = dial();
    stranger.say(encode(said));
    return stranger.read_refusal();
  };
  Hello cluster = hello(), protocol = hello();
  cluster.cluster_id = 1;
  protocol.protocol = {7, 9};
  EXPECT_EQ(refusal_of(cluster), RefusalReason::kCluster);
  EXPECT_EQ(refusal_of(protocol), RefusalReason::kProtocol);
  EXPECT_EQ(refusal_of(hello(5)), RefusalReason::kUnknownNode);
  EXPECT_EQ(refusal_of(hello(1)), RefusalReason::kOwnIdentity);
  EXPECT_EQ(one_->links->counters().guests_refused, 4u);
  one_->stop();
  EXPECT_NE(log.take().find("is of cluster 1, node 1 of cluster 4711"), std::string::npos);
}

TEST_F(StrangersTest, ANodeOfAnotherClusterOrProtocolIsRefusedInItsOwnLogToo) {
  tests::LogCapture log;
  start_one();
  auto foreign = options_of(2);
  foreign.cluster_id = 1;
  auto newer = options_of(2);
  newer.protocol = {8, 9};
  for (const auto& options : {foreign, newer}) {
    PeerHost two(options);
    two.start();
    two.links->set_nodes({{NodeId(1), {one_->address()}}});
    ASSERT_TRUE(eventually([&] { return two.links->counters().dials_failed >= 2; }));
    EXPECT_FALSE(two.links->is_up(NodeId(1)));
  }
  one_->stop();
  const std::string said = log.take();
  EXPECT_NE(said.find("refuses this node: node 2 is of cluster 1"), std::string::npos) << said;
  EXPECT_NE(said.find("protocol ranges that do not overlap: node 2 speaks 8 to 9, node 1 speaks 1"), std::string::npos);
}

TEST_F(StrangersTest, ASecondProcessWithTheIdentityOfALinkedOneIsRefusedWhileThatAnswers) {
  tests::LogCapture log;
  PeerHost& one = start_one();
  const auto two = make(2), twin = make(2);
  two->start(), twin->start();
  two->links->set_nodes({{NodeId(1), {one.address()}}});
  expect_linked(one, *two);
  twin->links->set_nodes({{NodeId(1), {one.address()}}});
  ASSERT_TRUE(eventually([&] { return twin->links->counters().dials_failed >= 2; }));
  EXPECT_TRUE(is_linked(one, *two)) << "the first one keeps its link";
  EXPECT_EQ(one.heard.downs(NodeId(2)), 0u);
  EXPECT_EQ(twin->heard.ups(NodeId(1)), 0u);
  two->stop();
  ASSERT_TRUE(eventually([&] { return twin->links->is_up(NodeId(1)); })) << "it is the only one now";
  twin->stop(), one.stop();
  EXPECT_NE(log.take().find("another process is connected as node 2"), std::string::npos);
}

TEST_F(StrangersTest, ARestartedNodeTakesThePlaceOfItsDeadLinkThatNobodyClosed) {
  start_one(
      [](PeerLinksOptions& options) { options.times = {.heartbeat_ms = 20, .silence_ms = 200, .stall_ms = 60'000}; });
  const RawPeer dead = dial(), restarted = dial();
  link(dead, 22);
  // Says nothing any more, not even to the probe.
  restarted.say(encode(hello(2, 23)));
  const auto greeting = restarted.read_greeting();
  ASSERT_TRUE(greeting && std::holds_alternative<Welcome>(*greeting));
  restarted.say(encode(Start{}));
  ASSERT_TRUE(eventually([&] { return one_->heard.ups(NodeId(2)) == 2; }));
  EXPECT_EQ(one_->heard.changes(), (std::vector<std::string>{"up 2", "down 2", "up 2"}));
}

TEST_F(StrangersTest, TheSameProcessConnectingAnewReplacesItsLink) {
  start_one();
  const RawPeer first = dial(), second = dial();
  link(first);
  second.say(encode(hello()));
  const auto greeting = second.read_greeting();
  ASSERT_TRUE(greeting && std::holds_alternative<Welcome>(*greeting));
  EXPECT_TRUE(one_->links->is_up(NodeId(2))) << "until it starts";
  second.say(encode(Start{}));
  ASSERT_TRUE(eventually([&] { return one_->heard.ups(NodeId(2)) == 2; }));
  EXPECT_TRUE(first.closes());
  second.say(frame_bytes(PeerTopic::kCall, "on the new one"));
  ASSERT_TRUE(eventually([&] { return one_->heard.count() == 1; }));
}

TEST_F(StrangersTest, FramesThatAreNoneEndTheLinkAndNothingElse) {
  start_one([](PeerLinksOptions& options) { options.times.silence_ms = 60'000; });
  std::string flipped = frame_bytes(PeerTopic::kCall, "hello");
  flipped.back() ^= 1;
  std::string huge(kHeaderBytes, '\0');
  huge[3] = 0x7f;
  for (const std::string& bytes : {flipped, huge, frame_bytes(PeerTopic::kCall, "x", kContinues)}) {
    const RawPeer peer = dial();
    link(peer);
    peer.say(bytes);
    EXPECT_TRUE(peer.closes());
    ASSERT_TRUE(eventually([&] { return !one_->links->is_up(NodeId(2)); }));
  }
  EXPECT_EQ(one_->links->counters().frames_broken, 3u);
  EXPECT_EQ(one_->heard.count(), 0u);
  link(dial());
}

// ---- questions of joiners

class QuestionsTest : public StrangersTest {
 protected:
  static PeerLinksOptions joiner() {
    PeerLinksOptions options;
    return options;
  }
  const SystemClock clock_;
};

TEST_F(QuestionsTest, AJoinersQuestionIsAnsweredOnAConnectionOfItsOwn) {
  auto options = options_of(1);
  one_ = std::make_unique<PeerHost>(options);
  one_->heard.on_request([](std::string request, const std::function<void(std::string)>& answer) {
    std::thread([answer, request = std::move(request)] { answer("you said " + request); }).detach();
  });
  one_->start();
  const auto answer = ask_and_wait(joiner(), one_->address(), "may I join?", clock_);
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(*answer, "you said may I join?");
  EXPECT_TRUE(one_->heard.changes().empty()) << "it is no link";
}

TEST_F(QuestionsTest, TheLargestQuestionAndAnswerGoThroughAndAByteMoreDoesNot) {
  one_ = make(1);
  one_->heard.on_request(
      [](std::string request, const std::function<void(std::string)>& answer) { answer(std::move(request)); });
  one_->start();
  const std::string largest(limits::kPeerRequestBytesMax, 'q');
  const auto answer = ask_and_wait(joiner(), one_->address(), largest, clock_);
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(*answer, largest);
  EXPECT_EQ(ask_and_wait(joiner(), one_->address(), largest + "q", clock_).error().code, ErrorCode::kTooLarge);
}

TEST_F(QuestionsTest, WhereNobodyAnswersTheAskerIsToldAndNotKeptWaiting) {
  start_one();  // its node answers no questions
  const auto nobody = ask_and_wait(joiner(), one_->address(), "anybody?", clock_);
  ASSERT_FALSE(nobody);
  EXPECT_EQ(nobody.error().code, ErrorCode::kUnavailable);
  const auto refused = ask_and_wait(joiner(), "127.0.0.1:1", "anybody?", clock_);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  auto newer = joiner();
  newer.protocol = {5, 6};
  EXPECT_EQ(ask_and_wait(newer, one_->address(), "x", clock_).error().code, ErrorCode::kUnsupportedVersion);
}

TEST_F(QuestionsTest, AQuestionThatIsNeverAnsweredEndsWithItsTime) {
  std::vector<std::function<void(std::string)>> kept;
  auto options = options_of(1);
  options.reception.request_ms = 50;
  one_ = std::make_unique<PeerHost>(options);
  one_->heard.on_request(
      [&](const std::string&, std::function<void(std::string)> answer) { kept.push_back(std::move(answer)); });
  one_->start();
  const auto closed = ask_and_wait(joiner(), one_->address(), "?", clock_);
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().code, ErrorCode::kUnavailable);
  auto hasty = joiner();
  hasty.reception.request_ms = 20;
  EXPECT_EQ(ask_and_wait(hasty, one_->address(), "?", clock_).error().code, ErrorCode::kUnavailable);
  one_->stop();
  for (const auto& answer : kept) answer("too late");
}

TEST_F(QuestionsTest, MoreQuestionsThanAreAnsweredAtOnceAreRefusedAsBusy) {
  std::vector<std::function<void(std::string)>> waiting;
  std::mutex mutex;
  auto options = options_of(1);
  options.reception.requests_max = 2;
  one_ = std::make_unique<PeerHost>(options);
  one_->heard.on_request([&](std::string, std::function<void(std::string)> answer) {
    const std::lock_guard lock(mutex);
    waiting.push_back(std::move(answer));
  });
  one_->start();
  const auto count = [&] {
    const std::lock_guard lock(mutex);
    return waiting.size();
  };
  Hello asks = hello();
  asks.purpose = Purpose::kJoiner;
  const RawPeer first = dial(), second = dial(), third = dial();
  for (const RawPeer* peer : {&first, &second}) {
    peer->say(encode(asks));
    peer->say(encode(Request{"?"}));
  }
  ASSERT_TRUE(eventually([&] { return count() == 2; }));
  third.say(encode(asks));
  EXPECT_EQ(third.read_refusal(), RefusalReason::kBusy);
  for (const auto& answer : waiting) answer("!");
  (void)first.read_greeting();
  const auto answer = first.read_greeting();
  ASSERT_TRUE(answer && std::holds_alternative<Answer>(*answer));
  one_->stop();
}

TEST_F(QuestionsTest, QuestionsThatAreOpenWhenTheLinksEndAreClosed) {
  start_one();
  const int deaf = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(deaf, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(deaf, 1), 0);
  ::getsockname(deaf, reinterpret_cast<sockaddr*>(&address), &size);
  std::optional<ErrorCode> code;
  one_->links->ask("127.0.0.1:" + std::to_string(ntohs(address.sin_port)), "?",
                   [&](const Result<std::string>& answer) { code = answer.error().code; });
  one_->links->stop();
  EXPECT_EQ(code, ErrorCode::kClosed);
  one_->links->ask("127.0.0.1:1", "?", [&](const Result<std::string>& answer) { code = answer.error().code; });
  EXPECT_EQ(code, ErrorCode::kClosed);
  ::close(deaf);
}

// ---- settings

TEST_F(StrangersTest, PlaintextIsForLoopbackOnlyAndTheErrorNamesTheSetting) {
  const SystemClock clock;
  auto options = options_of(1);
  options.address = "0.0.0.0";
  const auto refused = PeerLinks::check(options, clock);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().field, "peer_tls_certificate");
  options.address = "nowhere";
  EXPECT_EQ(PeerLinks::check(options, clock).error().field, "peer_address");
  tests::LogCapture log;
  start_one();
  one_->links->set_nodes({{NodeId(2), {"192.0.2.1:7401"}}});
  ASSERT_TRUE(eventually([&] { return one_->links->counters().dials_failed >= 1; }));
  one_->stop();
  EXPECT_NE(log.take().find("without TLS only loopback addresses are dialled: peer_tls_certificate"),
            std::string::npos);
}

TEST_F(StrangersTest, APortThatIsTakenIsSaid) {
  start_one();
  auto options = options_of(2);
  options.port = one_->options.port;
  tests::HeardPeers heard;
  const SystemClock clock;
  const auto taken = PeerLinks::start(options, heard, clock);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().field, "peer_port");
}

}  // namespace
}  // namespace earshot::peers
