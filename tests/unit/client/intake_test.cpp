#include "client/intake.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "client/memory_store.hpp"
#include "tests/support/client_eventually.hpp"

namespace earshot::client {
namespace {

// Commits when the test says so.
class HeldStore final : public Store {
 public:
  Result<StoredState> load() override { return StoredState(); }
  void add(const OutboxHead&, std::span<const OutboxMessage>, Done done) override {
    const std::lock_guard lock(mutex_);
    EXPECT_FALSE(held_) << "one add() at a time";
    held_ = std::move(done);
    ++adds;
  }
  void remove(std::span<const Ticket>, Done done) override { done({}); }
  void welcome(const OutboxHead&, const InboxHead&, std::span<const OutboxMessage>, Done done) override { done({}); }
  void receive(const InboxHead&, std::span<const IncomingMessage>, std::span<const LostRange>, Done done) override {
    done({});
  }

  [[nodiscard]] bool holds() const {
    const std::lock_guard lock(mutex_);
    return held_ != nullptr;
  }
  // Lets the add() that it holds commit.
  void commit() {
    Done done;
    {
      const std::lock_guard lock(mutex_);
      done = std::exchange(held_, nullptr);
    }
    done({});
  }

  std::atomic<int> adds = 0;

 private:
  mutable std::mutex mutex_;
  Done held_;
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
  const auto store = std::make_shared<HeldStore>();
  Intake intake(store, state_with_shards(), kBounds, std::thread::id());
  std::atomic<int> notified = 0;
  intake.on_committed([&] { ++notified; }, [] {});
  constexpr std::size_t kThreads = 8, kEach = 50;
  std::atomic<std::size_t> finished = 0;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < kEach; ++i) EXPECT_TRUE(add_one(intake, "user" + std::to_string(t)));
      ++finished;
    });
  // Nothing is committed before everyone waits for it, so that each commit but the first is one for all who came.
  const auto everyone_waits = [&] {
    if (!store->holds()) return false;
    const auto level = intake.level();
    return level.messages - level.accepted == kThreads - finished;
  };
  while (finished < kThreads) {
    ASSERT_TRUE(tests::eventually([&] { return finished == kThreads || everyone_waits(); }));
    if (finished < kThreads) store->commit();
  }
  for (auto& thread : threads) thread.join();
  EXPECT_LE(store->adds, int{2 * kEach + kThreads});
  EXPECT_EQ(notified, 1);  // once until take()
  const auto messages = intake.take();
  ASSERT_EQ(messages.size(), kThreads * kEach);
  std::map<std::uint16_t, std::uint64_t> lanes;
  for (std::size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(messages[i].ticket, Ticket(i + 1));
    EXPECT_EQ(messages[i].message.number.value, ++lanes[messages[i].lane.value]);
  }
}

TEST(Intake, TheLoopIsToldOnceAsMuchIsThereAsItWaitsFor) {
  Intake intake(std::make_shared<MemoryStore>(), state_with_shards(), kBounds, std::thread::id());
  int notified = 0;
  intake.on_committed([&] { ++notified; }, [] {});
  const auto add = [&](int count) {
    for (int i = 0; i < count; ++i) EXPECT_TRUE(add_one(intake));
  };
  intake.wait_for(3);
  add(2);
  EXPECT_EQ(notified, 0);
  add(2);
  EXPECT_EQ(notified, 1);
  EXPECT_EQ(intake.take().size(), 4u);
  intake.wait_for(SIZE_MAX);
  add(5);
  EXPECT_EQ(notified, 1);
  EXPECT_EQ(intake.take().size(), 5u);
  add(1);
  EXPECT_EQ(notified, 2) << "from take() on it waits for the next one";
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
  ASSERT_TRUE(tests::eventually([&] { return intake.level().messages == 1; }));  // it waits
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
  const auto store = std::make_shared<HeldStore>();
  Intake intake(store, state_with_shards(), kBounds, std::thread::id());
  std::atomic<bool> vacant = false;
  intake.on_committed([] {}, [&] { vacant = true; });
  std::thread other([&] { EXPECT_TRUE(add_one(intake)); });
  ASSERT_TRUE(tests::eventually([&] { return store->holds(); }));
  EXPECT_FALSE(intake.try_reserve());
  EXPECT_FALSE(vacant);
  store->commit();
  EXPECT_TRUE(tests::eventually([&] { return vacant.load(); }));
  EXPECT_TRUE(intake.try_reserve());
  intake.release(nullptr);
  other.join();
}

TEST(Intake, TakesWhatFitsItsBoundsToTheLastByteAndNotOneMore) {
  Intake intake(std::make_shared<MemoryStore>(), state_with_shards(), {3, 100}, std::thread::id());
  intake.on_committed([] {}, [] {});
  const auto add = [&](std::size_t bytes) {
    OutboxMessage message;
    message.message.recipient = UserId::trusted("bob");
    message.message.body.assign(bytes, 'x');
    return intake.add({&message, 1});
  };
  const auto refused = [&](std::size_t bytes) {
    const Status status = add(bytes);
    return !status && status.error().code == ErrorCode::kOverloaded && status.error().field == "outbox";
  };
  ASSERT_TRUE(add(60));
  EXPECT_TRUE(refused(41));
  EXPECT_TRUE(add(40)) << "to the last byte";
  EXPECT_TRUE(refused(1));
  EXPECT_TRUE(add(0)) << "the third message";
  EXPECT_TRUE(refused(0));
  intake.removed(1, 60);
  EXPECT_TRUE(add(60)) << "room that was given back";
  EXPECT_EQ(intake.level().messages, 3u);
  EXPECT_EQ(intake.level().bytes, 100u);
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
