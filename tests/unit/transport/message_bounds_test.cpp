#include "transport/message_bounds.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

#include <capnp/message.h>
#include <gtest/gtest.h>
#include <kj/exception.h>

#include "base/limits.hpp"

namespace earshot::transport {
namespace {

using capnp::rpc::CapDescriptor;
using capnp::rpc::Message;
using capnp::rpc::Payload;

constexpr std::uint32_t kMost = limits::kUnfinishedCallsMax;

class MessageBoundsTest : public testing::Test {
 protected:
  // The peer says one message; whether it may.
  bool may(const std::function<void(Message::Builder)>& fill) {
    capnp::MallocMessageBuilder message;
    fill(message.initRoot<Message>());
    return kj::runCatchingExceptions([&] { bounds_.check(message.getRoot<Message>().asReader()); }) == nullptr;
  }
  bool may_begin(std::uint32_t question) {
    return may([&](Message::Builder to) { to.initBootstrap().setQuestionId(question); });
  }
  bool may_finish(std::uint32_t question) {
    return may([&](Message::Builder to) { to.initFinish().setQuestionId(question); });
  }
  // This end answers.
  void answer(std::uint32_t question, [[maybe_unused]] bool needs_finish = true) {
    capnp::MallocMessageBuilder message;
    auto answer = message.initRoot<Message>().initReturn();
    answer.setAnswerId(question);
#if CAPNP_VERSION >= 1000000
    answer.setNoFinishNeeded(!needs_finish);
#endif
    bounds_.sent(message.getSegmentsForOutput());
  }
  bool may_begin_all(std::uint32_t first, std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i)
      if (!may_begin(first + i)) return false;
    return true;
  }

  MessageBounds bounds_;
};

TEST_F(MessageBoundsTest, UnfinishedCallsPassAtTheLimitAndOneMoreFails) {
  ASSERT_TRUE(may_begin_all(0, kMost));
  answer(7);
  ASSERT_TRUE(may_finish(7));
  EXPECT_TRUE(may_begin(kMost)) << "one was finished";
  EXPECT_FALSE(may([](Message::Builder to) { to.initCall().setQuestionId(7); }));
}

TEST_F(MessageBoundsTest, ANumberInUseIsNoOtherCalls) {
  ASSERT_TRUE(may_begin(7));
  EXPECT_FALSE(may([](Message::Builder to) { to.initCall().setQuestionId(7); }));
}

// From Cap'n Proto 1.0 on the RPC system lets a finished call go before its answer is on the line, which may then let
// another go that has taken its number.
TEST_F(MessageBoundsTest, ANumberIsFreeOnceItsAnswerIsSentAndItIsFinished) {
  ASSERT_TRUE(may_begin(1));
  ASSERT_TRUE(may_finish(1));
  answer(1);
  EXPECT_TRUE(may_begin(1)) << "finished, then answered";
  answer(1);
  ASSERT_TRUE(may_finish(1));
  EXPECT_TRUE(may_begin(1)) << "answered, then finished";

  ASSERT_TRUE(may_begin(2));
  ASSERT_TRUE(may_finish(2));
  EXPECT_FALSE(may_begin(2)) << "only finished";
  ASSERT_TRUE(may_begin(3));
  answer(3);
  EXPECT_FALSE(may_begin(3)) << "only answered";
}

TEST_F(MessageBoundsTest, CallsThatAreFinishedBeforeTheirAnswersCountToo) {
  for (std::uint32_t i = 0; i < kMost; ++i) {
    ASSERT_TRUE(may_begin(i)) << i;
    ASSERT_TRUE(may_finish(i)) << i;
  }
  EXPECT_FALSE(may_begin(kMost));
}

// From Cap'n Proto 1.0 on the RPC system passes over them: they cannot be used to cheat.
TEST_F(MessageBoundsTest, FinishesOfNothingAreNoCredit) {
  for (std::uint32_t i = 0; i < 100; ++i) ASSERT_TRUE(may_finish(i));
  ASSERT_TRUE(may_begin_all(0, kMost));
  for (std::uint32_t i = 0; i < 100; ++i) ASSERT_TRUE(may_finish(kMost + i));
  EXPECT_FALSE(may_begin(kMost));
}

#if CAPNP_VERSION >= 1000000
TEST_F(MessageBoundsTest, CallsWhoseAnswersNeedNoFinishAreNotCounted) {
  for (std::uint32_t i = 0; i < 2 * kMost; ++i) {
    ASSERT_TRUE(may_begin(i)) << i;
    answer(i, false);
  }
}

TEST_F(MessageBoundsTest, ACallThatIsNeverAnsweredFails) {
  EXPECT_FALSE(may([](Message::Builder to) { to.initCall().setOnlyPromisePipeline(true); }));
}
#endif

// What is kept here until a Finish is never written, so no bound on answers would see it.
TEST_F(MessageBoundsTest, AnAnswerThatIsNotToBeSentBackFails) {
  EXPECT_TRUE(may([](Message::Builder to) { to.initCall().getSendResultsTo().setCaller(); }));
  EXPECT_FALSE(may([](Message::Builder to) { to.initCall().getSendResultsTo().setYourself(); }));
  EXPECT_FALSE(may([](Message::Builder to) { to.initCall().getSendResultsTo().initThirdParty(); }));
}

const std::vector<std::function<Payload::Builder(Message::Builder)>> kPayloads{
    [](Message::Builder to) { return to.initCall().initParams(); },
    [](Message::Builder to) { return to.initReturn().initResults(); },
};

TEST_F(MessageBoundsTest, CapabilitiesInAMessagePassAtTheLimitAndOneMoreFails) {
  for (const auto& payload_of : kPayloads) {
    bounds_ = {};
    EXPECT_TRUE(may([&](Message::Builder to) { payload_of(to).initCapTable(limits::kMessageCapabilitiesMax); }));
    bounds_ = {};
    EXPECT_FALSE(may([&](Message::Builder to) { payload_of(to).initCapTable(limits::kMessageCapabilitiesMax + 1); }));
  }
}

TEST_F(MessageBoundsTest, OnlyCapabilitiesOfTheSendersOwnThatAreTherePass) {
  const std::map<std::string, std::function<void(CapDescriptor::Builder)>> refused{
      {"a promise", [](CapDescriptor::Builder to) { to.setSenderPromise(1); }},
      {"one of the receiver", [](CapDescriptor::Builder to) { to.setReceiverHosted(0); }},
      {"one in an answer of the receiver", [](CapDescriptor::Builder to) { to.initReceiverAnswer().setQuestionId(0); }},
      {"one of a third party", [](CapDescriptor::Builder to) { to.initThirdPartyHosted().setVineId(1); }},
  };
  for (const auto& payload_of : kPayloads) {
    const auto may_give = [&](const std::function<void(CapDescriptor::Builder)>& fill) {
      bounds_ = {};
      return may([&](Message::Builder to) { fill(payload_of(to).initCapTable(2)[1]); });
    };
    EXPECT_TRUE(may_give([](CapDescriptor::Builder to) { to.setNone(); }));
    EXPECT_TRUE(may_give([](CapDescriptor::Builder to) { to.setSenderHosted(1); }));
    for (const auto& [name, fill] : refused) EXPECT_FALSE(may_give(fill)) << name;
  }
}

TEST_F(MessageBoundsTest, WhatBelongsToCapabilitiesOfOthersFails) {
  EXPECT_TRUE(may([](Message::Builder to) { to.initRelease(); }));
  EXPECT_TRUE(may([](Message::Builder to) { to.initAbort(); }));
  EXPECT_TRUE(may([](Message::Builder to) { to.initUnimplemented(); }));
  EXPECT_FALSE(may([](Message::Builder to) { to.initResolve().initCap().setSenderHosted(1); }));
  EXPECT_FALSE(may([](Message::Builder to) { to.initDisembargo().getContext().setSenderLoopback(1); }));
  EXPECT_FALSE(may([](Message::Builder to) { to.initProvide(); }));
  EXPECT_FALSE(may([](Message::Builder to) { to.initAccept(); }));
  EXPECT_FALSE(may([](Message::Builder to) { to.initJoin(); }));
  EXPECT_FALSE(may([](Message::Builder to) { to.initObsoleteSave(); }));
}

// The RPC system walks each step, and keeps a client for each way. Steps may take no byte in the message: a list of
// structs without a field.
TEST_F(MessageBoundsTest, CallsAheadGoOneStepIntoAnAnswer) {
  std::uint32_t question = 0;
  const auto may_call = [&](const std::function<void(capnp::rpc::PromisedAnswer::Builder)>& fill) {
    return may([&](Message::Builder to) {
      auto call = to.initCall();
      call.setQuestionId(question++);
      fill(call.initTarget().initPromisedAnswer());
    });
  };
  EXPECT_TRUE(may_call([](auto to) { to.setQuestionId(1); })) << "a bootstrap's";
  EXPECT_TRUE(may_call([](auto to) { to.initTransform(1)[0].setGetPointerField(0); }));
  EXPECT_TRUE(may_call([](auto to) { to.initTransform(1)[0].setGetPointerField(limits::kCallsAheadFieldsMax - 1); }));
  EXPECT_FALSE(may_call([](auto to) { to.initTransform(1)[0].setGetPointerField(limits::kCallsAheadFieldsMax); }));
  EXPECT_FALSE(may_call([](auto to) { to.initTransform(1)[0].setNoop(); }));
  EXPECT_FALSE(may_call([](auto to) { to.initTransform(limits::kCallsAheadStepsMax + 1); }));
  EXPECT_FALSE(may_call([](auto to) { to.initTransform(1 << 20); }));
  EXPECT_TRUE(may([&](Message::Builder to) {
    auto call = to.initCall();
    call.setQuestionId(question++);
    call.initTarget().setImportedCap(~0u);
  }));
}

}  // namespace
}  // namespace earshot::transport
