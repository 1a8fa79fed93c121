#include "actors/question_codec.hpp"

#include <functional>
#include <limits>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "schema/flat.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/actors/question_values.hpp"

// What another node may not bring in: whatever it asks is bounded, and whatever it tells.
namespace earshot::actors {
namespace {

using tests::QuestionValues;

std::string encode_any(const QuestionMessage& message) {
  return std::visit([](const auto& one) { return encode(one); }, message);
}

// "accepted", or the code and the field at fault.
template <class Message>
std::string verdict(const Message& message) {
  const auto decoded = decode_question_message(encode(message));
  if (decoded) return "accepted";
  return std::string(name_of(decoded.error().code)) + "(" + decoded.error().field + ")";
}

template <class Part>
NodeQuestion question_of(const std::function<void(NodeQuestion&, Part&)>& change) {
  QuestionValues values(1);
  for (NodeQuestion& question : values.questions()) {
    auto* part = std::get_if<Part>(&question.part);
    if (part == nullptr) continue;
    change(question, *part);
    return question;
  }
  return {};
}

template <class Of>
NodeAnswer answer_of(const std::function<void(NodeAnswer&, Of&)>& change) {
  QuestionValues values(1);
  for (NodeAnswer& answer : values.answers()) {
    auto* told = std::get_if<Of>(&answer.told);
    if (told == nullptr) continue;
    change(answer, *told);
    return answer;
  }
  return {};
}

TEST(QuestionCodec, WhatIsAskedAndToldArrivesAsItWas) {
  const std::uint64_t seed = tests::seed_of_test();
  for (std::uint64_t round = 0; round < 200; ++round) {
    QuestionValues values(seed + round);
    for (const NodeQuestion& question : values.questions()) {
      const std::string bytes = encode(question);
      const auto decoded = decode_question_message(bytes);
      ASSERT_TRUE(decoded.has_value()) << decoded.error().to_string();
      ASSERT_EQ(encode_any(*decoded), bytes);
    }
    for (const NodeAnswer& answer : values.answers()) {
      const std::string bytes = encode(answer);
      const auto decoded = decode_question_message(bytes);
      ASSERT_TRUE(decoded.has_value()) << decoded.error().to_string();
      ASSERT_EQ(encode_any(*decoded), bytes);
      if (const auto* members = std::get_if<ToldMembers>(&answer.told)) {
        ASSERT_EQ(std::get<ToldMembers>(std::get<NodeAnswer>(*decoded).told), *members);
      }
    }
  }
}

TEST(QuestionCodec, AnAreaFindsTheSameOnTheOtherNode) {
  for (const geo::Area& area : {geo::Area::circle({10, 50}, 1'234.5678, "").value(),
                                geo::Area::box({-179.9, -84}, 0.1, 98'765.4321, "").value()}) {
    NodeQuestion question;
    question.id = 1;
    question.part = NearbyPart{LayerId::trusted("people"), area, geo::Pick::kAll, 1};
    const auto decoded = decode_question_message(encode(question));
    const auto& part = std::get<NearbyPart>(std::get<NodeQuestion>(*decoded).part);
    EXPECT_EQ(part.area.centre(), area.centre());
    EXPECT_EQ(part.area.is_box(), area.is_box());
    EXPECT_EQ(part.area.reach_m(), area.reach_m());
    EXPECT_EQ(part.area.width_m(), area.width_m());
    EXPECT_EQ(part.area.height_m(), area.height_m());
    EXPECT_EQ(part.area.bounds().west, area.bounds().west);
    EXPECT_EQ(part.area.bounds().north, area.bounds().north);
  }
}

TEST(QuestionCodec, AQuestionKeepsTheNameOfItsCall) {
  NodeQuestion question;
  question.id = 1;
  question.part = SizePart{LayerId::trusted("people")};
  question.tag = {NodeId(), RequestTag::Door::kRedis, 12, 55};
  EXPECT_EQ(std::get<NodeQuestion>(*decode_question_message(encode(question))).tag, question.tag);
}

TEST(QuestionCodec, EveryFlippedBitIsSeen) {
  QuestionValues values(tests::seed_of_test());
  std::string bytes = encode(values.questions()[2]);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    ASSERT_FALSE(decode_question_message(bytes).has_value()) << bit;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  }
  for (std::size_t length = 0; length < bytes.size(); ++length)
    ASSERT_FALSE(decode_question_message(bytes.substr(0, length)).has_value()) << length;
}

TEST(QuestionCodec, AQuestionIsBounded) {
  using Nearby = NearbyPart;
  const auto nearby = [](const std::function<void(NodeQuestion&, Nearby&)>& change) {
    return verdict(question_of<Nearby>(change));
  };
  EXPECT_EQ(nearby([](auto&, auto&) {}), "accepted");
  EXPECT_EQ(nearby([](auto& q, auto&) { q.id = 0; }), "invalidArgument(id)");
  EXPECT_EQ(nearby([](auto& q, auto&) { q.left_ms = limits::kNearbyDeadlineMsMax + 1; }), "invalidArgument(leftMs)");
  EXPECT_EQ(nearby([](auto& q, auto&) { q.view = {NodeId(2), NodeId(1)}; }), "invalidArgument(view)");
  EXPECT_EQ(nearby([](auto& q, auto&) { q.view = {NodeId(2), NodeId(2)}; }), "invalidArgument(view)");
  EXPECT_EQ(nearby([](auto& q, auto&) { q.view = {NodeId(0)}; }), "invalidArgument(view)");
  EXPECT_EQ(nearby([](auto& q, auto&) {
              q.view.clear();
              for (std::uint64_t i = 1; i <= limits::kClusterNodesMax + 1; ++i) q.view.emplace_back(i);
            }),
            "tooLarge(view)");
  EXPECT_EQ(nearby([](auto& q, auto&) {
              q.regions = {cluster::Region(5), cluster::Region(5)};
            }),
            "invalidArgument(regions)");
  EXPECT_EQ(nearby([](auto& q, auto&) { q.regions = {cluster::Region(cluster::kRegions)}; }),
            "invalidArgument(regions)");
  EXPECT_EQ(nearby([](auto& q, auto&) {
              q.regions.clear();
              for (std::uint16_t i = 0; i <= limits::kQuestionRegionsMax; ++i) q.regions.emplace_back(i);
            }),
            "tooLarge(regions)");
  EXPECT_EQ(nearby([](auto&, auto& part) { part.layer = {}; }), "invalidArgument(layer)");
  EXPECT_EQ(nearby([](auto&, auto& part) { part.count_max = limits::kNodeMembersMax + 1; }),
            "invalidArgument(countMax)");
  EXPECT_EQ(nearby([](auto&, auto& part) {
              part.area = geo::Area::circle({181, 0}, 1, "").value();
            }),
            "invalidArgument(longitude)");
  EXPECT_EQ(nearby([](auto&, auto& part) {
              part.area = geo::Area::circle({0, std::numeric_limits<double>::quiet_NaN()}, 1, "").value();
            }),
            "invalidArgument(latitude)");
  EXPECT_EQ(nearby([](auto&, auto& part) {
              part.sight = ViewerSight{UserId::trusted("ada"), limits::kPrecisionMMax + 1, 1};
            }),
            "invalidArgument(precisionM)");
  EXPECT_EQ(nearby([](auto&, auto& part) { part.sight = ViewerSight{}; }), "invalidArgument(viewer)");
  const auto range = [](const std::function<void(NodeQuestion&, RangePart&)>& change) {
    return verdict(question_of<RangePart>(change));
  };
  EXPECT_EQ(range([](auto&, auto& part) { part.count_max = limits::kNodePageMembersMax + 1; }),
            "invalidArgument(countMax)");
  EXPECT_EQ(range([](auto&, auto& part) {
              part.after = MemberSpot{0, std::string(limits::kMemberBytesMax + 1, 'x')};
            }),
            "tooLarge(after)");
  EXPECT_EQ(
      range([](auto&, auto& part) { part.bounds.emplace().score_max = std::numeric_limits<double>::quiet_NaN(); }),
      "invalidArgument(scoreMax)");
  EXPECT_EQ(verdict(question_of<ScanPart>([](auto&, auto& part) { part.count_max = limits::kLayersPageMax + 1; })),
            "invalidArgument(countMax)");
  EXPECT_EQ(verdict(question_of<SizePart>([](auto&, auto& part) { part.layer = LayerId::trusted("a\n"); })),
            "invalidArgument(size)");
}

TEST(QuestionCodec, AnAnswerIsBounded) {
  const auto members = [](const std::function<void(NodeAnswer&, ToldMembers&)>& change) {
    return verdict(answer_of<ToldMembers>(change));
  };
  EXPECT_EQ(members([](auto&, auto&) {}), "accepted");
  EXPECT_EQ(members([](auto& answer, auto&) { answer.part = answer.parts; }), "invalidArgument(part)");
  EXPECT_EQ(members([](auto& answer, auto&) { answer.parts = limits::kNodeAnswerPartsMax + 1; }),
            "invalidArgument(parts)");
  EXPECT_EQ(members([](auto&, auto& told) { told.resize(limits::kNodePageMembersMax + 1); }), "tooLarge(members)");
  EXPECT_EQ(members([](auto&, auto& told) { told.push_back({std::string(limits::kMemberBytesMax + 1, 'x')}); }),
            "tooLarge(name)");
  EXPECT_EQ(members([](auto&, auto& told) {
              told.push_back({"x", std::numeric_limits<double>::quiet_NaN()});
            }),
            "invalidArgument(score)");
  EXPECT_EQ(verdict(answer_of<ToldLayers>([](auto&, auto& told) {
              told.layers = {{"b", 1}, {"a", 1}};
            })),
            "invalidArgument(layers)");
  EXPECT_EQ(verdict(answer_of<ToldLayers>([](auto&, auto& told) {
              told.layers = {{"", 1}};
            })),
            "invalidArgument(layers)");
  EXPECT_EQ(
      verdict(answer_of<ToldScan>([](auto&, auto& told) { told.names.assign(2 * limits::kLayersPageMax + 1, "a"); })),
      "tooLarge(scan)");
}

TEST(QuestionCodec, MoreMembersThanAFrameHoldsGoInParts) {
  NodeAnswer answer;
  answer.id = 7;
  answer.serving = 3;
  auto& members = answer.told.emplace<ToldMembers>();
  for (std::size_t i = 0; i < 2 * limits::kNodePageMembersMax + 1; ++i)
    members.push_back({std::to_string(i), 1, 1, 1, false});
  const ToldMembers all = members;
  const auto frames = encode_parts(answer);
  ASSERT_EQ(frames.size(), 3u);
  ToldMembers came;
  for (std::size_t i = 0; i < frames.size(); ++i) {
    const auto decoded = decode_question_message(frames[i]);
    ASSERT_TRUE(decoded.has_value()) << decoded.error().to_string();
    const auto& part = std::get<NodeAnswer>(*decoded);
    EXPECT_EQ(part.part, i);
    EXPECT_EQ(part.parts, 3u);
    EXPECT_EQ(part.serving, 3u);
    const auto& told = std::get<ToldMembers>(part.told);
    came.insert(came.end(), told.begin(), told.end());
  }
  EXPECT_EQ(came, all);
  EXPECT_EQ(encode_parts(NodeAnswer{1}).size(), 1u);
}

TEST(QuestionCodec, TheLargestAnswerFitsItsParts) {
  EXPECT_LE(limits::kNodeMembersMax, limits::kNodeAnswerPartsMax * limits::kNodePageMembersMax);
  NodeAnswer answer{1};
  answer.told = ToldMembers(limits::kNodePageMembersMax, {std::string(limits::kMemberBytesMax, 'x'), 1, 1, 1, false});
  EXPECT_EQ(verdict(answer), "accepted");
}

}  // namespace
}  // namespace earshot::actors
