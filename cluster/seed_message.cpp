#include "cluster/seed_message.hpp"

#include <type_traits>
#include <utility>

#include "base/limits.hpp"
#include "schema/flat.hpp"
#include "schema/seed.capnp.h"

namespace earshot::cluster {
namespace {

using storage::SeedPart;

// Beside a part's records: ranges, sums, the framing.
constexpr std::size_t kPartExtraBytes = 16 << 10;

// ---- writing

std::size_t words_behind(const SeedRequest&) { return flat::words_of<schema::SeedRequest>(); }
std::size_t words_behind(const SeedRefusal&) { return flat::words_of<schema::SeedRefusal>(); }
std::size_t words_behind(const SeedPart& from) {
  std::size_t words = flat::words_of<schema::SeedPart>() +
                      flat::words_of_list<schema::SeedRecord>(from.records.size()) +
                      flat::words_of_list<schema::SeedChange>(from.changed.size());
  for (const auto& [key, value] : from.records) {
    words += flat::words_of_data(key.size()) + flat::words_of_data(value.size());
  }
  for (const auto& [key, value] : from.changed) {
    words += flat::words_of_data(key.size()) + (value ? flat::words_of_data(value->size()) : 0);
  }
  if (from.range) {
    words += flat::words_of<schema::SeedRange>() + flat::words_of_data(from.range->from.size()) +
             flat::words_of_data(from.range->to.size());
  }
  if (from.end) {
    words += flat::words_of<schema::SeedEnd>() + flat::words_of_data(earshot::encode(from.end->sums).size());
  }
  return words;
}

void write(const SeedRequest& from, schema::SeedMessage::Builder message) {
  auto to = message.initRequest();
  to.setSeed(from.seed);
  to.setNumber(from.number);
  to.setBytesMax(from.bytes_max);
}

schema::SeedRefusal::Reason reason_of(SeedRefusal::Reason reason) {
  switch (reason) {
    case SeedRefusal::Reason::kNotLeader: return schema::SeedRefusal::Reason::NOT_LEADER;
    case SeedRefusal::Reason::kBusy: return schema::SeedRefusal::Reason::BUSY;
    case SeedRefusal::Reason::kCorrupt: return schema::SeedRefusal::Reason::CORRUPT;
    case SeedRefusal::Reason::kUnknown: break;
  }
  return schema::SeedRefusal::Reason::UNKNOWN;
}

void write(const SeedRefusal& from, schema::SeedMessage::Builder message) {
  auto to = message.initRefusal();
  to.setReason(reason_of(from.reason));
  to.setRetryAfterMs(from.retry_after_ms);
}

void write(const SeedPart::End& from, schema::SeedEnd::Builder to) {
  to.setApplied(from.applied.value);
  to.setTerm(from.term.value);
  to.setSums(flat::data(earshot::encode(from.sums)));
}

void write(const SeedPart& from, schema::SeedMessage::Builder message) {
  auto to = message.initPart();
  to.setSeed(from.seed);
  to.setNumber(from.number);
  if (from.range) {
    auto range = to.initRange();
    range.setFrom(flat::data(from.range->from));
    range.setTo(flat::data(from.range->to));
  }
  auto records = to.initRecords(static_cast<capnp::uint>(from.records.size()));
  for (capnp::uint i = 0; i < records.size(); ++i) {
    records[i].setKey(flat::data(from.records[i].first));
    records[i].setValue(flat::data(from.records[i].second));
  }
  auto changed = to.initChanged(static_cast<capnp::uint>(from.changed.size()));
  for (capnp::uint i = 0; i < changed.size(); ++i) {
    const auto& [key, value] = from.changed[i];
    changed[i].setKey(flat::data(key));
    value ? changed[i].setValue(flat::data(*value)) : changed[i].setGone();
  }
  if (from.end) write(*from.end, to.initEnd());
}

template <class Content>
std::string encode_with(std::uint64_t ask, const Content& content) {
  flat::Writer writer(flat::words_of<schema::SeedMessage>() + words_behind(content) + flat::kChecksumWords);
  auto root = writer.initRoot<schema::SeedMessage>();
  root.setAsk(ask);
  write(content, root);
  return flat::with_checksum(writer.take());
}

// ---- reading

SeedRefusal read(schema::SeedRefusal::Reader from) {
  SeedRefusal to;
  to.retry_after_ms = from.getRetryAfterMs();
  switch (from.getReason()) {
    case schema::SeedRefusal::Reason::NOT_LEADER: to.reason = SeedRefusal::Reason::kNotLeader; break;
    case schema::SeedRefusal::Reason::BUSY: to.reason = SeedRefusal::Reason::kBusy; break;
    case schema::SeedRefusal::Reason::CORRUPT: to.reason = SeedRefusal::Reason::kCorrupt; break;
    default: break;
  }
  return to;
}

Result<SeedPart::End> read(schema::SeedEnd::Reader from) {
  SeedPart::End to;
  to.applied = LogIndex(from.getApplied());
  to.term = Term(from.getTerm());
  auto sums = decode_shard_sums(flat::view(from.getSums()));
  if (!sums) return fail(std::move(sums.error()));
  to.sums = std::move(*sums);
  return to;
}

Result<SeedPart> read(schema::SeedPart::Reader from, std::size_t bytes) {
  SeedPart to;
  if (std::size_t{from.getRecords().size()} + from.getChanged().size() > 1 &&
      bytes > limits::kSeedPartBytesMax + kPartExtraBytes) {
    return fail(ErrorCode::kTooLarge, "seedMessage", "exceeds seed_part_bytes_max");
  }
  to.seed = from.getSeed();
  to.number = from.getNumber();
  if (from.hasRange()) {
    const auto range = from.getRange();
    to.range = SeedPart::Range{std::string(flat::view(range.getFrom())), std::string(flat::view(range.getTo()))};
  }
  // Whether keys make sense is the sink's to say; but an empty one may take no room in the message, and does in memory.
  for (const auto record : from.getRecords()) {
    if (record.getKey().size() == 0) return flat::corrupt("records", "one has no key");
    to.records.emplace_back(flat::view(record.getKey()), flat::view(record.getValue()));
  }
  for (const auto change : from.getChanged()) {
    if (change.getKey().size() == 0) return flat::corrupt("changed", "one has no key");
    std::optional<std::string> value;
    if (change.isValue()) {
      value = flat::view(change.getValue());
    } else if (!change.isGone()) {
      return fail(ErrorCode::kUnsupportedVersion, "changed", "a change that this version does not know");
    }
    to.changed.emplace_back(flat::view(change.getKey()), std::move(value));
  }
  if (from.hasEnd()) {
    auto end = read(from.getEnd());
    if (!end) return fail(std::move(end.error()));
    to.end = std::move(*end);
  }
  return to;
}

Result<SeedMessage> read(schema::SeedMessage::Reader from, std::size_t bytes) {
  SeedMessage to;
  to.ask = from.getAsk();
  switch (from.which()) {
    case schema::SeedMessage::REQUEST: {
      const auto request = from.getRequest();
      to.content = SeedRequest{request.getSeed(), request.getNumber(), request.getBytesMax()};
      return to;
    }
    case schema::SeedMessage::PART: {
      auto part = read(from.getPart(), bytes);
      if (!part) return fail(std::move(part.error()));
      to.content = std::move(*part);
      return to;
    }
    case schema::SeedMessage::REFUSAL: to.content = read(from.getRefusal()); return to;
  }
  return fail(ErrorCode::kUnsupportedVersion, "seedMessage", "a kind of message that this version does not know");
}

}  // namespace

std::string encode(const SeedMessage& message) {
  return std::visit([&](const auto& content) { return encode_with(message.ask, content); }, message.content);
}

std::string encode(std::uint64_t ask, const SeedPart& part) { return encode_with(ask, part); }

Result<SeedMessage> decode_seed_message(std::string_view bytes) {
  auto checked = flat::without_checksum(bytes, "seedMessage");
  if (!checked) return fail(std::move(checked.error()));
  if (checked->size() > limits::kSeedRecordBytesMax + kPartExtraBytes) {
    return fail(ErrorCode::kTooLarge, "seedMessage", "exceeds what one record may take");
  }
  const std::size_t size = checked->size();
  return flat::read<schema::SeedMessage>(*checked, "seedMessage",
                                         [size](schema::SeedMessage::Reader from) { return read(from, size); });
}

}  // namespace earshot::cluster
