#include <algorithm>
#include <map>
#include <set>

#include "actors/shard_refusals.hpp"
#include "base/random.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/session_fakes.hpp"

// Random life of one session against a model of a mailbox and a model of a client. The client loses whole deliveries
// (as a process does that dies between receiving and storing), takes them in late, acks late or never, nacks,
// refetches; the shard answers late, fails, loses pushes with its leadership, loses stored messages; pushes come
// late, doubled, out of order or never. Whatever happens, the client ends with everything, and with nothing out of its
// place.
namespace earshot::tests {
namespace {

class RandomLife : public SessionTest {
 protected:
  void run(DeliveryMode mode, std::uint64_t seed) {
    random_.emplace(seed);
    mode_ = mode;
    window_ = static_cast<std::uint32_t>(random_->between(1, 40));
    last_ = random_->below(30);
    open(0, last_);
    subscribe(mode, window_);
    for (int step = 0; step < 400 && !::testing::Test::HasFatalFailure(); ++step) {
      one_event();
      check();
    }
    for (int step = 0; step < 3'000 && !is_done(); ++step) settle_down();
    EXPECT_TRUE(is_done()) << "has " << have_.size() << " of " << last_;
    EXPECT_EQ(cursor_, last_);
    for (int round = 0; round < 5; ++round) {  // what the session had still asked for
      advance(kMaxMs);
      take_in();
      answer_shard(false);
    }
    EXPECT_EQ(host_.wake_ms, 0u) << "everything is acked";
  }

 private:
  void one_event() {
    switch (random_->below(9)) {
      case 0:
      case 1: append(); break;
      case 2:
      case 3: receive(random_->chance(0.3)); break;
      case 4: answer_shard(random_->chance(0.2)); break;
      case 5: client_acks(); break;
      case 6: client_nacks(); break;
      case 7: advance(random_->below(kFirstMs)); break;
      case 8:
        if (random_->chance(0.2)) announce();
        if (random_->chance(0.5)) late_pushes_arrive(1);
        break;
    }
  }

  // From here on nothing fails any more.
  void settle_down() {
    late_pushes_arrive(late_.size());
    if (std::exchange(is_push_missing_, false)) {
      session_->handle(LeaderAnnounced{shard_of(user("alice"), kShards), Term(term_), true}, now_);
    }
    answer_shard(false);
    receive(false);
    // Nothing repeats what a sequence-only client lost last: it asks, as it does after each new connection.
    if (mode_ == DeliveryMode::kSequenceOnly && taken_in_ == deliveries() && contiguous_ < last_) refetch();
    client_acks();
    advance(kFirstMs);
    check();
  }

  // A new leader; or the same one, and something got lost on the way from it.
  void announce() {
    const bool again = random_->chance(0.3);
    if (!again) ++term_;
    session_->handle(LeaderAnnounced{shard_of(user("alice"), kShards), Term(term_), again}, now_);
  }

  void append() {
    const std::uint64_t count = random_->between(1, 6);
    const std::uint64_t first = last_ + 1;
    last_ += count;
    for (std::uint64_t s = first; s <= last_; ++s) {
      if (random_->chance(0.05)) lost_.insert(s);
    }
    if (random_->chance(0.15)) return announce();  // pushed to nobody: the leader is gone, a new one says so
    MailboxPush push;
    for (std::uint64_t s = first; s <= last_; ++s) {
      if (!lost_.contains(s)) push.messages.push_back(std::make_shared<const IncomingMessage>(incoming(s)));
    }
    // A lost one at the end is seen by nobody until something follows it.
    if (lost_.contains(last_)) {
      lost_.erase(last_);
      push.messages.push_back(std::make_shared<const IncomingMessage>(incoming(last_)));
    }
    if (random_->chance(0.05)) {  // lost between two nodes, which will notice
      is_push_missing_ = true;
      return;
    }
    if (random_->chance(0.1)) late_.push_back(push);  // and so doubled, or overtaken by others
    if (late_.empty() || random_->chance(0.7))
      session_->handle(std::move(push), now_);
    else
      late_.push_back(std::move(push));
  }

  void late_pushes_arrive(std::size_t count) {
    for (; count > 0 && !late_.empty(); --count) {
      const auto one = late_.begin() + static_cast<std::ptrdiff_t>(random_->below(late_.size()));
      session_->handle(std::move(*one), now_);
      late_.erase(one);
    }
  }

  Batch read(const ShardFetch& request) const {
    Batch batch{Epoch(1), {}, {}, seq(last_)};
    for (std::uint64_t s = request.after.value + 1; s <= last_; ++s) {
      if (batch.messages.size() + batch.lost.size() >= request.limit) break;
      if (!lost_.contains(s)) {
        batch.messages.push_back(incoming(s));
      } else if (!batch.lost.empty() && batch.lost.back().last == seq(s - 1)) {
        batch.lost.back().last = seq(s);
      } else {
        batch.lost.push_back(LostRange{seq(s), seq(s), LostReason::kCorrupt});
      }
    }
    return batch;
  }

  void answer_shard(bool fails) {
    for (; reads_answered_ < home().fetches.size(); ++reads_answered_) {
      const ShardFetch request = home().fetches[reads_answered_];
      Result<Batch> batch = read(request);
      if (fails) batch = fail(some_error());
      session_->handle(FetchAnswered{request.request, std::move(batch)}, now_);
    }
    for (; acks_answered_ < home().acks.size(); ++acks_answered_) {
      const ShardAck request = home().acks[acks_answered_];
      if (fails) {
        session_->handle(AckAnswered{request.request, fail(some_error())}, now_);
        continue;
      }
      committed_above_.insert(request.command.above.begin(), request.command.above.end());
      cursor_ = std::max(cursor_, request.command.up_to.value);
      while (committed_above_.contains(seq(cursor_ + 1)) || lost_.contains(cursor_ + 1)) ++cursor_;
      session_->handle(AckAnswered{request.request, seq(cursor_)}, now_);
    }
  }

  Error some_error() { return random_->chance(0.5) ? refusals::lost() : refusals::overloaded(""); }

  // The client takes the oldest delivery in and stores it, or loses it.
  void receive(bool loses) {
    if (taken_in_ >= client_->deliveries.size()) return;
    const Delivery delivery = client_->deliveries[taken_in_];
    if (!loses) store(delivery);
    take_in_one();
  }

  void store(const Delivery& delivery) {
    std::map<std::uint64_t, std::uint64_t> parts;  // first → last
    for (const auto& item : delivery.items) parts[item.message->sequence.value] = item.message->sequence.value;
    for (const auto& lost : delivery.lost) parts[lost.first.value] = lost.last.value;
    for (const auto& [first, last] : parts) {
      if (mode_ != DeliveryMode::kUnordered && first > contiguous_ + 1) continue;  // a hole: only last + 1 is accepted
      for (std::uint64_t s = first; s <= last; ++s) have_.insert(s);
      while (have_.contains(contiguous_ + 1)) ++contiguous_;
    }
    // A sequence-only client that sees a hole, or the end of a delivery beyond what it has, refetches.
    if (mode_ == DeliveryMode::kSequenceOnly && contiguous_ < delivery.last_sequence.value) refetch();
  }

  void refetch() {
    const CallId call = ++call_;
    session_->handle(ClientFetch{call, seq(contiguous_), 0, FetchCause::kGap}, now_);
    const ShardFetch request = home().fetches.back();
    const Batch batch = read(request);
    session_->handle(FetchAnswered{request.request, batch}, now_);
    for (const auto& message : batch.messages) have_.insert(message.sequence.value);
    for (const auto& lost : batch.lost) {
      for (std::uint64_t s = lost.first.value; s <= lost.last.value; ++s) have_.insert(s);
    }
    while (have_.contains(contiguous_ + 1)) ++contiguous_;
  }

  void client_acks() {
    Numbers above;
    if (mode_ == DeliveryMode::kUnordered) {
      for (auto s = have_.upper_bound(contiguous_); s != have_.end(); ++s) above.push_back(*s);
    }
    const CallId call = ack(contiguous_, above);
    const auto* answer = cursor_of(call);
    if (answer != nullptr && !*answer) FAIL() << answer->error().to_string();
  }

  void client_nacks() {
    if (client_->deliveries.empty() || mode_ == DeliveryMode::kSequenceOnly) return;
    const Numbers some = delivered(random_->below(deliveries()));
    if (some.empty()) return;
    const CallId call = nack({some[random_->below(some.size())]}, static_cast<std::uint32_t>(random_->below(3'000)));
    EXPECT_TRUE(status_of(call));
  }

  void check() {
    ASSERT_LE(deliveries() - taken_in_, 4u);
    for (; checked_ < deliveries(); ++checked_) check_delivery(client_->deliveries[checked_]);
  }

  void check_delivery(const Delivery& delivery) {
    ASSERT_FALSE(delivery.items.empty() && delivery.lost.empty());
    ASSERT_LE(delivery.items.size() + delivery.lost.size(), window_);
    std::map<std::uint64_t, std::uint64_t> parts;
    for (const auto& item : delivery.items) {
      parts[item.message->sequence.value] = item.message->sequence.value;
      ASSERT_EQ(item.attempt, ++attempts_[item.message->sequence.value]);
    }
    ASSERT_TRUE(std::ranges::is_sorted(sequences_of(delivery)));
    for (const auto& lost : delivery.lost) {
      for (std::uint64_t s = lost.first.value; s <= lost.last.value; ++s) ASSERT_TRUE(lost_.contains(s));
      parts[lost.first.value] = lost.last.value;
    }
    if (mode_ == DeliveryMode::kUnordered) return;
    // In order: a delivery is one contiguous run, and begins at most one beyond what went out before it.
    std::uint64_t expected = parts.begin()->first;
    ASSERT_LE(expected, std::max(highest_, acked_up_to()) + 1);
    for (const auto& [first, last] : parts) {
      ASSERT_EQ(first, expected);
      expected = last + 1;
    }
    highest_ = std::max(highest_, expected - 1);
  }

  [[nodiscard]] std::uint64_t acked_up_to() const { return contiguous_; }
  [[nodiscard]] bool is_done() const { return contiguous_ == last_ && cursor_ == last_; }

  std::optional<Random> random_;
  DeliveryMode mode_ = DeliveryMode::kOrdered;
  std::uint32_t window_ = 0;
  // the mailbox
  std::uint64_t last_ = 0;
  std::set<std::uint64_t> lost_;
  std::uint64_t cursor_ = 0;
  std::set<Sequence> committed_above_;
  std::size_t reads_answered_ = 0;
  std::size_t acks_answered_ = 0;
  std::uint64_t term_ = 1;
  std::vector<MailboxPush> late_;
  bool is_push_missing_ = false;
  // the client
  std::set<std::uint64_t> have_;
  std::uint64_t contiguous_ = 0;  // LastReceivedSeqID
  // what was seen of the deliveries
  std::size_t checked_ = 0;
  std::uint64_t highest_ = 0;
  std::map<std::uint64_t, std::uint32_t> attempts_;
};

class RandomSession : public ::testing::Test {
 protected:
  struct Life : RandomLife {
    void TestBody() override {}
    using RandomLife::run;
  };
  static void lives(DeliveryMode mode) {
    const std::uint64_t seed = seed_of_test();
    for (std::uint64_t i = 0; i < 150 && !HasFailure(); ++i) {
      SCOPED_TRACE("life " + std::to_string(i));
      Life().run(mode, seed + i);
    }
  }
};

TEST_F(RandomSession, OrderedClientGetsEverythingInItsPlace) { lives(DeliveryMode::kOrdered); }
TEST_F(RandomSession, UnorderedClientGetsEverything) { lives(DeliveryMode::kUnordered); }
TEST_F(RandomSession, SequenceOnlyClientGetsEverythingByRefetching) { lives(DeliveryMode::kSequenceOnly); }

}  // namespace
}  // namespace earshot::tests
