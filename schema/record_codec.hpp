#pragma once

#include <cstddef>

#include "base/error.hpp"
#include "schema/broker.capnp.h"
#include "schema/fields.hpp"
#include "schema/record.capnp.h"
#include "schema/records.hpp"
#include "schema/shard_sums.hpp"

// For codecs alone: parts of records that commands carry too.
namespace earshot::codec {

// Words that the objects behind the struct's own fields take.
std::size_t words_behind(const Error& error);
std::size_t words_behind(const MailboxRecord& record);
std::size_t words_behind(const OutboxRecord& record);

void write(const Policy& from, schema::Policy::Builder to);
// Any numbers are a policy; only the door has rules for them.
Policy read(schema::Policy::Reader from);

void write(const LayerPrivacy& from, schema::LayerPrivacy::Builder to);
// The same holds for these.
LayerPrivacy read(schema::LayerPrivacy::Reader from);
// The door's rules for them.
void check(const LayerPrivacy& privacy, Fields& fields);

std::size_t words_behind(const ShardSums& sums);
void write(const ShardSums& from, schema::ShardSums::Builder to);
// kCorrupt when the kinds do not ascend.
Result<ShardSums> read(schema::ShardSums::Reader from);

void write(const OutboxRecord& from, schema::OutboxRecord::Builder to);
// Passes on the library's exceptions: call inside flat::read().
Result<OutboxRecord> read(schema::OutboxRecord::Reader from, Fields::Source source = Fields::Source::kStored);

}  // namespace earshot::codec
