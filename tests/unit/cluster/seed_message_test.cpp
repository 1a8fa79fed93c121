#include "cluster/seed_message.hpp"

#include <gtest/gtest.h>

#include "base/limits.hpp"

namespace earshot::cluster {
namespace {

using storage::SeedPart;

SeedPart some_part() {
  SeedPart part;
  part.seed = 7;
  part.number = 3;
  part.range = SeedPart::Range{std::string("M\0x", 3), "M2"};
  part.records = {{"M1", "one"}, {std::string("M1\0", 3), ""}};
  part.changed = {{"C1", "changed"}, {"C2", std::nullopt}, {"C3", ""}};
  return part;
}

template <class Content>
void expect_unchanged(const Content& content) {
  const auto decoded = decode_seed_message(encode(SeedMessage{99, content}));
  ASSERT_TRUE(decoded) << decoded.error().to_string();
  EXPECT_EQ(decoded->ask, 99u);
  EXPECT_EQ(std::get<Content>(decoded->content), content);
}

TEST(SeedMessage, EveryKindComesBackAsItWas) {
  expect_unchanged(SeedRequest{7, 3, 4'000});
  expect_unchanged(SeedRefusal{SeedRefusal::Reason::kNotLeader, 0});
  expect_unchanged(SeedRefusal{SeedRefusal::Reason::kBusy, 20});
  expect_unchanged(SeedRefusal{SeedRefusal::Reason::kCorrupt, 1'000});
  expect_unchanged(some_part());
  SeedPart last;
  last.seed = 7;
  last.number = 4;
  last.end = SeedPart::End{LogIndex(42), Term(3), {{{'M', {2, 17}}, {'S', {1, 5}}}}};
  expect_unchanged(last);
  SeedPart only = last;
  only.range.emplace();
  expect_unchanged(only);
}

TEST(SeedMessage, PartIsEncodedInPlaceOfAMessage) {
  EXPECT_EQ(encode(5, some_part()), encode(SeedMessage{5, some_part()}));
}

TEST(SeedMessage, EveryAlteredByteIsSeen) {
  const std::string bytes = encode(5, some_part());
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string altered = bytes;
    altered[i] ^= 0x10;
    const auto decoded = decode_seed_message(altered);
    ASSERT_FALSE(decoded) << i;
    EXPECT_EQ(decoded.error().code, ErrorCode::kChecksumMismatch);
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(decode_seed_message(bytes.substr(0, size)));
}

TEST(SeedMessage, FullPartPassesAndALargerOneIsRefused) {
  SeedPart part;
  part.seed = 7;
  part.number = 1;
  part.range.emplace();
  // As many small records as a source puts into a part: each may take kSeedRecordExtraBytes beside key and value.
  constexpr std::size_t kBytes = 5 + 1;
  for (std::size_t i = 0; i < limits::kSeedPartBytesMax / (kBytes + storage::kSeedRecordExtraBytes); ++i) {
    part.records.emplace_back("M" + std::to_string(1'000 + i % 9'000), "x");
  }
  EXPECT_TRUE(decode_seed_message(encode(5, part)));
  part.records.back().second.assign(limits::kSeedPartBytesMax, 'x');
  const auto refused = decode_seed_message(encode(5, part));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kTooLarge);
}

TEST(SeedMessage, LargestRecordPassesAndALargerOneIsRefused) {
  SeedPart part;
  part.seed = 7;
  part.number = 1;
  part.range.emplace();
  part.records.emplace_back("M1", std::string(limits::kSeedRecordBytesMax, 'x'));
  EXPECT_TRUE(decode_seed_message(encode(5, part)));
  part.records.back().second.append(64 << 10, 'x');
  EXPECT_EQ(decode_seed_message(encode(5, part)).error().code, ErrorCode::kTooLarge);
}

TEST(SeedMessage, RecordWithoutAKeyIsRefused) {
  SeedPart part = some_part();
  part.records.emplace_back("", "");
  EXPECT_EQ(decode_seed_message(encode(5, part)).error().code, ErrorCode::kCorrupt);
  part = some_part();
  part.changed.emplace_back("", "");
  EXPECT_EQ(decode_seed_message(encode(5, part)).error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace earshot::cluster
