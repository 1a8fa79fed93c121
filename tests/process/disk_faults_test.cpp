// A node whose disk is slow, hangs, is full or breaks, as a preloaded shim makes it: what was acknowledged stays, what
// is let in is bounded, and the node either goes on or ends loudly.
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/client_eventually.hpp"
#include "tests/support/disk_control.hpp"
#include "tests/support/process_client.hpp"
#include "tests/support/raw_device.hpp"
#include "tests/support/sanitizers.hpp"

namespace earshot {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using tests::bodies_of;
using tests::DiskControl;
using tests::numbered;

constexpr int kAborted = 128 + SIGABRT;
constexpr int kEndMs = 30'000;

class DiskFaults : public tests::ProcessTest {
 protected:
  void start(std::vector<std::string> limit = {}) {
    auto wrapper = disk_.wrapper(false);
    limit.insert(limit.end(), wrapper.begin(), wrapper.end());
    start_node_on(disk_.data(), {"--disk-reserve-bytes", "1048576"}, std::move(limit));
  }
  // How long a page of history takes.
  static milliseconds time_of_read(tests::Device& reader) {
    const auto began = steady_clock::now();
    const auto page = reader->history(Sequence(), 10).get();
    EXPECT_TRUE(page) << page.error().to_string();
    return std::chrono::duration_cast<milliseconds>(steady_clock::now() - began);
  }

  // Whether a message of the device is held for this reason, with a time to come again.
  static bool is_held(tests::RawDevice& device, const std::string& to, ErrorCode why) {
    const auto answers = device.send_within({tests::message_to(to, 1, "x")}, 500);
    if (!answers) return false;
    const auto* held = std::get_if<SendAnswer::Held>(&answers->at(0).value);
    return held != nullptr && held->error.code == why && held->error.retry_after_ms > 0;
  }
  void expect_that_it_waits_for_room(const std::function<void(bool is_full)>& set_full) {
    auto io = kj::setupAsyncIo();
    start();
    send("early", "bob", numbered(20));
    tests::RawDevice other(io, node().port(), "other", "phone");
    const auto alice = open_sender("alice");
    ASSERT_TRUE((*alice)->wait_connected(tests::kPatienceMs));
    set_full(true);
    post(*alice, "bob", numbered(50));
    EXPECT_TRUE(tests::eventually([&] { return is_held(other, "carol", ErrorCode::kStorageFull); }));
    set_full(false);
    flush(*alice);
    auto texts = numbered(20);
    for (auto& text : numbered(50)) texts.push_back(text);
    EXPECT_EQ(bodies_of(mailbox("bob")), texts);
  }

  // A node whose disk breaks dies of it, and with a sound disk goes on where it was.
  void expect_that_it_ends_loudly(const std::function<void()>& break_disk) {
    start();
    send("early", "bob", numbered(200));
    const auto alice = open_sender("alice");
    ASSERT_TRUE((*alice)->wait_connected(tests::kPatienceMs));
    break_disk();
    post(*alice, "bob", {"201"});  // which the node can only store when its disk works
    EXPECT_EQ(node().wait_end(kEndMs), kAborted);
    disk_.mend();
    node().start();
    flush(*alice);
    EXPECT_EQ(bodies_of(mailbox("bob")), numbered(201));
  }

  DiskControl disk_{directory_ / "faults"};
};

TEST_F(DiskFaults, SlowDiskMakesGroupsLargerAndKeepsEverything) {
  constexpr std::uint64_t kSenders = 6;
  constexpr std::uint64_t kEach = 400;
  start();
  send("early", "bob", numbered(10));
  const auto reader = open_sender("bob");
  ASSERT_TRUE((*reader)->wait_connected(tests::kPatienceMs));
  std::vector<std::unique_ptr<tests::Device>> senders;
  for (std::uint64_t i = 0; i < kSenders; ++i) senders.push_back(open_sender("sender-" + std::to_string(i)));
  for (auto& sender : senders) ASSERT_TRUE((*sender)->wait_connected(tests::kPatienceMs));

  disk_.delay_syncs_ms(100);
  const std::uint64_t before = disk_.syncs();
  for (std::uint64_t i = 0; i < kSenders; ++i) post(*senders[i], "to-" + std::to_string(i), numbered(kEach));
  EXPECT_LT(time_of_read(*reader), milliseconds(2'000)) << "reads do not wait for the disk";
  for (auto& sender : senders) flush(*sender);
  const std::uint64_t syncs = disk_.syncs() - before;
  std::cout << kSenders * kEach << " messages took " << syncs << " syncs of 100 ms" << std::endl;
  EXPECT_LT(syncs, kSenders * kEach / 4);
  disk_.delay_syncs_ms(0);
  node().kill();
  node().start();
  for (std::uint64_t i = 0; i < kSenders; ++i)
    EXPECT_EQ(bodies_of(mailbox("to-" + std::to_string(i))), numbered(kEach));
}

// All of it is for one recipient, so that the shard's own bound is met first: what waits in it, and what it has handed
// to the disk already.
TEST_F(DiskFaults, HangingDiskLetsInNoMoreThanTheLimitsAndLosesNothing) {
  constexpr std::uint64_t kSenders = 8;
  constexpr std::uint64_t kEach = tests::kSanitized ? 250 : 500;
  constexpr std::size_t kAdmittedMax =
      limits::kShardPendingBytesMax + limits::kEntriesInFlightMax * limits::kEntryBytesMax;
  // Three quarters of what is posted: of what may be let in, the node takes 1.4 with mimalloc 2, 1.8 with 3.
  constexpr std::size_t kGrowthMax = kAdmittedMax * 2;
  auto io = kj::setupAsyncIo();
  const bool is_long = std::getenv("EARSHOT_LONG") != nullptr;
  const milliseconds hang(is_long ? 30'000 : 5'000);
  start();
  send("early", "bob", numbered(10));
  const auto reader = open_sender("bob");
  ASSERT_TRUE((*reader)->wait_connected(tests::kPatienceMs));
  std::vector<std::unique_ptr<tests::Device>> senders;
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; i < kEach; ++i) texts.push_back(std::to_string(i) + std::string(64 << 10, '.'));
  for (std::uint64_t i = 0; i < kSenders; ++i) {
    senders.push_back(open_sender("sender-" + std::to_string(i)));
    ASSERT_TRUE((*senders.back())->wait_connected(tests::kPatienceMs));
  }

  tests::RawDevice other(io, node().port(), "other", "phone");
  const std::size_t before = tests::anonymous_memory_bytes(node().pid());
  disk_.delay_syncs_ms(600'000);
  for (auto& sender : senders) post(*sender, "bob", texts);
  EXPECT_TRUE(tests::eventually([&] { return is_held(other, "bob", ErrorCode::kOverloaded); }));
  const auto began = steady_clock::now();
  std::size_t most = before;
  std::size_t at_half = before;
  while (steady_clock::now() - began < hang) {
    ASSERT_FALSE(node().wait_end(100)) << "the node has ended";  // looked at ten times a second while the hang lasts
    most = std::max(most, tests::anonymous_memory_bytes(node().pid()));
    if (steady_clock::now() - began < hang / 2) at_half = most;
    EXPECT_LT(time_of_read(*reader), milliseconds(tests::kSanitized ? 30'000 : 3'000))
        << "reads do not wait for the disk";
  }
  if (!tests::kSanitized) {
    EXPECT_LT(most, before + kGrowthMax);
  }
  std::cout << "after " << hang.count() << " ms: " << ((most - before) >> 20) << " MiB more than before, "
            << ((at_half - before) >> 20) << " MiB at half of the time, of "
            << (kSenders * kEach * texts[0].size() >> 20) << " MiB posted" << std::endl;
  disk_.delay_syncs_ms(0);
  for (auto& sender : senders) flush(*sender);
  std::map<std::string, std::vector<std::string>> stored;
  for (auto& message : mailbox("bob")) stored[message.sender.text()].push_back(std::move(message.body));
  for (std::uint64_t i = 0; i < kSenders; ++i)
    EXPECT_TRUE(stored["sender-" + std::to_string(i)] == texts) << "of sender " << i;
}

TEST_F(DiskFaults, FullDiskIsWaitedForAndNothingAdmittedIsDropped) {
  expect_that_it_waits_for_room([&](bool is_full) { is_full ? disk_.fail_writes(ENOSPC) : disk_.mend(); });
}

// A quota cuts a write short, as a full disk does, while the file system says that much is free.
TEST_F(DiskFaults, QuotaThatIsUsedUpIsWaitedForAsAFullDiskIs) {
  expect_that_it_waits_for_room([&](bool is_full) { disk_.use_up_quota(is_full); });
}

TEST_F(DiskFaults, QuotaThatIsRaisedWhileAWriteMeetsItStopsNothing) {
  start();
  send("early", "bob", numbered(20));
  disk_.cut_short(1);
  send("later", "bob", numbered(20));
  EXPECT_EQ(disk_.cuts_left(), 0u);
  EXPECT_EQ(bodies_of(mailbox("bob")).size(), 40u);
}

// A file system may find out only as it syncs that there is no room: what was not written is written again.
TEST_F(DiskFaults, SyncThatFailsForLackOfRoomIsWaitedForAsAFullDiskIs) {
  start();
  send("early", "bob", numbered(20));
  disk_.fail_syncs(ENOSPC, 1);
  send("later", "bob", numbered(20));
  EXPECT_EQ(disk_.sync_failures_left(), 0u);
  node().kill();
  node().start();
  EXPECT_EQ(bodies_of(mailbox("bob")).size(), 40u);
}

TEST_F(DiskFaults, WritesCutShortInARowThoughThereIsRoomEndTheProcess) {
  expect_that_it_ends_loudly([&] { disk_.cut_short(DiskControl::kEvery); });
}

TEST_F(DiskFaults, FailedSyncEndsTheProcessLoudlyAndLosesNothingAcknowledged) {
  expect_that_it_ends_loudly([&] { disk_.fail_syncs(EIO); });
}

// The next one would not fail: a disk that is asked again says that all is well, and what it has lost stays lost.
TEST_F(DiskFaults, OneFailedSyncEndsTheProcess) {
  expect_that_it_ends_loudly([&] { disk_.fail_syncs(EIO, 1); });
}

TEST_F(DiskFaults, FailedWriteIsNotTakenForAFullDisk) {
  expect_that_it_ends_loudly([&] { disk_.fail_writes(EIO); });
}

TEST_F(DiskFaults, OneFailedWriteEndsTheProcess) {
  expect_that_it_ends_loudly([&] { disk_.fail_writes(EIO, 1); });
}

// The disk hangs, so that what is let in stays in memory, of which there is less than the limits add up to.
TEST_F(DiskFaults, OutOfMemoryEndsTheProcessLoudlyAndLosesNothingAcknowledged) {
  constexpr std::uint64_t kSenders = 8;
  if (tests::kSanitized) GTEST_SKIP() << "a sanitizer does not live with so little memory";
  const std::string log = directory_ / "node.log";
  auto limit = tests::with_log(log);
  limit.insert(limit.end(), {"/usr/bin/prlimit", "--data=" + std::to_string(200u << 20)});
  start(std::move(limit));
  send("early", "bob", numbered(200));
  std::vector<std::unique_ptr<tests::Device>> senders;
  std::vector<std::string> texts;
  for (std::uint64_t i = 0; i < 400; ++i) texts.push_back(std::to_string(i) + std::string(64 << 10, '.'));
  for (std::uint64_t i = 0; i < kSenders; ++i) {
    senders.push_back(open_sender("sender-" + std::to_string(i)));
    ASSERT_TRUE((*senders.back())->wait_connected(tests::kPatienceMs));
  }
  disk_.delay_syncs_ms(600'000);
  for (std::uint64_t i = 0; i < kSenders; ++i) post(*senders[i], "to-" + std::to_string(i), texts);
  EXPECT_EQ(node().wait_end(kEndMs), kAborted);
  EXPECT_THAT(tests::text_of(log), testing::HasSubstr("earshot: out of memory"));
  disk_.delay_syncs_ms(0);
  start();  // without the limit
  EXPECT_EQ(bodies_of(mailbox("bob")), numbered(200));
}

}  // namespace
}  // namespace earshot
