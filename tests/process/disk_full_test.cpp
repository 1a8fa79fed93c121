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

class DiskFull : public tests::ProcessTest {
 protected:
  void SetUp() override {
    if (!disk_.is_there()) GTEST_SKIP() << "this system does not let the test mount a small file system (root may)";
    start_node_on(directory_ / "disk/node", {}, disk_.wrapper());
  }
  // Sends until the node says that the disk is full.
  void wait_until_refused(tests::RawDevice& sender) {
    constexpr unsigned kAnswerMs = 500;  // what is let in before the disk is known to be full waits for room
    const std::string body(64 << 10, '.');
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (std::uint64_t number = 1; std::chrono::steady_clock::now() < give_up;) {
      const auto answers = sender.send_within({tests::message_to("carol", number, body)}, kAnswerMs);
      if (!answers) continue;
      if (std::holds_alternative<Stored>(answers->at(0).value)) ++number;
      const auto* held = std::get_if<SendAnswer::Held>(&answers->at(0).value);
      if (held == nullptr || held->error.code != ErrorCode::kStorageFull) continue;
      EXPECT_GT(held->error.retry_after_ms, 0u);
      return;
    }
    FAIL() << "the node never said that its disk is full";
  }

  tests::SmallDisk disk_{directory_ / "disk", 64};
  const std::unique_ptr<kj::AsyncIoContext> io_ = std::make_unique<kj::AsyncIoContext>(kj::setupAsyncIo());
};

TEST_F(DiskFull, SendsWaitReadsGoOnAndRoomMendsEverything) {
  constexpr std::uint64_t kBefore = 300;
  constexpr std::uint64_t kMessages = 600;
  const auto texts = numbered(kMessages);
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
  const auto page = (*bob)->history(Sequence(), kBefore).get();
  ASSERT_TRUE(page) << page.error().to_string();
  EXPECT_EQ(page->messages.size(), kBefore);
  EXPECT_LT((*alice)->stats().sent, kMessages);

  disk_.free();
  flush(*alice);
  ASSERT_TRUE(bob->wait_for(kMessages));
  EXPECT_EQ(bodies_of(store->messages()), texts);
  node().kill();
  node().start();
  EXPECT_EQ(bodies_of(mailbox("bob")), texts);
}

TEST_F(DiskFull, NodeThatFillsItsOwnDiskAndIsKilledLosesNothing) {
  constexpr std::uint64_t kUnansweredMax = 64;
  disk_.take(44 << 20);  // what the node stores stands in its log and later in its tables too
  const auto bob = open_sender("bob");
  ASSERT_TRUE((*bob)->wait_connected(tests::kPatienceMs));
  tests::RawDevice other(*io_, node().port(), "other", "phone");
  const auto alice = open_sender("alice");
  std::vector<std::string> texts;
  while (disk_.free_bytes() > (1 << 20)) {
    const auto is_full_or_follows = [&] {
      return disk_.free_bytes() <= (1 << 20) || (*alice)->stats().outbox_messages <= kUnansweredMax;
    };
    ASSERT_TRUE(tests::eventually(is_full_or_follows));
    texts.push_back(std::to_string(texts.size()) + std::string(64 << 10, '.'));
    post(*alice, "bob", {texts.back()});
  }
  wait_until_refused(other);
  const std::uint64_t answered = (*alice)->stats().sent;
  const auto newest = (*bob)->history(Sequence(), 1).get();
  ASSERT_TRUE(newest) << newest.error().to_string();
  EXPECT_GE(newest->messages.at(0).sequence.value, answered);

  node().kill();
  node().start();  // on the full disk
  disk_.free();
  flush(*alice);
  EXPECT_EQ((*alice)->stats().sent, texts.size());
  EXPECT_TRUE(bodies_of(mailbox("bob")) == texts) << texts.size() << " messages of 64 KiB";
  std::cout << answered << " of " << texts.size() << " messages were stored before the disk was full" << std::endl;
}

}  // namespace
}  // namespace earshot
