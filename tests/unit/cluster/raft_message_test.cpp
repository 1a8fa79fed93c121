#include "cluster/raft_message.hpp"

#include <gtest/gtest.h>

#include "base/checksum.hpp"
#include "base/limits.hpp"
#include "base/random.hpp"
#include "tests/support/seed.hpp"

namespace earshot::cluster {
namespace {

using storage::EntryType;
using storage::LogEntry;

LogEntry entry(std::uint64_t index, std::uint64_t term, EntryType type, std::string data) {
  return {LogIndex(index), Term(term), type, std::make_shared<const std::string>(std::move(data))};
}

RaftMessage append_message() {
  return {Term(9), AppendEntries{LogIndex(6),
                                 Term(3),
                                 LogIndex(5),
                                 {entry(7, 3, EntryType::kCommand, "first"), entry(8, 8, EntryType::kBarrier, ""),
                                  entry(9, 9, EntryType::kConfiguration, std::string(100, 'c'))}}};
}

std::vector<RaftMessage> one_of_each() {
  return {
      {Term(5), RequestVote{LogIndex(4), Term(3), true, false}},
      {Term(5), RequestVoteResult{true, true, 1, 65535}},
      append_message(),
      {Term(5), AppendEntriesResult{LogIndex(4), LogIndex(3), 1, 12}},
      {Term(5), InstallSnapshot{{LogIndex(90), Term(4), "members", LogIndex(1)}}},
      {Term(5), TimeoutNow{LogIndex(4), Term(3)}},
      {Term(5), LeaderCheck{77}},
      {Term(5), LeaderCheckResult{77}},
  };
}

// The checksum made right again, so that what stands behind it is tried too.
std::string sealed_again(std::string bytes) {
  const std::uint64_t checksum = checksum_of(std::string_view(bytes).substr(0, bytes.size() - 8));
  for (int i = 0; i < 8; ++i) bytes[bytes.size() - 8 + i] = static_cast<char>(checksum >> (8 * i));
  return bytes;
}

void expect_same(const RaftMessage& got, const RaftMessage& want) {
  EXPECT_EQ(got.term, want.term);
  ASSERT_EQ(got.content.index(), want.content.index());
  std::visit(
      [&](const auto& part) {
        using Part = std::decay_t<decltype(part)>;
        const auto& other = std::get<Part>(want.content);
        if constexpr (std::is_same_v<Part, AppendEntries>) {
          EXPECT_EQ(part.previous_index, other.previous_index);
          EXPECT_EQ(part.previous_term, other.previous_term);
          EXPECT_EQ(part.leader_commit, other.leader_commit);
          ASSERT_EQ(part.entries.size(), other.entries.size());
          for (std::size_t i = 0; i < part.entries.size(); ++i) {
            EXPECT_EQ(part.entries[i].index, other.entries[i].index);
            EXPECT_EQ(part.entries[i].term, other.entries[i].term);
            EXPECT_EQ(part.entries[i].type, other.entries[i].type);
            EXPECT_EQ(*part.entries[i].data, *other.entries[i].data);
          }
        } else {
          EXPECT_EQ(part, other);
        }
      },
      got.content);
}

TEST(RaftMessage, EveryKindComesBackAsItWent) {
  for (const RaftMessage& message : one_of_each()) {
    const auto decoded = decode_raft_message(encode(message));
    ASSERT_TRUE(decoded) << decoded.error().to_string();
    expect_same(*decoded, message);
  }
}

TEST(RaftMessage, IsReadFromAnyAlignment) {
  const std::string shifted = "x" + encode(append_message());
  const auto decoded = decode_raft_message(std::string_view(shifted).substr(1));
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  expect_same(*decoded, append_message());
}

TEST(RaftMessage, EveryFlippedBitIsNoticed) {
  for (const RaftMessage& message : one_of_each()) {
    std::string bytes = encode(message);
    const std::size_t step = bytes.size() > 2'000 ? 61 : 1;
    for (std::size_t bit = 0; bit < bytes.size() * 8; bit += step) {
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
      EXPECT_FALSE(decode_raft_message(bytes)) << bit;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    }
  }
}

TEST(RaftMessage, EveryTruncationIsNoticed) {
  const std::string bytes = encode(append_message());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_raft_message(std::string_view(bytes).substr(0, size))) << size;
  }
}

TEST(RaftMessage, DamageWithAFittingChecksumNeverCrashes) {
  Random random(tests::seed_of_test());
  const auto messages = one_of_each();
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = encode(messages[random.below(messages.size())]);
    for (std::uint64_t flips = random.between(1, 8); flips > 0; --flips) {
      bytes[random.below(std::min<std::size_t>(bytes.size() - 8, 200))] ^= static_cast<char>(1 << random.below(8));
    }
    (void)decode_raft_message(sealed_again(std::move(bytes)));
  }
}

TEST(RaftMessage, RandomBytesWithAFittingChecksumAreRefused) {
  Random random(tests::seed_of_test());
  for (int round = 0; round < 5'000; ++round) {
    std::string bytes(8 * random.between(2, 40), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.next());
    EXPECT_FALSE(decode_raft_message(sealed_again(std::move(bytes))));
  }
}

TEST(RaftMessage, EntriesInFlightPassAtTheLimitAndOneMoreIsRefused) {
  RaftMessage message = append_message();
  auto& entries = std::get<AppendEntries>(message.content).entries;
  const auto add = [&] { entries.push_back(entry(7 + entries.size(), 9, EntryType::kCommand, "x")); };
  while (entries.size() < limits::kRaftEntriesInFlightMax) add();
  EXPECT_TRUE(decode_raft_message(encode(message)));
  add();
  const auto decoded = decode_raft_message(encode(message));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(decoded.error().detail, "has " + std::to_string(limits::kRaftEntriesInFlightMax + 1) +
                                        " entries, the limit is " + std::to_string(limits::kRaftEntriesInFlightMax));
}

TEST(RaftMessage, AnEntryBeyondItsLimitIsRefused) {
  RaftMessage message = append_message();
  std::get<AppendEntries>(message.content).entries.back() =
      entry(9, 9, EntryType::kCommand, std::string(limits::kEntryBytesMax + 1, 'x'));
  const auto decoded = decode_raft_message(encode(message));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(decoded.error().detail, "an entry has " + std::to_string(limits::kEntryBytesMax + 1) +
                                        " bytes, the limit is " + std::to_string(limits::kEntryBytesMax));
}

}  // namespace
}  // namespace earshot::cluster
