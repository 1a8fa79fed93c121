// A node on a disk that is full: nothing that was answered is lost, senders are told to wait, reads go on, and when
// there is room again everything goes on by itself.
#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/client_eventually.hpp"
#include "tests/support/process_client.hpp"
#include "tests/support/raw_device.hpp"
#include "tests/support/small_disk.hpp"

namespace earshot {
namespace {

using tests::bodies_of;
using tests::numbered;

// On a disk of 64 MiB: the ballast takes one of them, and messages stop when eight are left.
constexpr std::uint64_t kReserve = 8 << 20;

class DiskFull : public tests::ProcessTest {
 protected:
  void SetUp() override {
    if (!disk_.is_there()) GTEST_SKIP() << "this system does not let the test mount a small file system (root may)";
    start_node_on(directory_ / "disk/node", {"--disk-reserve-bytes", std::to_string(kReserve)}, disk_.wrapper());
  }
  // Whether a message of this device is refused because of the disk, with the time to come again. One that is stored
  // takes the next number.
  bool is_refused(tests::RawDevice& sender, const std::string& body = "x") {
    constexpr unsigned kAnswerMs = 500;  // what is let in before the disk is known to be full waits for room
    const auto answers = sender.send_within({tests::message_to("carol", probe_, body)}, kAnswerMs);
    if (!answers) return false;
    if (std::holds_alternative<Stored>(answers->at(0).value)) ++probe_;
    const auto* held = std::get_if<SendAnswer::Held>(&answers->at(0).value);
    if (held == nullptr || held->error.code != ErrorCode::kStorageFull) return false;
    EXPECT_GT(held->error.retry_after_ms, 0u);
    return true;
  }
  void wait_until_refused(tests::RawDevice& sender) {
    EXPECT_TRUE(tests::eventually([&] { return is_refused(sender); })) << "the node never said that its disk is full";
  }

  tests::SmallDisk disk_{directory_ / "disk", 64};
  const std::unique_ptr<kj::AsyncIoContext> io_ = std::make_unique<kj::AsyncIoContext>(kj::setupAsyncIo());
  std::uint64_t probe_ = 1;
};

TEST_F(DiskFull, SendsStopAtTheReserveAndEverythingElseGoesOn) {
  constexpr std::uint64_t kMessages = 300;
  send("alice", "bob", numbered(kMessages));
  tests::RawDevice other(*io_, node().port(), "other", "phone");
  EXPECT_FALSE(is_refused(other));

  disk_.take(disk_.free_bytes() - kReserve + (1 << 20));
  wait_until_refused(other);
  const std::uint64_t free_bytes = disk_.free_bytes();
  EXPECT_EQ(bodies_of(mailbox("bob")), numbered(kMessages)) << "a new login, and reads";
  tests::RawDevice tablet(*io_, node().port(), "bob", "tablet");
  const auto cursor = tablet.ack(kMessages);
  ASSERT_TRUE(cursor) << cursor.error().to_string();
  EXPECT_EQ(cursor->value, kMessages) << "acks are committed";
  EXPECT_TRUE(is_refused(other));
  EXPECT_GT(disk_.free_bytes() + (2 << 20), free_bytes) << "what goes on takes next to nothing";

  disk_.free();
  EXPECT_TRUE(tests::eventually([&] { return !is_refused(other); }));
  const auto alice = open_sender("alice");
  post(*alice, "bob", {"after"});
  flush(*alice);
  EXPECT_EQ(bodies_of(mailbox("bob")).back(), "after");
}

TEST_F(DiskFull, ReserveEatenByOthersStopsWritesButNotReadsAndRoomMendsEverything) {
  constexpr std::uint64_t kBefore = 300;
  constexpr std::uint64_t kMessages = 600;
  auto texts = numbered(kMessages);
  for (auto text = texts.begin() + kBefore; text != texts.end(); ++text) text->append(16 << 10, '.');
  const auto store = std::make_shared<client::MemoryStore>(tests::kKeepAll);
  const auto bob = open(options("bob"), store);
  const auto alice = open_sender("alice");
  post(*alice, "bob", {texts.begin(), texts.begin() + kBefore});
  flush(*alice);
  ASSERT_TRUE(bob->wait_for(kBefore));
  tests::RawDevice other(*io_, node().port(), "other", "phone");

  disk_.take();
  post(*alice, "bob", {texts.begin() + kBefore, texts.end()});
  wait_until_refused(other);
  disk_.take();  // and the ballast, if it was given up
  const auto page = (*bob)->history(Sequence(), kBefore).get();
  ASSERT_TRUE(page) << page.error().to_string();
  EXPECT_EQ(page->messages.size(), kBefore);
  EXPECT_LT((*alice)->stats().sent, kMessages) << "more than the ballast can take";

  disk_.free();
  flush(*alice);
  ASSERT_TRUE(bob->wait_for(kMessages));
  EXPECT_TRUE(bodies_of(store->messages()) == texts);
  node().kill();
  node().start();
  EXPECT_TRUE(bodies_of(mailbox("bob")) == texts);
}

TEST_F(DiskFull, NodeThatFillsItsOwnDiskStopsWithRoomToSpareAndReadsAfterARestart) {
  constexpr std::uint64_t kUnansweredMax = 64;
  tests::RawDevice other(*io_, node().port(), "other", "phone");
  const auto alice = open_sender("alice");
  std::vector<std::string> texts;
  for (bool is_full = false; !is_full;) {
    texts.push_back(std::to_string(texts.size()) + std::string(64 << 10, '.'));
    post(*alice, "bob", {texts.back()});
    ASSERT_TRUE(tests::eventually([&] {
      // Earlier it is refused for a moment only, while what is on its way may still take that room.
      is_full = is_refused(other) && disk_.free_bytes() < 2 * kReserve;
      return is_full || (*alice)->stats().outbox_messages <= kUnansweredMax;
    }));
    ASSERT_LT(texts.size(), 2'000u) << "more than the disk can hold";
  }
  const std::uint64_t answered = (*alice)->stats().sent;
  std::cout << answered << " of " << texts.size() << " messages were stored before the disk was full, "
            << (disk_.free_bytes() >> 20) << " MiB were left" << std::endl;
  EXPECT_GT(disk_.free_bytes(), std::uint64_t{1} << 20) << "what was let in has found its room";

  node().kill();  // first: it would use its ballast up
  disk_.take();
  node().start();  // on a disk without any room
  EXPECT_GE(mailbox("bob").size(), answered);
  disk_.free();
  node().kill();
  node().start();
  EXPECT_GE(mailbox("bob").size(), answered);
  (*alice)->close();
  const auto stored = bodies_of(mailbox("bob"));
  ASSERT_LE(stored.size(), texts.size());
  EXPECT_TRUE(std::equal(stored.begin(), stored.end(), texts.begin())) << stored.size() << " messages of 64 KiB";
}

}  // namespace
}  // namespace earshot
