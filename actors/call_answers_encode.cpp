#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "actors/call_codec.hpp"
#include "actors/call_frame.hpp"
#include "base/limits.hpp"
#include "schema/wire.hpp"
#include "schema/wire_size.hpp"

namespace earshot::actors {
namespace {

// ---- sizes: the words behind the Answer struct and its address. One that is too small costs a copy, nothing else.

using wire::words_of;

std::size_t words_of(const LoginOutcome& outcome) { return outcome.acked_above.size() + outcome.parked.size(); }
std::size_t words_of(Sequence) { return 0; }
std::size_t words_of(const PositionsAnswer& answer) { return answer.outcomes.size() / 4 + 1 + answer.of_layers.size(); }

std::size_t words_of(const WhereAnswer& answer) { return flat::words_of_list<schema::Whereabouts>(answer.size()); }

// What is in an answer's struct of its own: the value, or why there is none.
template <class Own, class Value>
std::size_t words_of_result(const Result<Value>& result) {
  return flat::words_of<Own>() + (result ? words_of(*result) : words_of(result.error()));
}

std::size_t words_behind(const SendsAnswered& content) { return words_of(content.answers); }
std::size_t words_behind(const LoginAnswered& content) { return words_of_result<schema::LoginResult>(content.outcome); }
std::size_t words_behind(const AckAnswered& content) { return words_of_result<schema::AckAnswer>(content.cursor); }
std::size_t words_behind(const FetchAnswered& content) { return words_of_result<schema::FetchAnswer>(content.batch); }
std::size_t words_behind(const ManageAnswered& content) {
  std::size_t words = flat::words_of<schema::ManageResult>();
  if (!content.answer) return words + words_of(content.answer.error());
  return words + flat::words_of<schema::PolicyAnswer>() + words_of(*content.answer);  // no kind's own is larger
}
std::size_t words_behind(const AttemptsAnswered& content) {
  return flat::words_of<schema::StatusAnswer>() + (content.status ? 0 : words_of(content.status.error()));
}
std::size_t words_behind(const PositionsAnswered& content) {
  return words_of_result<schema::PositionsResult>(content.answer);
}
std::size_t words_behind(const WhereAnswered& content) { return words_of_result<schema::WhereResult>(content.answer); }
std::size_t words_behind(const CallRefused& content) { return words_of(content.error); }
std::size_t words_behind(const MessagesEnded& content) { return words_of(content.ranges); }
std::size_t words_behind(const MailboxPush& content) {
  std::size_t words = 1;
  for (const auto& message : content.messages) words += words_of(*message);
  return words;
}
std::size_t words_behind(const ParkingRule&) { return 0; }
std::size_t words_behind(const ExplainAsked&) {
  return flat::words_of<schema::Explain>() + flat::words_of<schema::PortAddress>();
}
std::size_t words_behind(const SessionExplained& content) { return words_of(content.live); }
std::size_t words_behind(const SessionEvicted& content) { return words_of(content.reason); }
std::size_t words_behind(const LeaderAnnounced&) { return flat::words_of<schema::LeaderAnnounced>(); }
std::size_t words_behind(const LeaderFollowed&) { return flat::words_of<schema::LeaderFollowed>(); }

// ---- writing

void write(const SendsAnswered& from, schema::Answer::Builder to) {
  auto answers = to.initSends(static_cast<capnp::uint>(from.answers.size()));
  for (capnp::uint i = 0; i < answers.size(); ++i) wire::write(from.answers[i], answers[i]);
}

void write(const LoginAnswered& from, schema::Answer::Builder answer) {
  auto result = answer.initLogin();
  if (!from.outcome) return wire::write(from.outcome.error(), result.initError());
  auto to = result.initOutcome();
  to.setProducer(from.outcome->producer.value);
  to.setNewProducer(from.outcome->new_producer);
  to.setEpoch(from.outcome->epoch.value);
  to.setRestoredUpTo(from.outcome->restored_up_to.value);
  to.setCursor(from.outcome->cursor.value);
  to.setLastSequence(from.outcome->last_sequence.value);
  const auto& above = from.outcome->acked_above;
  wire::write(above, to.initAckedAbove(static_cast<capnp::uint>(above.size())));
  const auto& parked = from.outcome->parked;
  wire::write(parked, to.initParked(static_cast<capnp::uint>(parked.size())));
  to.setNumber(from.outcome->number);
}

void write(const AckAnswered& from, schema::Answer::Builder to) { wire::write(from.cursor, to.initAck()); }
void write(const FetchAnswered& from, schema::Answer::Builder to) { wire::write(from.batch, to.initRead()); }
void write(const AttemptsAnswered& from, schema::Answer::Builder to) { wire::write(from.status, to.initAttempts()); }

// One overload per kind of value.
struct ManageWriter {
  schema::ManageResult::Builder to;

  void operator()(const Done&) { to.setDone(); }
  void operator()(const std::vector<DeviceInfo>& value) {
    wire::write(Result<std::vector<DeviceInfo>>(value), to.initDevices());
  }
  void operator()(const std::vector<ParkedMessage>& value) { wire::write(value, to.initParked()); }
  void operator()(const Replayed& value) { wire::write(Result<Replayed>(value), to.initReplayed()); }
  void operator()(const Explanation& value) { wire::write(Result<Explanation>(value), to.initExplanation()); }
  void operator()(const PolicyInfo& value) { wire::write(Result<PolicyInfo>(value), to.initPolicy()); }
};

void write(const ManageAnswered& from, schema::Answer::Builder answer) {
  auto to = answer.initManage();
  to.setLive(from.live);
  if (!from.answer) return wire::write(from.answer.error(), to.initError());
  std::visit(ManageWriter{to}, *from.answer);
}

// The shard's words for what became of a position are the protocol's.
schema::PositionOutcome outcome_of(cluster::PositionOutcome outcome) {
  switch (outcome) {
    case cluster::PositionOutcome::kAdded: return schema::PositionOutcome::ADDED;
    case cluster::PositionOutcome::kChanged: return schema::PositionOutcome::CHANGED;
    case cluster::PositionOutcome::kUnchanged: return schema::PositionOutcome::UNCHANGED;
    case cluster::PositionOutcome::kSkipped: return schema::PositionOutcome::SKIPPED;
    case cluster::PositionOutcome::kAccepted: return schema::PositionOutcome::ACCEPTED;
  }
  return schema::PositionOutcome::SKIPPED;
}

void write(const PositionsAnswered& from, schema::Answer::Builder answer) {
  auto result = answer.initPositions();
  if (!from.answer) return wire::write(from.answer.error(), result.initError());
  auto to = result.initDone();
  auto outcomes = to.initOutcomes(static_cast<capnp::uint>(from.answer->outcomes.size()));
  for (capnp::uint i = 0; i < outcomes.size(); ++i) outcomes.set(i, outcome_of(from.answer->outcomes[i]));
  to.setMembers(from.answer->members);
  auto of_layers = to.initOfLayers(static_cast<capnp::uint>(from.answer->of_layers.size()));
  for (capnp::uint i = 0; i < of_layers.size(); ++i) of_layers.set(i, from.answer->of_layers[i]);
}

void write(const WhereAnswered& from, schema::Answer::Builder answer) {
  auto result = answer.initWhere();
  if (!from.answer) return wire::write(from.answer.error(), result.initError());
  auto to = result.initMembers(static_cast<capnp::uint>(from.answer->size()));
  for (capnp::uint i = 0; i < to.size(); ++i) {
    const auto& member = (*from.answer)[i];
    if (!member) continue;
    to[i].setIsSomewhere(true);
    to[i].setHidden(member->is_hidden);
    to[i].setScore(member->score);
    to[i].setVersion(member->version);
  }
}

void write(const CallRefused& from, schema::Answer::Builder to) { wire::write(from.error, to.initRefused()); }

// All of a push, or a part.
void write(std::span<const std::shared_ptr<const IncomingMessage>> from, schema::Answer::Builder to) {
  auto messages = to.initPush(static_cast<capnp::uint>(from.size()));
  for (capnp::uint i = 0; i < messages.size(); ++i) wire::write(*from[i], messages[i]);
}

void write(std::span<const LostRange> from, schema::Answer::Builder to) {
  auto ranges = to.initEnded(static_cast<capnp::uint>(from.size()));
  for (capnp::uint i = 0; i < ranges.size(); ++i) wire::write(from[i], ranges[i]);
}

void write(const MailboxPush& from, schema::Answer::Builder to) { write(std::span(from.messages), to); }
void write(const MessagesEnded& from, schema::Answer::Builder to) { write(std::span(from.ranges), to); }
void write(const ParkingRule& from, schema::Answer::Builder to) {
  to.setParkingRule(from.deliveries_max);
  to.setMailboxEnd(from.mailbox_end.value);
}

void write(const ExplainAsked& from, schema::Answer::Builder answer) {
  auto to = answer.initExplain();
  write_address(from.from, to.initFrom());
  to.setSequence(from.question.sequence.value);
}

void write(const SessionExplained& from, schema::Answer::Builder to) { wire::write(from.live, to.initExplained()); }
void write(const SessionEvicted& from, schema::Answer::Builder to) { wire::write(from.reason, to.initEvicted()); }

void write(const LeaderAnnounced& from, schema::Answer::Builder answer) {
  auto to = answer.initLeader();
  to.setShard(from.shard.value);
  to.setTerm(from.term.value);
  to.setAgain(from.again);
  to.setPushes(from.pushes);
}
void write(const LeaderFollowed& from, schema::Answer::Builder answer) {
  auto to = answer.initFollowed();
  to.setShard(from.shard.value);
  to.setTerm(from.term.value);
  to.setLeader(from.leader.value);
}

void write_mark(const PushMark& from, schema::Answer::Builder answer) {
  if (from.number == 0) return;
  auto to = answer.initMark();
  to.setShard(from.shard.value);
  to.setTerm(from.term.value);
  to.setNumber(from.number);
}

// ---- pushes that are too much for one

constexpr std::size_t kMarkWords = flat::words_of<schema::PushMark>();
constexpr std::size_t kPartWordsMax = limits::kBatchBytesMax / sizeof(capnp::word);

template <class Item>
std::vector<std::string> encode_parts(const PortAddress& to, std::span<const Item> items, std::size_t count_max,
                                      const std::function<std::size_t(const Item&)>& words_of_item,
                                      const NextMark& next) {
  std::vector<std::string> parts;
  while (!items.empty()) {
    std::size_t count = 0;
    std::size_t words = 1;
    for (; count < std::min(items.size(), count_max); ++count) {
      const std::size_t more = words_of_item(items[count]);
      if (count > 0 && words + more > kPartWordsMax) break;
      words += more;
    }
    parts.push_back(encode_frame<schema::Answer>(words + kMarkWords, [&](schema::Answer::Builder answer) {
      write_address(to, answer.initTo());
      write_mark(next(), answer);
      write(items.first(count), answer);
    }));
    items = items.subspan(count);
  }
  return parts;
}

}  // namespace

template <class Content>
std::string encode_answer(const PortAddress& to, const Content& content, const PushMark& mark) {
  const std::size_t words = words_behind(content) + (mark.number == 0 ? 0 : kMarkWords);
  return encode_frame<schema::Answer>(words, [&](schema::Answer::Builder answer) {
    write_address(to, answer.initTo());
    write_mark(mark, answer);
    if constexpr (requires { content.request; }) answer.setRequest(content.request);
    if constexpr (std::is_same_v<Content, ExplainAsked>) answer.setRequest(content.question.request);
    write(content, answer);
  });
}

template std::string encode_answer(const PortAddress&, const SendsAnswered&, const PushMark&);
template std::string encode_answer(const PortAddress&, const LoginAnswered&, const PushMark&);
template std::string encode_answer(const PortAddress&, const AckAnswered&, const PushMark&);
template std::string encode_answer(const PortAddress&, const FetchAnswered&, const PushMark&);
template std::string encode_answer(const PortAddress&, const MailboxPush&, const PushMark&);
template std::string encode_answer(const PortAddress&, const ManageAnswered&, const PushMark&);
template std::string encode_answer(const PortAddress&, const AttemptsAnswered&, const PushMark&);
template std::string encode_answer(const PortAddress&, const MessagesEnded&, const PushMark&);
template std::string encode_answer(const PortAddress&, const ParkingRule&, const PushMark&);
template std::string encode_answer(const PortAddress&, const ExplainAsked&, const PushMark&);
template std::string encode_answer(const PortAddress&, const SessionExplained&, const PushMark&);
template std::string encode_answer(const PortAddress&, const SessionEvicted&, const PushMark&);
template std::string encode_answer(const PortAddress&, const LeaderAnnounced&, const PushMark&);
template std::string encode_answer(const PortAddress&, const LeaderFollowed&, const PushMark&);
template std::string encode_answer(const PortAddress&, const PositionsAnswered&, const PushMark&);
template std::string encode_answer(const PortAddress&, const WhereAnswered&, const PushMark&);
template std::string encode_answer(const PortAddress&, const CallRefused&, const PushMark&);

std::string encode_answer(const Answer& answer) {
  return std::visit([&](const auto& content) { return encode_answer(answer.to, content, answer.mark); },
                    answer.content);
}

std::vector<std::string> encode_push(const PortAddress& to, const MailboxPush& push, const NextMark& next) {
  using Item = std::shared_ptr<const IncomingMessage>;
  return encode_parts<Item>(
      to, push.messages, limits::kFetchMessagesMax, [](const Item& message) { return words_of(*message); }, next);
}

std::vector<std::string> encode_push(const PortAddress& to, const MessagesEnded& ended, const NextMark& next) {
  return encode_parts<LostRange>(
      to, ended.ranges, limits::kLostRangesMax, [](const LostRange& range) { return words_of(range); }, next);
}

std::string encode_registrations(const RegistrationDigest& digest) {
  flat::Writer writer(flat::words_of<schema::Registrations>() + flat::kChecksumWords);
  auto to = writer.initRoot<schema::Registrations>();
  to.setCount(digest.count());
  to.setSum(digest.sum());
  return flat::with_checksum(writer.take());
}

std::string encode_wall_clock(std::uint64_t unix_ms) {
  flat::Writer writer(flat::words_of<schema::WallClock>() + flat::kChecksumWords);
  writer.initRoot<schema::WallClock>().setUnixMs(unix_ms);
  return flat::with_checksum(writer.take());
}

}  // namespace earshot::actors
