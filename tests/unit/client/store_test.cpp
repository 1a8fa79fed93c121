#include <csignal>
#include <filesystem>
#include <future>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/checksum.hpp"
#include "client/client.hpp"
#include "client/examples/journal_store.hpp"
#include "client/lmdb_store.hpp"
#include "client/memory_store.hpp"
#include "client/outbox.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::client {
namespace {

// Runs one operation and waits for it.
template <class Operation>
Status run(Operation operation) {
  auto promise = std::make_shared<std::promise<Status>>();
  operation([promise](Status status) { promise->set_value(std::move(status)); });
  return promise->get_future().get();
}

OutboxMessage outbox_message(std::uint64_t ticket, const std::string& body = "body") {
  OutboxMessage m;
  m.ticket = Ticket(ticket);
  m.lane = ShardId(3);
  m.message.recipient = UserId::trusted("bob");
  m.message.number = LaneNumber(ticket);
  m.message.id = MessageId{1, ticket};
  m.message.body = body;
  m.message.checksum = checksum_of(body);
  m.message.sent_at_ms = 5;
  m.message.copy_to_self = true;
  return m;
}

IncomingMessage incoming(std::uint64_t sequence) {
  IncomingMessage m;
  m.sequence = Sequence(sequence);
  m.sender = UserId::trusted("bob");
  m.sender_device = DeviceId::trusted("phone");
  m.id = MessageId{2, sequence};
  m.body = "body " + std::to_string(sequence);
  m.checksum = checksum_of(m.body);
  return m;
}

OutboxHead outbox_head(std::uint64_t next_ticket) {
  return {ProducerId(9), 4, Ticket(next_ticket), Ticket(1), std::vector<LaneNumber>(4, LaneNumber(next_ticket))};
}

InboxHead inbox_head(std::uint64_t last) {
  return {UserId::trusted("alice"), DeviceId::trusted("phone"), Epoch(2), Sequence(last), {Sequence(last + 5)}};
}

enum class Kind { kMemory, kLmdb, kJournal };

// What every store must do.
class StoreContract : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override { open(); }
  void open() {
    switch (GetParam()) {
      case Kind::kMemory: store_ = std::make_shared<MemoryStore>(100); break;
      case Kind::kLmdb: store_ = LmdbStore::open(directory_ / "lmdb").value(); break;
      case Kind::kJournal: store_ = examples::JournalStore::open(directory_ / "journal").value(); break;
    }
  }
  // Opens it anew when it is one that outlives its object.
  StoredState reload() {
    if (GetParam() != Kind::kMemory) {
      store_.reset();
      open();
    }
    return store_->load().value();
  }
  Status add(const OutboxHead& head, const std::vector<OutboxMessage>& messages) {
    return run([&](Done done) { store_->add(head, messages, std::move(done)); });
  }

  tests::TemporaryDirectory directory_;
  std::shared_ptr<Store> store_;
};

TEST_P(StoreContract, ANewStoreIsEmpty) {
  const StoredState state = store_->load().value();
  EXPECT_TRUE(state.outbox.empty());
  EXPECT_EQ(state.outbox_head.next_ticket, Ticket(1));
  EXPECT_EQ(state.outbox_head.producer, ProducerId());
  EXPECT_EQ(state.inbox_head.epoch, Epoch());
}

TEST_P(StoreContract, WhatIsAddedComesBackWhole) {
  ASSERT_TRUE(add(outbox_head(3), {outbox_message(1), outbox_message(2, std::string(100'000, '\0'))}));
  const StoredState state = reload();
  ASSERT_EQ(state.outbox.size(), 2u);
  EXPECT_EQ(state.outbox_head.next_ticket, Ticket(3));
  EXPECT_EQ(state.outbox_head.next, outbox_head(3).next);
  EXPECT_EQ(state.outbox_head.producer, ProducerId(9));
  const OutgoingMessage& message = state.outbox[0].message;
  EXPECT_EQ(state.outbox[0].lane, ShardId(3));
  EXPECT_EQ(message.recipient.text(), "bob");
  EXPECT_EQ(message.id, (MessageId{1, 1}));
  EXPECT_EQ(message.sent_at_ms, 5u);
  EXPECT_TRUE(message.copy_to_self);
  EXPECT_EQ(state.outbox[1].message.body.size(), 100'000u);
}

TEST_P(StoreContract, RemovedMessagesStayAwayAndAbsentOnesAreNoError) {
  ASSERT_TRUE(add(outbox_head(4), {outbox_message(1), outbox_message(2), outbox_message(3)}));
  const std::vector tickets = {Ticket(2), Ticket(77)};
  ASSERT_TRUE(run([&](Done done) { store_->remove(tickets, std::move(done)); }));
  const StoredState state = reload();
  ASSERT_EQ(state.outbox.size(), 2u);
  EXPECT_EQ(state.outbox[1].ticket, Ticket(3));
  EXPECT_EQ(state.outbox_head.next_ticket, Ticket(4));  // tickets are not given out twice
}

TEST_P(StoreContract, AWelcomeOverwritesWhatItChanges) {
  ASSERT_TRUE(add(outbox_head(3), {outbox_message(1), outbox_message(2)}));
  std::vector<OutboxMessage> changed = {outbox_message(2)};
  changed[0].message.number = LaneNumber(50);
  changed[0].uncertain = true;
  const OutboxHead outbox = outbox_head(3);
  const InboxHead inbox = inbox_head(7);
  ASSERT_TRUE(run([&](Done done) { store_->welcome(outbox, inbox, changed, std::move(done)); }));
  const StoredState state = reload();
  ASSERT_EQ(state.outbox.size(), 2u);
  EXPECT_FALSE(state.outbox[0].uncertain);
  EXPECT_TRUE(state.outbox[1].uncertain);
  EXPECT_EQ(state.outbox[1].message.number, LaneNumber(50));
  EXPECT_EQ(state.inbox_head.user.text(), "alice");
}

TEST_P(StoreContract, ReceivedMessagesAndTheirHeadAreKeptTogether) {
  const std::vector messages = {incoming(1), incoming(2)};
  const std::vector lost = {LostRange{Sequence(3), Sequence(4), LostReason::kTrimmed}};
  const InboxHead head = inbox_head(4);
  ASSERT_TRUE(run([&](Done done) { store_->receive(head, messages, lost, std::move(done)); }));
  const StoredState state = reload();
  EXPECT_EQ(state.inbox_head.last_received, Sequence(4));
  EXPECT_EQ(state.inbox_head.epoch, Epoch(2));
  EXPECT_EQ(state.inbox_head.received_above, std::vector{Sequence(9)});
}

INSTANTIATE_TEST_SUITE_P(
    All, StoreContract, testing::Values(Kind::kMemory, Kind::kLmdb, Kind::kJournal), [](const auto& info) {
      return std::string(info.param == Kind::kMemory ? "Memory" : info.param == Kind::kLmdb ? "Lmdb" : "Journal");
    });

TEST(LmdbStore, GivesBackReceivedMessagesAndLossesFromAPlaceOn) {
  const tests::TemporaryDirectory directory;
  const auto store = LmdbStore::open(directory / "store").value();
  const std::vector messages = {incoming(1), incoming(2), incoming(5)};
  const std::vector lost = {LostRange{Sequence(3), Sequence(4), LostReason::kTrimmed}};
  const InboxHead head = inbox_head(5);
  ASSERT_TRUE(run([&](Done done) { store->receive(head, messages, lost, std::move(done)); }));
  const auto all = store->messages({}, 100).value();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[2].message, messages[2]);
  EXPECT_EQ(store->messages({Epoch(2), Sequence(1)}, 1).value().at(0).message.sequence, Sequence(2));
  EXPECT_TRUE(store->messages({Epoch(2), Sequence(5)}, 100).value().empty());
  EXPECT_EQ(store->lost({}, 100).value().at(0).range, lost[0]);
}

TEST(LmdbStore, IsOpenedByOneAtATime) {
  const tests::TemporaryDirectory directory;
  const auto store = LmdbStore::open(directory / "store").value();
  EXPECT_EQ(LmdbStore::open(directory / "store").error().code, ErrorCode::kConflict);
}

TEST(JournalStore, ATornRecordAtTheEndIsAsIfNeverWritten) {
  const tests::TemporaryDirectory directory;
  const std::string path = directory / "journal";
  const std::vector one = {outbox_message(1)}, two = {outbox_message(2)};
  std::uintmax_t size_of_first = 0;
  {
    const auto store = examples::JournalStore::open(path).value();
    ASSERT_TRUE(run([&](Done done) { store->add(outbox_head(2), one, std::move(done)); }));
    size_of_first = std::filesystem::file_size(path);
    ASSERT_TRUE(run([&](Done done) { store->add(outbox_head(3), two, std::move(done)); }));
  }
  for (std::uintmax_t size = std::filesystem::file_size(path) - 1; size > size_of_first; size -= 7) {
    std::filesystem::resize_file(path, size);
    EXPECT_EQ(examples::JournalStore::open(path).value()->load()->outbox.size(), 1u);
    if (size < 7) break;
  }
}

// Sends and receives as fast as it can, and tells through `pipe` every id that send() has accepted.
[[noreturn]] void live_until_killed(const std::string& path, int pipe) {
  const auto store = LmdbStore::open(path).value();
  StoredState state = store->load().value();
  if (state.outbox_head.shard_count == 0) {
    OutboxHead head{ProducerId(1), 4, Ticket(1), Ticket(), std::vector<LaneNumber>(4, LaneNumber(1))};
    InboxHead inbox{UserId::trusted("alice"), DeviceId::trusted("phone"), Epoch(1), Sequence(), {}};
    if (!run([&](Done done) { store->welcome(head, inbox, {}, std::move(done)); })) std::abort();
    state.inbox_head = inbox;
  }
  Options options;
  options.addresses = {"127.0.0.1:1"};  // nobody is there
  options.token = "alice", options.device = "phone";
  const auto client = Client::open(options, store, {}, Runtime::start().value()).value();
  std::vector<std::thread> senders;
  for (int t = 0; t < 2; ++t)
    senders.emplace_back([&, t] {
      for (int i = 0;; ++i) {
        const auto id = client->send(UserId::trusted("user" + std::to_string((i + t) % 7)), "x");
        if (!id || ::write(pipe, &*id, sizeof *id) != sizeof *id) std::abort();
      }
    });
  for (InboxHead head = state.inbox_head;;) {
    std::vector<IncomingMessage> messages;
    for (int i = 0; i < 3; ++i)
      head.last_received = head.last_received.next(), messages.push_back(incoming(head.last_received.value));
    if (!run([&](Done done) { store->receive(head, messages, {}, std::move(done)); })) std::abort();
  }
}

TEST(LmdbStore, KilledAtAnyMomentItKeepsWhatItSaidItKept) {
  Random random(tests::seed_of_test());
  const tests::TemporaryDirectory directory;
  const std::string path = directory / "store";
  std::set<MessageId> accepted;
  for (int round = 0; round < 12; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(pipe[0]);
      live_until_killed(path, pipe[1]);
    }
    ::close(pipe[1]);
    // It dies somewhere behind this many messages, at the latest while it opens its store when there are none.
    MessageId id;
    const auto read_id = [&] { return ::read(pipe[0], &id, sizeof id) == sizeof id; };
    for (std::uint64_t lives = random.between(0, 40); lives > 0 && read_id(); --lives) accepted.insert(id);
    ::kill(child, SIGKILL);
    while (read_id()) accepted.insert(id);
    ::close(pipe[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    const auto store = LmdbStore::open(path).value();
    const StoredState state = store->load().value();
    EXPECT_TRUE(Outbox::check(state.outbox_head, state.outbox));
    std::set<MessageId> kept;
    std::map<std::uint16_t, std::uint64_t> lanes;
    for (std::size_t i = 0; i < state.outbox.size(); ++i) {
      ASSERT_EQ(state.outbox[i].ticket, Ticket(i + 1));
      ASSERT_EQ(state.outbox[i].message.number.value, ++lanes[state.outbox[i].lane.value]);
      kept.insert(state.outbox[i].message.id);
    }
    for (const auto& [lane, last] : lanes) EXPECT_EQ(state.outbox_head.next[lane].value, last + 1);
    for (const MessageId& sent : accepted) ASSERT_TRUE(kept.contains(sent));
    const auto messages = store->messages({}, 1'000'000).value();
    ASSERT_EQ(messages.size(), state.inbox_head.last_received.value);
    for (std::size_t i = 0; i < messages.size(); ++i) ASSERT_EQ(messages[i].message.sequence, Sequence(i + 1));
  }
  EXPECT_FALSE(accepted.empty());
}

}  // namespace
}  // namespace earshot::client
