#include <cstring>
#include <functional>
#include <set>

#include <capnp/any.h>
#include <capnp/message.h>
#include <capnp/schema.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include "actors/call_codec.hpp"
#include "base/random.hpp"
#include "schema/call.capnp.h"
#include "schema/flat.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/actors/call_values.hpp"

namespace earshot::actors {
namespace {

using tests::CallValues;
using tests::kCallShards;

struct Frame {
  std::string bytes;
  bool is_call;

  // Whether it decodes; what does is encoded the same again.
  [[nodiscard]] bool passes() const {
    if (is_call) return expect_same(decode_call(bytes, kCallShards), encode_call, decode_call);
    return expect_same(decode_answer(bytes, kCallShards), encode_answer, decode_answer);
  }

  template <class Decoded>
  static bool expect_same(const Result<Decoded>& decoded, std::string (*encode)(const Decoded&),
                          Result<Decoded> (*decode)(std::string_view, std::uint16_t)) {
    if (!decoded) return false;
    const std::string once = encode(*decoded);
    const Result<Decoded> again = decode(once, kCallShards);
    EXPECT_TRUE(again) << again.error().to_string();
    if (again) {
      EXPECT_EQ(encode(*again), once);
    }
    return true;
  }
};

std::vector<Frame> one_of_each(std::uint64_t seed) {
  CallValues values(seed);
  std::vector<Frame> frames;
  for (const CallRequest& request : values.requests())
    frames.push_back({encode_call(Call{values.address(), 1, request}), true});
  for (const AnswerContent& content : values.answers())
    frames.push_back({encode_answer(Answer{values.address(), content}), false});
  return frames;
}

// The checksum made right again, so that what stands behind it is tried too.
std::string sealed_again(std::string bytes) {
  bytes.resize(bytes.size() - 8);
  return flat::with_checksum(std::move(bytes));
}

TEST(CallDamage, EveryFlippedBitIsNoticed) {
  for (Frame& frame : one_of_each(tests::seed_of_test())) {
    const std::size_t step = frame.bytes.size() > 2'000 ? 61 : 1;
    for (std::size_t bit = 0; bit < frame.bytes.size() * 8; bit += step) {
      frame.bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
      EXPECT_FALSE(frame.passes()) << bit;
      frame.bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
    }
  }
}

TEST(CallDamage, EveryTruncationIsNoticed) {
  for (const Frame& frame : one_of_each(tests::seed_of_test())) {
    for (std::size_t size = 0; size < frame.bytes.size(); ++size)
      EXPECT_FALSE((Frame{frame.bytes.substr(0, size), frame.is_call}.passes())) << size;
  }
}

TEST(CallDamage, EveryTruncationWithAFittingChecksumIsNoticed) {
  for (const Frame& frame : one_of_each(tests::seed_of_test())) {
    for (std::size_t size = 8; size < frame.bytes.size(); ++size)
      EXPECT_FALSE((Frame{sealed_again(frame.bytes.substr(0, size)), frame.is_call}.passes())) << size;
  }
}

TEST(CallDamage, AFlippedBitWithAFittingChecksumNeverCrashes) {
  for (const Frame& frame : one_of_each(tests::seed_of_test())) {
    for (std::size_t bit = 0; bit < std::min<std::size_t>(frame.bytes.size() - 8, 1'500) * 8; ++bit) {
      Frame flipped = frame;
      flipped.bytes[bit / 8] ^= static_cast<char>(1 << bit % 8);
      flipped.bytes = sealed_again(std::move(flipped.bytes));
      (void)flipped.passes();
    }
  }
}

TEST(CallDamage, ManyFlippedBitsWithAFittingChecksumNeverCrash) {
  Random random(tests::seed_of_test());
  const auto frames = one_of_each(random.next());
  for (int round = 0; round < 20'000; ++round) {
    Frame frame = frames[random.below(frames.size())];
    for (std::uint64_t flips = random.between(2, 12); flips > 0; --flips) {
      frame.bytes[random.below(std::min<std::size_t>(frame.bytes.size() - 8, 400))] ^=
          static_cast<char>(1 << random.below(8));
    }
    frame.bytes = sealed_again(std::move(frame.bytes));
    (void)frame.passes();
  }
}

TEST(CallDamage, RandomBytesWithAFittingChecksumAreRefused) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 5'000; ++round) {
    std::string bytes(8 * random.between(1, 40), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.next());
    bytes = flat::with_checksum(std::move(bytes));
    EXPECT_FALSE((Frame{bytes, true}.passes()));
    EXPECT_FALSE((Frame{bytes, false}.passes()));
  }
}

// ---- messages made by hand

template <class Root>
std::string frame_of(const std::function<void(typename Root::Builder)>& fill) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<Root>();
  fill(root);
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asChars();
  return flat::with_checksum({bytes.begin(), bytes.size()});
}

// Gives a struct the union member `member`, which may be one that its schema does not have.
template <class Struct, class Builder>
void set_member(Builder to, std::uint16_t member) {
  const auto offset = capnp::Schema::from<Struct>().getProto().getStruct().getDiscriminantOffset();
  std::memcpy(capnp::toAny(to).getDataSection().begin() + 2 * offset, &member, sizeof member);
}

TEST(CallDamage, AKindThatANewerVersionInventedIsRefusedByThatName) {
  const auto call = frame_of<schema::Call>([](auto to) {
    to.initFrom().setNode(4);
    set_member<schema::Call>(to, 99);
  });
  EXPECT_EQ(decode_call(call, kCallShards).error().code, ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(decode_call_from(call)->node, NodeId(4));
  const auto command = frame_of<schema::Call>([](auto to) {
    to.initFrom().setNode(4);
    set_member<schema::Command>(to.initCommand(), 99);
  });
  EXPECT_EQ(decode_call(command, kCallShards).error().code, ErrorCode::kUnsupportedVersion);
  const auto manage = frame_of<schema::Call>([](auto to) {
    to.initFrom().setNode(4);
    set_member<schema::Manage>(to.initManage(), 99);
  });
  EXPECT_EQ(decode_call(manage, kCallShards).error().code, ErrorCode::kUnsupportedVersion);
  const auto answer = frame_of<schema::Answer>([](auto to) {
    to.initTo().setNode(4);
    set_member<schema::Answer>(to, 99);
  });
  EXPECT_EQ(decode_answer(answer, kCallShards).error().code, ErrorCode::kUnsupportedVersion);
}

TEST(CallDamage, AnAnswerOfAnUnknownKindIsNotTakenForAnAnswer) {
  const std::function<void(schema::Answer::Builder)> fills[] = {
      [](auto to) { set_member<schema::LoginResult>(to.initLogin(), 9); },
      [](auto to) { set_member<schema::AckAnswer>(to.initAck(), 9); },
      [](auto to) { set_member<schema::FetchAnswer>(to.initRead(), 9); },
      [](auto to) { set_member<schema::ManageResult>(to.initManage(), 99); },
      [](auto to) { set_member<schema::StatusAnswer>(to.initAttempts(), 9); },
      [](auto to) { set_member<schema::PositionsResult>(to.initPositions(), 9); },
  };
  for (const auto& fill : fills) {
    const auto answer = frame_of<schema::Answer>([&](auto to) {
      to.initTo().setNode(4);
      fill(to);
    });
    EXPECT_FALSE(decode_answer(answer, kCallShards));
  }
}

TEST(CallDamage, CommandsThatNoNodeAsksAnotherForAreRefused) {
  const std::function<void(schema::Command::Builder)> fills[] = {
      [](auto to) { to.initConfirm(); },
      [](auto to) { to.initTouch(); },
      [](auto to) {
        auto remove = to.initRemoveDevice();
        remove.setUser("alice"), remove.setDevice("phone");
      },
      [](auto to) { to.initSetPolicy().setInherit(true); },
  };
  for (const auto& fill : fills) {
    const auto call = frame_of<schema::Call>([&](auto to) {
      to.initFrom().setNode(4);
      fill(to.initCommand());
    });
    const auto decoded = decode_call(call, kCallShards);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(decoded.error().field, "command");
  }
}

// Elements without a size: a list of any length takes no bytes.
void huge_list(auto of, unsigned pointer) {
  capnp::toAny(of).getPointerSection()[pointer].initAsListOfAnyStruct(0, 0, 1u << 28);
}

TEST(CallDamage, AListOfHundredsOfMillionsThatTakesNoBytesIsRefusedUnread) {
  const auto call = [](const std::function<void(schema::Call::Builder)>& fill) {
    const auto frame = frame_of<schema::Call>([&](auto to) {
      to.initFrom().setNode(4);
      fill(to);
    });
    EXPECT_LT(frame.size(), 300u);
    return decode_call(frame, kCallShards).has_value();
  };
  EXPECT_FALSE(call([](auto to) {
    auto send = to.initCommand().initSend();
    send.setUser("alice"), send.setDevice("phone");
    huge_list(send, 2);
  }));
  EXPECT_FALSE(call([](auto to) { huge_list(to.initCommand().initTransfer(), 0); }));
  EXPECT_FALSE(call([](auto to) {
    auto set = to.initCommand().initSetPositions();
    set.setLayer("people");
    huge_list(set, 1);
  }));
  const auto answer = [](const std::function<void(schema::Answer::Builder)>& fill) {
    return decode_answer(frame_of<schema::Answer>([&](auto to) {
                           to.initTo().setNode(4);
                           fill(to);
                         }),
                         kCallShards)
        .has_value();
  };
  EXPECT_FALSE(answer([](auto to) {
    to.initPush(0);
    huge_list(to, 1);
  }));
  EXPECT_FALSE(answer([](auto to) {
    to.initSends(0);
    huge_list(to, 1);
  }));
  EXPECT_FALSE(answer([](auto to) { huge_list(to.initManage().initParked(), 0); }));
}

}  // namespace
}  // namespace earshot::actors
