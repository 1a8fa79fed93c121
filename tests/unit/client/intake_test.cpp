#include "client/intake.hpp"

#include <atomic>
#include <map>

#include <gtest/gtest.h>

#include "client/memory_store.hpp"
#include "tests/support/client_eventually.hpp"

namespace earshot::client {
namespace {

// Commits on a thread of its own, slower than callers come.
class SlowStore final : public Store {
 public:
  Result<StoredState> load() override { return StoredState(); }
  void add(const OutboxHead&, std::span<const OutboxMessage>, Done done) override {
    ++adds;
    std::thread([done = std::move(done)] {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      done({});
    }).detach();
  }
  void remove(std::span<const Ticket>, Done done) override { done({}); }
  void welcome(const OutboxHead&, const InboxHead&, std::span<const OutboxMessage>, Done done) override { done({}); }
  void receive(const InboxHead&, std::span<const IncomingMessage>, std::span<const LostRange>, Done done) override {
    done({});
  }
  std::atomic<int> adds = 0;
};

StoredState state_with_shards() {
  StoredState state;
  state.outbox_head.shard_count = 4;
  state.outbox_head.next.assign(4, LaneNumber(1));
  return state;
}

Status add_one(Intake& intake, const std::string& to = "bob") {
  OutboxMessage message;
  message.message.recipient = UserId::trusted(to);
  return intake.add({&message, 1});
}

constexpr Intake::Bounds kBounds{1'000'000, 1'000'000};

TEST(Intake, ManyThreadsShareTransactionsAndLanesHaveNoHoles) {
  const auto store = std::make_shared<SlowStore>();
  Intake intake(store, state_with_shards(), kBounds, std::thread::id());
  std::atomic<int> notified = 0;
  intake.on_committed([&] { ++notified; }, [] {});
  constexpr int kThreads = 8, kEach = 50;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) EXPECT_TRUE(add_one(intake, "user" + std::to_string(t)));
    });
  for (auto& thread : threads) thread.join();
  EXPECT_LT(store->adds, kThreads * kEach / 2);
  EXPECT_EQ(notified, 1);  // once until take()
  const auto messages = intake.take();
  ASSERT_EQ(messages.size(), std::size_t{kThreads * kEach});
  std::map<std::uint16_t, std::uint64_t> lanes;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(messages[i].ticket, Ticket(i + 1));
    EXPECT_EQ(messages[i].message.number.value, ++lanes[messages[i].lane.value]);
  }
}

TEST(Intake, AReservationKeepsOthersOutButNotTheLoopItself) {
  const auto store = std::make_shared<MemoryStore>();
  Intake intake(store, state_with_shards(), kBounds, std::this_thread::get_id());
  intake.on_committed([] {}, [] {});
  ASSERT_TRUE(intake.try_reserve());
  std::atomic<bool> added = false;
  std::thread other([&] {
    EXPECT_TRUE(add_one(intake));
    added = true;
  });
  OutboxHead head = intake.head();
  head.producer = ProducerId(7);
  head.next.assign(4, LaneNumber(100));
  EXPECT_FALSE(added);
  intake.release(&head);
  other.join();
  EXPECT_EQ(intake.take().at(0).message.number, LaneNumber(100));  // in the lanes of the new producer
  EXPECT_TRUE(add_one(intake));                                    // on the loop's own thread
}

TEST(Intake, ARefusedReservationIsToldWhenItMaySucceed) {
  const auto store = std::make_shared<SlowStore>();
  Intake intake(store, state_with_shards(), kBounds, std::thread::id());
  std::atomic<bool> vacant = false;
  intake.on_committed([] {}, [&] { vacant = true; });
  std::thread other([&] { EXPECT_TRUE(add_one(intake)); });
  while (store->adds == 0) std::this_thread::yield();
  if (!intake.try_reserve()) {
    EXPECT_TRUE(tests::eventually([&] { return vacant.load(); }));
    EXPECT_TRUE(intake.try_reserve());
  }
  intake.release(nullptr);
  other.join();
}

TEST(Intake, OnlyWhatIsAddedOnlineMayHaveBeenSent) {
  Intake intake(std::make_shared<MemoryStore>(), state_with_shards(), kBounds, std::thread::id());
  intake.on_committed([] {}, [] {});
  ASSERT_TRUE(add_one(intake));
  EXPECT_EQ(intake.head().sent_through, Ticket());
  intake.set_online(true);
  ASSERT_TRUE(add_one(intake));
  EXPECT_EQ(intake.head().sent_through, Ticket(2));
}

}  // namespace
}  // namespace earshot::client
