#include <deque>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "peers/intake.hpp"
#include "peers/send_queue.hpp"
#include "tests/support/seed.hpp"

namespace earshot::peers {
namespace {

constexpr std::uint64_t kPlenty = std::uint64_t{1} << 40;

PeerFrame frame(PeerTopic topic, std::string body, std::uint16_t group = 0) {
  return {topic, storage::GroupId(group), std::make_shared<const std::string>(std::move(body))};
}
PeerFrame raft(std::size_t bytes, std::uint16_t group = 0, char fill = 'r') {
  return frame(PeerTopic::kRaft, std::string(bytes, fill), group);
}
PeerFrame call(std::size_t bytes, char fill = 'c') { return frame(PeerTopic::kCall, std::string(bytes, fill)); }
PeerFrame seed(std::size_t bytes) { return frame(PeerTopic::kSeed, std::string(bytes, 's')); }

Credits plenty() { return Credits({kPlenty, kPlenty, kPlenty}); }

// As a link writes it.
std::string written(const std::vector<Piece>& pieces) {
  std::string bytes;
  for (const Piece& piece : pieces) {
    std::string head(kHeaderBytes, '\0');
    write_header(head.data(), piece.kind, piece.flags, piece.group, piece.view());
    bytes += head;
    bytes += piece.view();
  }
  return bytes;
}

// Gives the bytes to an intake, some at a time, and says what came of it.
struct Reader {
  explicit Reader(std::uint64_t window = kWindowBytes) : intake(window) {}

  Status read(std::string_view bytes, std::size_t step = SIZE_MAX) {
    while (!bytes.empty()) {
      const auto room = intake.room();
      const std::size_t size = std::min({bytes.size(), room.size(), step});
      std::copy_n(bytes.begin(), size, room.begin());
      intake.took(size);
      bytes.remove_prefix(size);
      for (;;) {
        auto next = intake.next();
        if (!next) return fail(next.error());
        if (!*next) break;
        if (auto* arrived = std::get_if<PeerFrame>(&**next)) frames.push_back(std::move(*arrived));
      }
    }
    return {};
  }

  Intake intake;
  std::vector<PeerFrame> frames;
};

std::vector<std::string> kinds(const std::vector<Piece>& pieces) {
  std::vector<std::string> texts;
  for (const Piece& piece : pieces) texts.push_back(piece.bytes == 0 ? "" : std::string(1, piece.view().front()));
  return texts;
}

TEST(SendQueue, ASmallFrameOfRaftPassesBulkAlsoBetweenThePiecesOfALargeOne) {
  SendQueue queue({});
  Credits credits = plenty();
  ASSERT_TRUE(queue.push(call(4 * kPieceBytesMax)));
  ASSERT_EQ(kinds(queue.take(1, credits)), std::vector<std::string>{"c"});
  ASSERT_TRUE(queue.push(raft(100)));
  ASSERT_TRUE(queue.push(call(10)));
  EXPECT_EQ(kinds(queue.take(kPieceBytesMax, credits)), (std::vector<std::string>{"r", "c"}));
}

TEST(SendQueue, ASmallFrameOfRaftDoesNotOvertakeALargeOneOfItsOwnGroup) {
  SendQueue queue({});
  Credits credits = plenty();
  ASSERT_TRUE(queue.push(raft(kUrgentBytesMax + 1, 7, 'L')));
  ASSERT_TRUE(queue.push(raft(10, 7, 'a')));
  ASSERT_TRUE(queue.push(raft(10, 8, 'b')));
  EXPECT_EQ(kinds(queue.take(SIZE_MAX, credits)), (std::vector<std::string>{"b", "L", "a"}));
  ASSERT_TRUE(queue.push(raft(10, 7, 'd')));
  EXPECT_EQ(kinds(queue.take(SIZE_MAX, credits)), std::vector<std::string>{"d"}) << "and is urgent again behind it";
}

TEST(SendQueue, SeedsGoLastAndRaftAndCallsInTurns) {
  SendQueue queue({});
  Credits credits = plenty();
  ASSERT_TRUE(queue.push(seed(10)));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(queue.push(call(10)));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(queue.push(raft(kUrgentBytesMax + 1)));
  EXPECT_EQ(kinds(queue.take(SIZE_MAX, credits)), (std::vector<std::string>{"r", "c", "r", "c", "s"}));
  EXPECT_TRUE(queue.empty());
}

TEST(SendQueue, AFullBulkQueueRefusesBulkAndStillTakesRaft) {
  QueueBounds bounds;
  bounds.bytes_max = {1000, 1000, 1000};
  SendQueue queue(bounds);
  while (queue.push(call(100))) {
  }
  EXPECT_LE(queue.bytes(), 1000u);
  EXPECT_FALSE(queue.push(frame(PeerTopic::kAnswer, std::string(100, 'a'))));
  EXPECT_TRUE(queue.push(raft(100)));
  EXPECT_TRUE(queue.push(seed(100)));
}

TEST(SendQueue, FramesPassAtTheLimitOfTheirNumberAndOneMoreDoesNot) {
  SendQueue queue({});
  for (std::size_t i = 0; i < limits::kPeerQueueFramesMax; ++i) ASSERT_TRUE(queue.push(frame(PeerTopic::kCall, "")));
  EXPECT_FALSE(queue.push(frame(PeerTopic::kCall, "")));
  Credits credits = plenty();
  ASSERT_EQ(queue.take(1, credits).size(), 1u);
  EXPECT_TRUE(queue.push(frame(PeerTopic::kCall, ""))) << "there is room again";
}

TEST(SendQueue, BytesPassAtTheLimitOfTheQueueAndNotBeyond) {
  SendQueue queue({});
  const auto body = std::make_shared<const std::string>(1 << 20, 'x');
  std::size_t frames = 0;
  while (queue.push({PeerTopic::kCall, storage::GroupId(0), body})) ++frames;
  EXPECT_GE(frames, limits::kPeerQueueBytesMax / body->size() - 1);
  EXPECT_LE(queue.bytes(), limits::kPeerQueueBytesMax);
}

TEST(SendQueue, AFrameOfTheLargestSizeAlwaysFitsAnEmptyQueueAndOneMoreByteNever) {
  QueueBounds bounds;
  bounds.bytes_max = {10, 10, 10};
  SendQueue queue(bounds);
  EXPECT_FALSE(queue.push(raft(limits::kPeerFrameBytesMax + 1)));
  EXPECT_TRUE(queue.push(raft(limits::kPeerFrameBytesMax)));
}

TEST(SendQueue, WithoutCreditNothingGoesAndOtherClassesDo) {
  SendQueue queue({});
  Credits credits({kPlenty, 0, 0});
  ASSERT_TRUE(queue.push(call(10)));
  ASSERT_TRUE(queue.push(seed(10)));
  ASSERT_TRUE(queue.push(raft(kUrgentBytesMax + 1)));
  EXPECT_EQ(kinds(queue.take(SIZE_MAX, credits)), std::vector<std::string>{"r"});
  EXPECT_TRUE(queue.take(SIZE_MAX, credits).empty());
  credits.grant({kPlenty, 1, 0});
  EXPECT_EQ(kinds(queue.take(SIZE_MAX, credits)), std::vector<std::string>{"c"});
  EXPECT_FALSE(queue.empty()) << "the seed waits";
}

TEST(SendQueue, ALargeFrameWithoutCreditStopsBetweenPiecesAndGoesOn) {
  SendQueue queue({});
  Credits credits({0, 1, 0});
  ASSERT_TRUE(queue.push(call(3 * kPieceBytesMax)));
  EXPECT_EQ(queue.take(SIZE_MAX, credits).size(), 1u);
  credits.grant({0, kPlenty, 0});
  EXPECT_EQ(queue.take(SIZE_MAX, credits).size(), 2u);
}

TEST(SendQueue, WhatIsClearedLeavesNoFrameBegun) {
  SendQueue queue({});
  Credits credits = plenty();
  ASSERT_TRUE(queue.push(raft(3 * kPieceBytesMax)));
  ASSERT_EQ(queue.take(1, credits).size(), 1u);
  queue.clear();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.bytes(), 0u);
  ASSERT_TRUE(queue.push(call(10)));
  EXPECT_EQ(queue.take(SIZE_MAX, credits).front().flags, 0);
}

TEST(Intake, FramesOfAllSizesArriveAsTheyWereHoweverTheirBytesAreCut) {
  const std::uint64_t chosen = tests::seed_of_test();
  SCOPED_TRACE("seed " + std::to_string(chosen));
  Random random(chosen);
  for (int round = 0; round < 20; ++round) {
    SendQueue queue({});
    Credits credits = plenty();
    Reader reader;
    std::vector<std::deque<PeerFrame>> sent(8);
    std::string bytes;
    for (int i = 0; i < 40; ++i) {
      const auto topic = static_cast<PeerTopic>(random.between(1, 6));
      const std::size_t size = random.chance(0.2) ? random.below(4 * kPieceBytesMax) : random.below(6000);
      PeerFrame next =
          frame(topic, std::string(size, static_cast<char>('a' + i % 26)), static_cast<std::uint16_t>(random.below(3)));
      sent[static_cast<std::size_t>(topic)].push_back(next);
      ASSERT_TRUE(queue.push(next));
      if (random.chance(0.3)) bytes += written(queue.take(random.below(100'000) + 1, credits));
    }
    bytes += written(queue.take(SIZE_MAX, credits));
    ASSERT_TRUE(reader.read(bytes, random.between(1, 90'000)));
    for (const PeerFrame& arrived : reader.frames) {
      auto& expected = sent[static_cast<std::size_t>(arrived.topic)];
      // The first that was sent of this topic and, for Raft, of this group.
      const auto found = std::ranges::find_if(expected, [&](const PeerFrame& one) {
        return arrived.topic != PeerTopic::kRaft || one.group == arrived.group;
      });
      ASSERT_NE(found, expected.end());
      EXPECT_EQ(found->group, arrived.group);
      EXPECT_EQ(*found->body, *arrived.body);
      expected.erase(found);
    }
    for (const auto& left : sent) EXPECT_TRUE(left.empty());
  }
}

TEST(Intake, AnyFlippedBitIsSeen) {
  SendQueue queue({});
  Credits credits = plenty();
  ASSERT_TRUE(queue.push(call(50)));
  ASSERT_TRUE(queue.push(raft(10, 3)));
  const std::string bytes = written(queue.take(SIZE_MAX, credits));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes + std::string(2 * kPieceBytesMax, '\0');  // a length that grew finds its bytes
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    Reader reader;
    EXPECT_FALSE(reader.read(flipped)) << "bit " << bit;
    EXPECT_LT(reader.frames.size(), 2u) << "bit " << bit;
  }
}

TEST(Intake, AFrameOfTheLargestSizePassesAndAByteMoreEndsTheLink) {
  for (const bool too_large : {false, true}) {
    std::vector<Piece> pieces;
    const auto body = std::make_shared<const std::string>(kPieceBytesMax, 'x');
    const std::size_t whole = limits::kPeerFrameBytesMax / kPieceBytesMax;
    for (std::size_t i = 0; i < whole; ++i)
      pieces.push_back(
          {body, 0, kPieceBytesMax, static_cast<std::uint8_t>(PeerTopic::kRaft),
           static_cast<std::uint8_t>((i == 0 ? 0 : kContinues) | (i + 1 < whole || too_large ? kMoreFollows : 0)), 0});
    if (too_large) pieces.push_back({body, 0, 1, static_cast<std::uint8_t>(PeerTopic::kRaft), kContinues, 0});
    Reader reader;
    const Status read = reader.read(written(pieces));
    EXPECT_EQ(read.has_value(), !too_large);
    if (too_large) {
      EXPECT_EQ(read.error().code, ErrorCode::kTooLarge);
      EXPECT_EQ(read.error().detail, "a frame has " + std::to_string(limits::kPeerFrameBytesMax + 1) +
                                         " bytes, the limit is " + std::to_string(limits::kPeerFrameBytesMax));
    }
    EXPECT_EQ(reader.frames.size(), too_large ? 0u : 1u);
  }
}

TEST(Intake, PiecesThatDoNotFitTogetherEndTheLink) {
  const auto body = std::make_shared<const std::string>("x");
  const auto piece = [&](PeerTopic topic, int flags) {
    return Piece{body, 0, 1, static_cast<std::uint8_t>(topic), static_cast<std::uint8_t>(flags), 0};
  };
  const std::vector<std::vector<Piece>> wrong{
      {piece(PeerTopic::kCall, kContinues)},
      {piece(PeerTopic::kCall, kMoreFollows), piece(PeerTopic::kCall, kMoreFollows)},
      {piece(PeerTopic::kCall, kMoreFollows), piece(PeerTopic::kSeed, kContinues)},
      {Piece{body, 0, 0, static_cast<std::uint8_t>(PeerTopic::kCall), kMoreFollows, 0}},
  };
  for (const auto& pieces : wrong) EXPECT_FALSE(Reader().read(written(pieces)));
}

TEST(Intake, AnUnknownTopicIsPassedOverAndWhatFollowsArrives) {
  const auto body = std::make_shared<const std::string>("new");
  Reader reader;
  SendQueue queue({});
  Credits credits = plenty();
  ASSERT_TRUE(queue.push(call(3)));
  ASSERT_TRUE(reader.read(written({Piece{body, 0, 3, 77, 0, 0}}) + written(queue.take(SIZE_MAX, credits))));
  ASSERT_EQ(reader.frames.size(), 1u);
  EXPECT_EQ(*reader.frames.front().body, "ccc");
}

TEST(Intake, MoreThanWasGrantedEndsTheLink) {
  constexpr std::uint64_t kWindow = 1000;
  SendQueue queue({});
  Credits honest({kWindow, kWindow, kWindow});
  Credits greedy = plenty();
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(queue.push(call(100)));
  Reader reader(kWindow);
  ASSERT_TRUE(reader.read(written(queue.take(SIZE_MAX, honest))));
  EXPECT_FALSE(queue.empty());
  EXPECT_FALSE(reader.intake.grant_due()) << "whoever is to handle it has it still";
  reader.frames.clear();
  ASSERT_TRUE(reader.intake.grant_due());
  honest.grant(reader.intake.grant());
  EXPECT_FALSE(reader.intake.grant_due());
  ASSERT_TRUE(reader.read(written(queue.take(SIZE_MAX, honest)))) << "as much as was handled may come again";
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(queue.push(call(100)));
  const Status read = reader.read(written(queue.take(SIZE_MAX, greedy)));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, ErrorCode::kTooLarge);
  EXPECT_NE(read.error().detail.find("no more than "), std::string::npos) << read.error().detail;
}

TEST(Intake, APieceThatIsTooLargeIsRefusedByItsHeader) {
  constexpr std::size_t kBytes = kPieceBytesMax + 1;
  const auto body = std::make_shared<const std::string>(kBytes, 'x');
  const Status read = Reader().read(written({{body, 0, kBytes, static_cast<std::uint8_t>(PeerTopic::kRaft), 0, 0}}));
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().detail,
            "a piece has " + std::to_string(kBytes) + " bytes, the limit is " + std::to_string(kPieceBytesMax));
}

TEST(Intake, AWindowNeverKeepsAFrameOfTheLargestSizeFromItsEnd) {
  SendQueue queue({});
  Credits credits({kWindowBytes, kWindowBytes, kWindowBytes});
  Reader reader;
  const auto body = std::make_shared<const std::string>(limits::kPeerFrameBytesMax, 'x');
  for (std::size_t sent = 0; sent < 8; ++sent) {
    ASSERT_TRUE(queue.push({PeerTopic::kRaft, storage::GroupId(0), body}));
    while (!queue.empty()) {
      const auto pieces = queue.take(256 << 10, credits);
      ASSERT_FALSE(pieces.empty()) << "neither end can go on";
      ASSERT_TRUE(reader.read(written(pieces)));
      if (reader.intake.grant_due()) credits.grant(reader.intake.grant());
    }
    EXPECT_EQ(std::exchange(reader.frames, {}).size(), 1u);
  }
}

TEST(SendQueueWaiting, IsToldByClassAgainstItsLimits) {
  SendQueue queue({.bytes_max = {1'000, 2'000, 3'000}, .frames_max = 7});
  ASSERT_TRUE(queue.push({PeerTopic::kCall, {}, std::make_shared<const std::string>(100, 'x')}));
  const auto waiting = queue.waiting();
  ASSERT_EQ(waiting.size(), kFrameClasses);
  EXPECT_EQ(waiting[0].frame_class, "raft");
  EXPECT_EQ(waiting[0].frames, 0u);
  EXPECT_EQ(waiting[1].frame_class, "calls");
  EXPECT_EQ(waiting[1].frames, 1u);
  EXPECT_EQ(waiting[1].frames_limit, 7u);
  EXPECT_GE(waiting[1].bytes, 100u);
  EXPECT_EQ(waiting[1].bytes_limit, 2'000u);
  EXPECT_EQ(waiting[2].frame_class, "seed");
}

}  // namespace
}  // namespace earshot::peers
