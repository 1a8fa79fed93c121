#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include <capnp/schema.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "schema/broker.capnp.h"
#include "schema/command.capnp.h"
#include "schema/commands.hpp"
#include "schema/errors.capnp.h"
#include "schema/messages.hpp"
#include "schema/places.hpp"
#include "schema/record.capnp.h"
#include "schema/records.hpp"

// The C++ types and the schemas say the same.
namespace earshot::tests {
namespace {

// Every enumerant of the schema has the number and the name that C++ knows; one more is unknown to both.
template <class SchemaEnum, class CppEnum>
void expect_same_names() {
  const auto enumerants = capnp::Schema::from<SchemaEnum>().getEnumerants();
  for (const auto enumerant : enumerants)
    EXPECT_EQ(name_of(CppEnum(enumerant.getOrdinal())), enumerant.getProto().getName().cStr());
  EXPECT_EQ(name_of(CppEnum(enumerants.size())), "unknown");
}

TEST(Agreement, ErrorCodesHaveTheSameNumbersAndNames) { expect_same_names<schema::ErrorCode, ErrorCode>(); }
TEST(Agreement, ModesHaveTheSameNumbersAndNames) { expect_same_names<schema::Mode, DeliveryMode>(); }

TEST(Agreement, FetchCausesHaveTheSameNumbersAndNames) {
  expect_same_names<schema::FetchCause, FetchCause>();
  EXPECT_EQ(capnp::Schema::from<schema::FetchCause>().getEnumerants().size(), kFetchCauses);
}

TEST(Agreement, LostReasonsHaveTheSameNumbersAndNames) {
  for (const auto enumerant : capnp::Schema::from<schema::LostReason>().getEnumerants())
    EXPECT_EQ(name_of(LostReason(enumerant.getOrdinal())), enumerant.getProto().getName().cStr());
}

TEST(Agreement, RolesHaveTheSameNumbersAndNames) {
  for (const auto enumerant : capnp::Schema::from<schema::Role>().getEnumerants())
    EXPECT_EQ(name_of(Role(enumerant.getOrdinal())), enumerant.getProto().getName().cStr());
}

TEST(Agreement, FatesHaveTheSameNumbers) {
  using State = schema::DeviceFate::State;
  const auto same = [](State a, DeliveryState b) {
    return static_cast<std::uint16_t>(a) == static_cast<std::uint16_t>(b);
  };
  EXPECT_TRUE(same(State::WAITING, DeliveryState::kWaiting) && same(State::DELIVERED, DeliveryState::kDelivered) &&
              same(State::ACKED, DeliveryState::kAcked) && same(State::PARKED, DeliveryState::kParked));
}

TEST(Agreement, StartsAndCausesHaveTheSameNumbers) {
  EXPECT_EQ(static_cast<std::uint16_t>(schema::StartAt::OLDEST), static_cast<std::uint16_t>(StartAt::kOldest));
  EXPECT_EQ(static_cast<std::uint16_t>(schema::StartAt::NEWEST), static_cast<std::uint16_t>(StartAt::kNewest));
  EXPECT_EQ(static_cast<std::uint16_t>(schema::Cause::COPY_TO_SELF),
            static_cast<std::uint16_t>(OutboxCause::kCopyToSelf));
  EXPECT_EQ(static_cast<std::uint16_t>(schema::Cause::FORGET_PRODUCERS),
            static_cast<std::uint16_t>(OutboxCause::kForgetProducers));
  EXPECT_EQ(static_cast<std::uint16_t>(schema::Cause::LOST), static_cast<std::uint16_t>(OutboxCause::kLost));
  EXPECT_EQ(capnp::Schema::from<schema::Cause>().getEnumerants().size(), 3u);
}

TEST(Agreement, PositionConditionsHaveTheSameNumbers) {
  const auto same = [](schema::PositionCondition a, PositionCondition b) {
    return static_cast<std::uint16_t>(a) == static_cast<std::uint16_t>(b);
  };
  EXPECT_TRUE(same(schema::PositionCondition::ALWAYS, PositionCondition::kAlways));
  EXPECT_TRUE(same(schema::PositionCondition::IF_NEW, PositionCondition::kIfNew));
  EXPECT_TRUE(same(schema::PositionCondition::IF_EXISTS, PositionCondition::kIfExists));
  EXPECT_EQ(capnp::Schema::from<schema::PositionCondition>().getEnumerants().size(), 3u);
}

TEST(Agreement, PlacesHaveTheSameNumbers) {
  const auto same = [](auto a, auto b) { return static_cast<std::uint16_t>(a) == static_cast<std::uint16_t>(b); };
  EXPECT_TRUE(same(schema::SetCondition::ALWAYS, PositionCondition::kAlways) &&
              same(schema::SetCondition::IF_NEW, PositionCondition::kIfNew) &&
              same(schema::SetCondition::IF_EXISTS, PositionCondition::kIfExists));
  EXPECT_EQ(capnp::Schema::from<schema::SetCondition>().getEnumerants().size(), 3u);
  EXPECT_TRUE(same(schema::PositionOutcome::ADDED, PositionOutcome::kAdded) &&
              same(schema::PositionOutcome::CHANGED, PositionOutcome::kChanged) &&
              same(schema::PositionOutcome::UNCHANGED, PositionOutcome::kUnchanged) &&
              same(schema::PositionOutcome::SKIPPED, PositionOutcome::kSkipped) &&
              same(schema::PositionOutcome::ACCEPTED, PositionOutcome::kAccepted));
  EXPECT_EQ(capnp::Schema::from<schema::PositionOutcome>().getEnumerants().size(), 5u);
  EXPECT_TRUE(same(schema::NearbyOrder::NONE, NearbyOrder::kNone) &&
              same(schema::NearbyOrder::NEAREST_FIRST, NearbyOrder::kNearestFirst) &&
              same(schema::NearbyOrder::FARTHEST_FIRST, NearbyOrder::kFarthestFirst));
  EXPECT_EQ(capnp::Schema::from<schema::NearbyOrder>().getEnumerants().size(), 3u);
  EXPECT_TRUE(same(schema::Completeness::EXACT, Completeness::kExact) &&
              same(schema::Completeness::TRUNCATED, Completeness::kTruncated) &&
              same(schema::Completeness::PARTIAL, Completeness::kPartial));
  EXPECT_EQ(capnp::Schema::from<schema::Completeness>().getEnumerants().size(), 3u);
}

TEST(Agreement, ProtocolRangeIsTheSchemas) {
  EXPECT_EQ(kProtocolMin, schema::PROTOCOL_MIN);
  EXPECT_EQ(kProtocolMax, schema::PROTOCOL_MAX);
}

TEST(Protocol, IsTheNewestThatBothSpeakAndElseRefusedByName) {
  EXPECT_EQ(common_protocol(1, 1).value(), 1);
  EXPECT_EQ(common_protocol(0, 9).value(), kProtocolMax);
  for (const auto& [low, high] : {std::pair<std::uint16_t, std::uint16_t>{2, 9}, {0, 0}, {9, 1}}) {
    const auto protocol = common_protocol(low, high);
    ASSERT_FALSE(protocol.has_value());
    EXPECT_EQ(protocol.error().code, ErrorCode::kUnsupportedVersion);
    EXPECT_EQ(protocol.error().field, "protocol");
    EXPECT_NE(protocol.error().detail.find(std::to_string(low) + ".." + std::to_string(high)), std::string::npos);
  }
}

}  // namespace
}  // namespace earshot::tests
