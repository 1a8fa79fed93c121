#include "schema/commands.hpp"

#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "base/limits.hpp"
#include "schema/command.capnp.h"
#include "schema/flat.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/schema/random_values.hpp"

namespace earshot::tests {
namespace {

CommandBatch batch_of(Command command) {
  CommandBatch batch;
  batch.commands.push_back(std::move(command));
  return batch;
}

Error refusal_of(const CommandBatch& batch) {
  auto result = decode_command_batch(encode(batch));
  EXPECT_FALSE(result.has_value());
  return result ? Error{} : result.error();
}

TEST(Commands, OfANewerVersionAreNamedAsSuchAndNotTakenForDamage) {
  std::string bytes = encode(batch_of(ConfirmCommand{ShardId(1), 2}));
  // The command's union tag is the first data field of its struct; a newer program would write one that we do not know.
  flat::Writer writer(64);
  auto root = writer.initRoot<schema::CommandBatch>();
  auto commands = root.initCommands(1);
  commands[0].initConfirm().setUpTo(2);
  bytes = writer.take();
  const std::uint16_t confirm = 4, unknown = 99;
  std::size_t changed = 0;
  for (std::size_t at = 8; at + 2 <= bytes.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes.data() + at, 8);
    if (word != confirm) continue;
    std::memcpy(bytes.data() + at, &unknown, 2), ++changed;
  }
  ASSERT_EQ(changed, 1u);
  const auto result = decode_command_batch(bytes);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, ErrorCode::kUnsupportedVersion);
  EXPECT_EQ(result.error().field, "command");
  EXPECT_NE(result.error().detail.find("99"), std::string::npos);
}

TEST(Commands, OfAnOlderVersionAreReadAsWhatTheyAskedFor) {
  flat::Writer writer(64);
  writer.initRoot<schema::CommandBatch>().initCommands(1)[0].setObsoleteClearLayer("people");
  EXPECT_EQ(decode_command_batch(writer.take()).value().commands,
            std::vector<Command>{ClearLayersCommand{{LayerId::trusted("people")}}});
}

TEST(Commands, LetOnlyARefusedMessageGoWithoutARecipient) {
  RandomValues values(1);
  SendCommand send{ProducerId(1), values.user(), values.device(), {SendItem{values.outgoing(), std::nullopt}}};
  send.items[0].message.recipient = UserId{};
  EXPECT_EQ(refusal_of(batch_of(send)).field, "recipient");
  send.items[0].refusal = Error{ErrorCode::kInvalidArgument, "recipient", "must not be empty"};
  EXPECT_EQ(decode_command_batch(encode(batch_of(send))).value(), batch_of(send));
}

TEST(Commands, RefuseWhatNoProgramOfOursWrites) {
  RandomValues values(2);
  EXPECT_EQ(refusal_of(batch_of(SendCommand{ProducerId(1), UserId{}, values.device(), {}})).field, "user");
  EXPECT_EQ(refusal_of(batch_of(LoginCommand{values.user(), DeviceId{}, {}, {}, {}, {}})).field, "device");
  EXPECT_EQ(refusal_of(batch_of(LoginCommand{values.user(), values.device(), {}, {}, {}, StartAt(9)})).field,
            "startAt");
  SendCommand send{ProducerId(1), values.user(), values.device(), {SendItem{values.outgoing(), std::nullopt}}};
  send.items[0].message.body.assign(limits::kBodyBytesMax + 1, 'b');
  EXPECT_EQ(refusal_of(batch_of(send)).field, "body");
  EXPECT_EQ(refusal_of(batch_of(send)).code, ErrorCode::kCorrupt);
}

TEST(Commands, AreNoMoreThanAnEntryHasPlacesFor) {
  CommandBatch batch;
  batch.commands.assign(kCommandPlacesPerEntry, TouchCommand{});
  EXPECT_TRUE(decode_command_batch(encode(batch)).has_value());
  batch.commands.emplace_back(TouchCommand{});
  EXPECT_EQ(refusal_of(batch).field, "commands");
}

TEST(Commands, AreAsLargeAsSizeOfSays) {
  RandomValues values(seed_of_test());
  for (int round = 0; round < 500; ++round) {
    const CommandBatch batch = values.command_batch();
    std::size_t foretold = 0, bodies = 0;
    for (const Command& command : batch.commands) {
      foretold += size_of(command);
      if (const auto* send = std::get_if<SendCommand>(&command))
        for (const SendItem& item : send->items) bodies += item.message.body.size();
    }
    const std::size_t actual = encode(batch).size();
    ASSERT_GE(foretold, bodies);
    ASSERT_LE(actual, foretold + 64) << "a batch by size_of must not break entry_bytes_max";
    ASSERT_GE(actual + 16 * 64 + 64, foretold);
  }
}

}  // namespace
}  // namespace earshot::tests
