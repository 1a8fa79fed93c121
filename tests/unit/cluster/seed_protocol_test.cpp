#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "seed_world.hpp"
#include "storage/seed_mark.hpp"

namespace earshot::cluster {
namespace {

using storage::Backend;
using storage::must;

constexpr NodeId kLeader{1};
constexpr NodeId kOther{2};
constexpr NodeId kReceiver{9};

class SeedProtocol : public testing::Test {
 protected:
  SeedProtocol() {
    for (int i = 0; i < 40; ++i) {
      Changes changes;
      changes["M" + std::to_string(1000 + i)] = "value";
      history.push_back(changes);
    }
    for (SeedingReplica* replica : {&leader, &other}) {
      replica->start(replica == &leader ? 1 : 2);
      replica->flush();
    }
  }

  SeedFetcher new_fetcher(std::uint64_t random = 5) {
    return must(SeedFetcher::open(*receiver, kSeedShard, random, limits));
  }

  static SeedMessage decoded(const std::optional<std::string>& bytes) {
    EXPECT_TRUE(bytes.has_value());
    return must(decode_seed_message(bytes.value_or("")));
  }
  static const SeedRequest& request_in(const SeedMessage& message) { return std::get<SeedRequest>(message.content); }

  std::optional<SeedMessage> answer_of(SeedingReplica& replica, const SeedMessage& question, NodeId from = kReceiver) {
    auto answer = replica.feeder().answer(from, question.ask, request_in(question), now_ms);
    if (!answer) return std::nullopt;
    return must(decode_seed_message(answer->bytes));
  }

  void write_all(SeedFetcher& fetcher) {
    while (auto overlay = must(fetcher.next_overlay())) {
      must(storage::write_overlays(*receiver, {&overlay, 1}));
      fetcher.written();
    }
  }

  // One question, its answer, and all that is to be written; the question.
  SeedMessage step(SeedFetcher& fetcher, SeedingReplica& replica, NodeId node) {
    const SeedMessage question = decoded(fetcher.poll(node, now_ms));
    auto answer = answer_of(replica, question);
    EXPECT_TRUE(answer.has_value());
    if (answer && fetcher.received(node, std::move(*answer), now_ms)) write_all(fetcher);
    return question;
  }

  static storage::SeedLimits small() {
    storage::SeedLimits limits;
    limits.part_bytes_max = 300;
    return limits;
  }

  const storage::SeedLimits limits = small();
  History history;
  SeedingReplica leader{Backend::kModel, history, limits, {}};
  SeedingReplica other{Backend::kModel, history, limits, {}};
  storage::TestDisk receiver_disk{Backend::kModel, storage::state_tables()};
  std::unique_ptr<storage::Environment> receiver = receiver_disk.open();
  std::uint64_t now_ms = 1'000;
};

TEST_F(SeedProtocol, PartsFollowEachOtherUntilTheStateIsWhole) {
  auto fetcher = new_fetcher();
  while (!fetcher.is_complete()) step(fetcher, leader, kLeader);
  EXPECT_EQ(fetcher.stands_at().applied, LogIndex(40));
  EXPECT_EQ(fetcher.stands_at().term, kSeedTerm);
  EXPECT_EQ(fetcher.beginnings(), 1u);
  EXPECT_EQ(records_of(*receiver), records_of(leader.environment()));
  EXPECT_EQ(fetcher.poll(kLeader, now_ms + 60'000), std::nullopt);
  EXPECT_EQ(fetcher.due_at_ms(), 0u);
}

// The log of whoever fetches begins above it: nothing leads from the one to the other.
TEST_F(SeedProtocol, AStateThatStandsTooLowIsNeverWholeAndIsAskedForAgainLater) {
  auto fetcher = new_fetcher();
  fetcher.require(LogIndex(41));
  while (fetcher.due_at_ms() != now_ms + limits::kSeedRefusedMs) step(fetcher, leader, kLeader);
  EXPECT_FALSE(fetcher.is_complete());
  EXPECT_FALSE(fetcher.poll(kLeader, now_ms + limits::kSeedRefusedMs - 1));
  EXPECT_FALSE(must(storage::is_whole(*receiver, kSeedShard)));
  history.push_back({{"M2000", "value"}});
  leader.flush();
  now_ms += limits::kSeedRefusedMs;
  while (!fetcher.is_complete()) step(fetcher, leader, kLeader);
  EXPECT_EQ(fetcher.stands_at().applied, LogIndex(41));
}

TEST_F(SeedProtocol, NothingIsAskedWhileAPartIsWrittenOrNobodyLeads) {
  auto fetcher = new_fetcher();
  EXPECT_EQ(fetcher.poll(NodeId(), now_ms), std::nullopt);
  const SeedMessage question = decoded(fetcher.poll(kLeader, now_ms));
  EXPECT_TRUE(fetcher.received(kLeader, *answer_of(leader, question), now_ms));
  EXPECT_EQ(fetcher.poll(kLeader, now_ms + 60'000), std::nullopt);
  write_all(fetcher);
  EXPECT_NE(fetcher.poll(kLeader, now_ms), std::nullopt);
}

TEST_F(SeedProtocol, LostAnswerIsAskedForAgainAndIsTheSame) {
  auto fetcher = new_fetcher();
  step(fetcher, leader, kLeader);
  const SeedMessage question = decoded(fetcher.poll(kLeader, now_ms));
  const auto lost = answer_of(leader, question);
  EXPECT_EQ(fetcher.due_at_ms(), now_ms + limits::kSeedAskAgainMs);
  // Whoever waits for a leader is not woken by time: time would pass, and nothing else.
  EXPECT_FALSE(fetcher.poll(NodeId(), now_ms));
  EXPECT_EQ(fetcher.due_at_ms(), 0u);
  EXPECT_FALSE(fetcher.poll(kLeader, now_ms));
  EXPECT_EQ(fetcher.due_at_ms(), now_ms + limits::kSeedAskAgainMs);
  now_ms += limits::kSeedAskAgainMs - 1;
  EXPECT_EQ(fetcher.poll(kLeader, now_ms), std::nullopt);
  now_ms += 1;
  const SeedMessage again = decoded(fetcher.poll(kLeader, now_ms));
  EXPECT_EQ(again.ask, question.ask);
  EXPECT_EQ(request_in(again), request_in(question));
  auto answer = answer_of(leader, again);
  EXPECT_EQ(std::get<storage::SeedPart>(answer->content), std::get<storage::SeedPart>(lost->content));
  EXPECT_TRUE(fetcher.received(kLeader, std::move(*answer), now_ms));
  EXPECT_EQ(fetcher.beginnings(), 1u);
}

TEST_F(SeedProtocol, FirstQuestionDoubledBeginsOneSeed) {
  auto fetcher = new_fetcher();
  const SeedMessage question = decoded(fetcher.poll(kLeader, now_ms));
  const auto first = answer_of(leader, question);
  const auto second = answer_of(leader, question);
  EXPECT_EQ(std::get<storage::SeedPart>(first->content), std::get<storage::SeedPart>(second->content));
  EXPECT_TRUE(fetcher.received(kLeader, *first, now_ms));
  EXPECT_FALSE(fetcher.received(kLeader, *second, now_ms)) << "it has that part";
  write_all(fetcher);
  step(fetcher, leader, kLeader);
  EXPECT_EQ(answer_of(leader, question), std::nullopt) << "late, and would begin another seed";
  while (!fetcher.is_complete()) step(fetcher, leader, kLeader);
  EXPECT_EQ(fetcher.beginnings(), 1u);
}

TEST_F(SeedProtocol, LateQuestionsOfBeforeAreNotAnswered) {
  auto fetcher = new_fetcher();
  std::vector<SeedMessage> questions;
  for (int i = 0; i < 3; ++i) questions.push_back(step(fetcher, leader, kLeader));
  EXPECT_EQ(answer_of(leader, questions[0]), std::nullopt);
  EXPECT_EQ(answer_of(leader, questions[1]), std::nullopt);
  EXPECT_NE(answer_of(leader, questions[2]), std::nullopt) << "its answer may be lost";
  while (!fetcher.is_complete()) step(fetcher, leader, kLeader);
  EXPECT_EQ(fetcher.beginnings(), 1u);
}

TEST_F(SeedProtocol, AnswersThatWereNotAskedForChangeNothing) {
  auto fetcher = new_fetcher();
  const SeedMessage question = decoded(fetcher.poll(kLeader, now_ms));
  const SeedMessage good = *answer_of(leader, question);
  SeedMessage stale = good;
  stale.ask -= 1;
  EXPECT_FALSE(fetcher.received(kLeader, stale, now_ms));
  EXPECT_FALSE(fetcher.received(kOther, good, now_ms)) << "it was not asked";
  EXPECT_FALSE(fetcher.received(kLeader, question, now_ms)) << "a question is no answer";
  EXPECT_EQ(fetcher.objections(), 0u);
  EXPECT_TRUE(fetcher.received(kLeader, good, now_ms));
}

TEST_F(SeedProtocol, AnotherLeaderGivesAllFromTheBeginning) {
  auto fetcher = new_fetcher();
  step(fetcher, leader, kLeader);
  step(fetcher, leader, kLeader);
  const SeedMessage question = step(fetcher, other, kOther);
  EXPECT_EQ(request_in(question).number, 3u) << "it may have known that seed";
  EXPECT_EQ(fetcher.beginnings(), 2u);
  while (!fetcher.is_complete()) step(fetcher, other, kOther);
  EXPECT_EQ(fetcher.beginnings(), 2u);
  EXPECT_EQ(records_of(*receiver), records_of(other.environment()));
}

TEST_F(SeedProtocol, LeaderThatStartedAgainGivesAllFromTheBeginning) {
  auto fetcher = new_fetcher();
  step(fetcher, leader, kLeader);
  leader.start(3);
  const SeedMessage question = step(fetcher, leader, kLeader);
  EXPECT_EQ(fetcher.beginnings(), 2u);
  EXPECT_NE(answer_of(leader, question), std::nullopt) << "the same question once more";
  while (!fetcher.is_complete()) step(fetcher, leader, kLeader);
  EXPECT_EQ(fetcher.beginnings(), 2u);
}

TEST_F(SeedProtocol, ReceiverThatStartedAgainGoesOn) {
  {
    auto fetcher = new_fetcher(5);
    step(fetcher, leader, kLeader);
    step(fetcher, leader, kLeader);
  }
  auto fetcher = new_fetcher(4);
  while (!fetcher.is_complete()) step(fetcher, leader, kLeader);
  EXPECT_EQ(fetcher.beginnings(), 0u);
  EXPECT_EQ(records_of(*receiver), records_of(leader.environment()));
}

TEST_F(SeedProtocol, QuestionWithoutAnswerEndsInANewBeginning) {
  auto fetcher = new_fetcher();
  step(fetcher, leader, kLeader);
  const SeedMessage question = decoded(fetcher.poll(kLeader, now_ms));
  for (std::uint32_t i = 1; i < limits::kSeedTriesMax; ++i) {
    now_ms += limits::kSeedAskAgainMs;
    EXPECT_EQ(decoded(fetcher.poll(kLeader, now_ms)).ask, question.ask);
  }
  now_ms += limits::kSeedAskAgainMs;
  const SeedMessage other_question = decoded(fetcher.poll(kLeader, now_ms));
  EXPECT_NE(other_question.ask, question.ask);
  EXPECT_EQ(request_in(other_question).seed, 0u);
}

TEST_F(SeedProtocol, RefusalIsAPause) {
  auto fetcher = new_fetcher();
  const SeedMessage question = decoded(fetcher.poll(kLeader, now_ms));
  EXPECT_FALSE(fetcher.received(kLeader, decoded(not_leader_answer(question.ask)), now_ms));
  EXPECT_EQ(fetcher.poll(kLeader, now_ms), std::nullopt);
  EXPECT_EQ(fetcher.due_at_ms(), now_ms + limits::kSeedRefusedMs);
  EXPECT_NE(fetcher.poll(kOther, now_ms), std::nullopt) << "another one is asked at once";
}

TEST_F(SeedProtocol, BusyLeaderIsAskedAgainSoonAndAsOftenAsItTakes) {
  auto fetcher = new_fetcher();
  leader.feeder().flushing(true);
  do step(fetcher, leader, kLeader);
  while (fetcher.due_at_ms() == 0);  // until it is told to wait
  EXPECT_TRUE(leader.feeder().wants_rest());
  for (std::uint32_t i = 0; i < 3 * limits::kSeedTriesMax; ++i) {
    EXPECT_EQ(fetcher.due_at_ms(), now_ms + limits::kSeedBusyMs);
    now_ms = fetcher.due_at_ms();
    step(fetcher, leader, kLeader);
    EXPECT_FALSE(fetcher.is_complete());
  }
  leader.feeder().flushing(false);
  now_ms = fetcher.due_at_ms();
  step(fetcher, leader, kLeader);
  EXPECT_TRUE(fetcher.is_complete());
  EXPECT_FALSE(leader.feeder().wants_rest());
}

TEST_F(SeedProtocol, IdleFeedsAreForgottenAndTheLimitIsToldAsBusy) {
  const SeedMessage question = decoded(new_fetcher().poll(kLeader, now_ms));
  for (std::uint64_t node = 100; node < 100 + limits::kSeedsPerShardMax; ++node) {
    const auto answer = answer_of(leader, question, NodeId(node));
    EXPECT_TRUE(std::holds_alternative<storage::SeedPart>(answer->content));
    now_ms += 1;
  }
  EXPECT_EQ(leader.feeder().feeds(), limits::kSeedsPerShardMax);
  const auto refused = answer_of(leader, question);
  EXPECT_EQ(std::get<SeedRefusal>(refused->content).reason, SeedRefusal::Reason::kBusy);
  const std::uint64_t due_ms = 1'000 + limits::kSeedIdleMs;
  EXPECT_EQ(leader.feeder().due_at_ms(), due_ms);
  leader.feeder().forget_idle(due_ms - 1);
  EXPECT_EQ(leader.feeder().feeds(), limits::kSeedsPerShardMax);
  leader.feeder().forget_idle(due_ms);
  EXPECT_EQ(leader.feeder().feeds(), limits::kSeedsPerShardMax - 1);
  EXPECT_TRUE(std::holds_alternative<storage::SeedPart>(answer_of(leader, question)->content));
  leader.feeder().clear();
  EXPECT_EQ(leader.feeder().due_at_ms(), 0u);
}

TEST_F(SeedProtocol, DamagedSourceSaysSoToItsOwnerAndRefuses) {
  auto writing = must(leader.environment().begin_write());
  must(writing->put(storage::kStateTable, storage::state_key(kSeedShard, "M1000"), "damaged value"));
  must(writing->commit());
  auto fetcher = new_fetcher();
  const SeedMessage question = decoded(fetcher.poll(kLeader, now_ms));
  const auto answer = leader.feeder().answer(kReceiver, question.ask, request_in(question), now_ms);
  ASSERT_TRUE(answer && answer->damage);
  EXPECT_EQ(answer->damage->code, ErrorCode::kCorrupt);
  const SeedMessage refusal = must(decode_seed_message(answer->bytes));
  EXPECT_EQ(std::get<SeedRefusal>(refusal.content).reason, SeedRefusal::Reason::kCorrupt);
  EXPECT_FALSE(fetcher.received(kLeader, refusal, now_ms));
}

TEST_F(SeedProtocol, PartThatMakesNoSenseIsAnObjectionAndANewBeginning) {
  auto fetcher = new_fetcher();
  step(fetcher, leader, kLeader);
  const SeedMessage question = decoded(fetcher.poll(kLeader, now_ms));
  SeedMessage answer = *answer_of(leader, question);
  std::get<storage::SeedPart>(answer.content).range->from += "x";
  EXPECT_FALSE(fetcher.received(kLeader, std::move(answer), now_ms));
  EXPECT_EQ(fetcher.objections(), 1u);
  EXPECT_EQ(fetcher.poll(kLeader, now_ms), std::nullopt) << "not in a tight circle";
  now_ms = fetcher.due_at_ms();
  EXPECT_EQ(request_in(decoded(fetcher.poll(kLeader, now_ms))).seed, 0u);
}

}  // namespace
}  // namespace earshot::cluster
