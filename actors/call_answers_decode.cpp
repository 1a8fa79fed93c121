#include <cmath>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "actors/call_codec.hpp"
#include "actors/call_frame.hpp"
#include "actors/call_rules.hpp"
#include "base/limits.hpp"
#include "schema/wire.hpp"

namespace earshot::actors {
namespace {

// The error that an answer holds, or else its value. One that cannot be understood is no answer at all.
template <class Value, class Answer>
Result<Value> read_result(Answer from, Fields& fields) {
  if (from.isError()) return fail(wire::read(from.getError()));
  return fields.inner(wire::read(from));
}

void check_bodies(const std::vector<IncomingMessage>& messages, Fields& fields) {
  for (const IncomingMessage& message : messages) fields.keep(check_body(message.body, message.checksum));
}

SendsAnswered read_sends(RequestId request, capnp::List<schema::SendAnswer>::Reader from, Fields& fields) {
  SendsAnswered content{request, {}};
  if (!fields.fits(from.size(), limits::kBatchMessagesMax, "sends", "entries")) return content;
  content.answers.reserve(from.size());
  for (const auto answer : from) content.answers.push_back(wire::read(answer));
  return content;
}

LoginAnswered read_login(RequestId request, schema::LoginResult::Reader result, Fields& fields) {
  if (result.isError()) return {request, fail(wire::read(result.getError()))};
  fields.require(result.isOutcome(), "login", "an answer of an unknown kind");
  const auto from = result.getOutcome();
  LoginOutcome outcome;
  outcome.producer = ProducerId(fields.positive(from.getProducer(), "producer"));
  outcome.new_producer = from.getNewProducer();
  outcome.epoch = Epoch(fields.positive(from.getEpoch(), "epoch"));
  outcome.restored_up_to = Sequence(from.getRestoredUpTo());
  outcome.cursor = Sequence(from.getCursor());
  outcome.last_sequence = Sequence(from.getLastSequence());
  outcome.acked_above = fields.ascending(from.getAckedAbove(), outcome.cursor, limits::kSelectiveAcksMax, "ackedAbove");
  outcome.parked = fields.ascending(from.getParked(), outcome.cursor, limits::kParkedPerDeviceMax, "parked");
  outcome.number = from.getNumber();
  return {request, std::move(outcome)};
}

FetchAnswered read_fetched(RequestId request, schema::FetchAnswer::Reader from, Fields& fields) {
  FetchAnswered content{request, read_result<Batch>(from, fields)};
  if (content.batch) check_bodies(content.batch->messages, fields);
  return content;
}

AttemptsAnswered read_attempts(RequestId request, schema::StatusAnswer::Reader from, Fields& fields) {
  if (from.isError()) return {request, fail(wire::read(from.getError()))};
  fields.require(from.isOk(), "attempts", "an answer of an unknown kind");
  return {request, {}};
}

template <class Value, class Answer>
Result<ManageAnswer> read_managed(Answer from, Fields& fields) {
  Result<Value> value = read_result<Value>(from, fields);
  if (!value) return fail(std::move(value.error()));
  return ManageAnswer(std::move(*value));
}

Result<ManageAnswer> read_parked(schema::ParkedAnswer::Reader from, Fields& fields) {
  auto parked = read_result<std::vector<ParkedMessage>>(from, fields);
  if (!parked) return fail(std::move(parked.error()));
  // A list of every device's comes without bodies.
  for (const ParkedMessage& one : *parked)
    if (one.message && !one.message->body.empty()) fields.keep(check_body(one.message->body, one.message->checksum));
  return ManageAnswer(std::move(*parked));
}

Result<ManageAnswer> read(schema::ManageResult::Reader from, Fields& fields) {
  switch (from.which()) {
    case schema::ManageResult::DONE: return ManageAnswer(Done{});
    case schema::ManageResult::DEVICES: return read_managed<std::vector<DeviceInfo>>(from.getDevices(), fields);
    case schema::ManageResult::PARKED: return read_parked(from.getParked(), fields);
    case schema::ManageResult::REPLAYED: return read_managed<Replayed>(from.getReplayed(), fields);
    case schema::ManageResult::EXPLANATION: return read_managed<Explanation>(from.getExplanation(), fields);
    case schema::ManageResult::POLICY: return read_managed<PolicyInfo>(from.getPolicy(), fields);
    case schema::ManageResult::ERROR: return fail(wire::read(from.getError()));
  }
  fields.require(false, "manage", "an answer of an unknown kind");
  return ManageAnswer(Done{});
}

cluster::PositionOutcome read_outcome(schema::PositionOutcome from, Fields& fields) {
  switch (from) {
    case schema::PositionOutcome::ADDED: return cluster::PositionOutcome::kAdded;
    case schema::PositionOutcome::CHANGED: return cluster::PositionOutcome::kChanged;
    case schema::PositionOutcome::UNCHANGED: return cluster::PositionOutcome::kUnchanged;
    case schema::PositionOutcome::SKIPPED: return cluster::PositionOutcome::kSkipped;
    case schema::PositionOutcome::ACCEPTED: return cluster::PositionOutcome::kAccepted;
  }
  fields.require(false, "outcomes", "is unknown");
  return cluster::PositionOutcome::kSkipped;
}

PositionsAnswered read_positions(schema::PositionsResult::Reader result, Fields& fields) {
  if (result.isError()) return {fail(wire::read(result.getError()))};
  fields.require(result.isDone(), "positions", "an answer of an unknown kind");
  const auto from = result.getDone();
  const auto outcomes = from.getOutcomes();
  const auto of_layers = from.getOfLayers();
  PositionsAnswer answer;
  if (fields.fits(outcomes.size(), limits::kPositionsPerCommandMax, "outcomes", "entries"))
    for (const auto outcome : outcomes) answer.outcomes.push_back(read_outcome(outcome, fields));
  answer.members = from.getMembers();
  if (fields.fits(of_layers.size(), limits::kLayersPerCommandMax, "ofLayers", "entries"))
    for (const std::uint64_t members : of_layers) answer.of_layers.push_back(members);
  return {std::move(answer)};
}

WhereAnswered read_where(schema::WhereResult::Reader result, Fields& fields) {
  if (result.isError()) return {fail(wire::read(result.getError()))};
  fields.require(result.isMembers(), "where", "an answer of an unknown kind");
  const auto from = result.getMembers();
  WhereAnswer answer;
  if (!fields.fits(from.size(), limits::kPositionsPerCommandMax, "where", "entries")) return {std::move(answer)};
  answer.reserve(from.size());
  for (const auto member : from) {
    fields.require(!std::isnan(member.getScore()), "score", "is no number");
    answer.push_back(member.getIsSomewhere()
                         ? std::optional(Whereabouts{member.getScore(), member.getVersion(), member.getHidden()})
                         : std::nullopt);
  }
  return {std::move(answer)};
}

MailboxPush read_push(capnp::List<schema::Incoming>::Reader from, Fields& fields) {
  MailboxPush push;
  if (!fields.fits(from.size(), limits::kFetchMessagesMax, "push", "entries")) return push;
  push.messages.reserve(from.size());
  for (const auto element : from) {
    auto message = std::make_shared<const IncomingMessage>(fields.inner(wire::read(element)));
    fields.keep(check_body(message->body, message->checksum));
    if (!fields.ok()) break;
    push.messages.push_back(std::move(message));
  }
  return push;
}

MessagesEnded read_ended(capnp::List<schema::LostRange>::Reader from, Fields& fields) {
  MessagesEnded ended;
  if (!fields.fits(from.size(), limits::kLostRangesMax, "ended", "entries")) return ended;
  ended.ranges.reserve(from.size());
  for (const auto range : from) ended.ranges.push_back(fields.inner(wire::read(range)));
  return ended;
}

LeaderAnnounced read_leader(schema::LeaderAnnounced::Reader from, std::uint16_t shard_count, Fields& fields) {
  fields.require(from.getShard() < shard_count, "shard", "is no shard of this cluster");
  return {ShardId(from.getShard()), Term(fields.positive(from.getTerm(), "term")), from.getAgain(), from.getPushes()};
}

LeaderFollowed read_followed(schema::LeaderFollowed::Reader from, std::uint16_t shard_count, Fields& fields) {
  fields.require(from.getShard() < shard_count, "shard", "is no shard of this cluster");
  return {ShardId(from.getShard()), Term(fields.positive(from.getTerm(), "term")),
          NodeId(fields.positive(from.getLeader(), "leader"))};
}

Result<AnswerContent> read_content(schema::Answer::Reader from, std::uint16_t shard_count) {
  const RequestId request = from.getRequest();
  Fields fields(Fields::Source::kWire);
  AnswerContent content;
  switch (from.which()) {
    case schema::Answer::SENDS: content = read_sends(request, from.getSends(), fields); break;
    case schema::Answer::LOGIN: content = read_login(request, from.getLogin(), fields); break;
    case schema::Answer::ACK: content = AckAnswered{request, read_result<Sequence>(from.getAck(), fields)}; break;
    case schema::Answer::READ: content = read_fetched(request, from.getRead(), fields); break;
    case schema::Answer::MANAGE:
      content = ManageAnswered{request, read(from.getManage(), fields), from.getManage().getLive()};
      break;
    case schema::Answer::ATTEMPTS: content = read_attempts(request, from.getAttempts(), fields); break;
    case schema::Answer::POSITIONS: content = read_positions(from.getPositions(), fields); break;
    case schema::Answer::WHERE: content = read_where(from.getWhere(), fields); break;
    case schema::Answer::REFUSED: content = CallRefused{wire::read(from.getRefused())}; break;
    case schema::Answer::PUSH: content = read_push(from.getPush(), fields); break;
    case schema::Answer::ENDED: content = read_ended(from.getEnded(), fields); break;
    case schema::Answer::PARKING_RULE:
      content = ParkingRule{from.getParkingRule(), Sequence(from.getMailboxEnd())};
      break;
    case schema::Answer::EXPLAIN: {
      const auto explain = from.getExplain();
      content = ExplainAsked{{nullptr, request, Sequence(fields.positive(explain.getSequence(), "sequence"))},
                             read_address(explain.getFrom(), fields)};
      break;
    }
    case schema::Answer::EXPLAINED:
      content = SessionExplained{request, fields.inner(wire::read(from.getExplained()))};
      break;
    case schema::Answer::EVICTED: content = SessionEvicted{wire::read(from.getEvicted())}; break;
    case schema::Answer::FOLLOWED: content = read_followed(from.getFollowed(), shard_count, fields); break;
    case schema::Answer::LEADER: content = read_leader(from.getLeader(), shard_count, fields); break;
    default:
      return fail(ErrorCode::kUnsupportedVersion, "answer",
                  "answer " + std::to_string(static_cast<std::uint16_t>(from.which())) +
                      " comes from a newer version of this program");
  }
  return fields.finish(std::move(content));
}

Result<Answer> read(schema::Answer::Reader from, std::uint16_t shard_count) {
  Fields fields(Fields::Source::kWire);
  Answer answer{read_address(from.getTo(), fields), {}};
  if (from.hasMark()) {
    const auto mark = from.getMark();
    fields.require(mark.getShard() < shard_count, "shard", "is no shard of this cluster");
    answer.mark = {ShardId(mark.getShard()), Term(mark.getTerm()), mark.getNumber()};
  }
  if (Status status = fields.finish(); !status) return fail(std::move(status.error()));
  Result<AnswerContent> content = read_content(from, shard_count);
  if (!content) return fail(std::move(content.error()));
  answer.content = std::move(*content);
  return answer;
}

}  // namespace

Result<Answer> decode_answer(std::string_view bytes, std::uint16_t shard_count) {
  return decode_frame<schema::Answer>(bytes, "answer",
                                      [&](schema::Answer::Reader from) { return read(from, shard_count); });
}

Result<RegistrationDigest> decode_registrations(std::string_view bytes) {
  return flat::read_checked<schema::Registrations>(
      bytes, "registrations", [](schema::Registrations::Reader from) -> Result<RegistrationDigest> {
        return RegistrationDigest(from.getCount(), from.getSum());
      });
}

Result<std::uint64_t> decode_wall_clock(std::string_view bytes) {
  return flat::read_checked<schema::WallClock>(
      bytes, "clock", [](schema::WallClock::Reader from) -> Result<std::uint64_t> { return from.getUnixMs(); });
}

}  // namespace earshot::actors
