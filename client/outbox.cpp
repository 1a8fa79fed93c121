#include "client/outbox.hpp"

#include <algorithm>

#include "base/checksum.hpp"

namespace earshot::client {
namespace {

// What a message takes of a call's bytes: its body, and about as much as the rest of it needs in the encoding.
std::size_t wire_bytes(const OutgoingMessage& message) {
  return message.body.size() + message.recipient.text().size() + 96;
}

// The message as it goes out now. Its time runs from send(), so what it spent in this outbox is taken off. A clock that
// was set back gives time, and takes none.
Outbox::Item item_of(const OutgoingMessage& message, LaneNumber answered_below, std::uint64_t wall_ms) {
  Outbox::Item item{&message, answered_below, message.ttl_ms, false};
  if (message.ttl_ms == 0 || wall_ms <= message.sent_at_ms) return item;
  const std::uint64_t age_ms = wall_ms - message.sent_at_ms;
  item.expired = age_ms >= message.ttl_ms;
  item.ttl_ms = item.expired ? 0 : message.ttl_ms - age_ms;
  return item;
}

}  // namespace

OutgoingMessage Outbox::Item::expired_form() const {
  OutgoingMessage form;
  form.recipient = message->recipient;
  form.number = message->number;
  form.id = message->id;
  form.checksum = checksum_of(form.body);
  form.sent_at_ms = message->sent_at_ms;
  form.expired = true;
  return form;
}

Status Outbox::check(const OutboxHead& head, std::span<const OutboxMessage> messages) {
  const auto corrupt = [](const char* why) { return fail(ErrorCode::kCorrupt, "outbox", why); };
  if (head.shard_count > limits::kShardsMax || head.next.size() != head.shard_count)
    return corrupt("the lanes do not fit the shard count");
  std::vector<std::uint64_t> first(head.shard_count, 0), last(head.shard_count, 0);
  Ticket before;
  for (const OutboxMessage& message : messages) {
    if (message.ticket <= before || message.ticket >= head.next_ticket) return corrupt("tickets are out of order");
    before = message.ticket;
    const std::uint64_t number = message.message.number.value;
    if (number == 0 || message.uncertain) continue;
    const std::size_t lane = message.lane.value;
    if (lane >= head.shard_count || number >= head.next[lane].value) return corrupt("a message is in no lane");
    if (number <= last[lane]) return corrupt("numbers of a lane are out of order");
    if (first[lane] == 0) first[lane] = number;
    last[lane] = number;
    // Holes are what was answered out of order; all of them lie within one window of what was under way.
    if (head.next[lane].value - first[lane] > messages.size() + limits::kClientOutboxMessagesMax)
      return corrupt("a lane has too large a hole");
  }
  return {};
}

void Outbox::load(const OutboxHead& head, std::vector<OutboxMessage> messages) {
  maybe_sent_through_ = head.sent_through;
  lanes_.resize(head.shard_count);
  for (OutboxMessage& message : messages) add(std::move(message));
}

void Outbox::add(OutboxMessage message) {
  if (message.uncertain) {
    uncertain_.push_back(std::move(message));
    return;
  }
  // Numbered for lanes that an abandoned plan has ended: they begin anew with the next welcome.
  if (lanes_.empty()) message.message.number = LaneNumber();
  if (message.message.number.value == 0) {
    waiting_.push_back(std::move(message));
    return;
  }
  Lane& lane = lane_of(message);
  const ShardId shard = message.lane;
  const std::uint64_t number = message.message.number.value;
  const bool maybe_sent = message.ticket <= maybe_sent_through_;
  // An earlier run had the answers of what is missing, and the store has forgotten it.
  for (std::uint64_t gone = lane.stream.last() + 1; gone < number; ++gone) {
    EARSHOT_INVARIANT(lane.stream.restore(Entry{}) && lane.stream.confirm(gone), "what is gone was sent");
  }
  Entry entry{std::move(message), maybe_sent ? 1u : 0u, false};
  const auto given = maybe_sent ? lane.stream.restore(std::move(entry)) : lane.stream.push(std::move(entry));
  EARSHOT_INVARIANT(given && *given == number, "the numbers of a lane have no holes");
  ++numbered_;
  queue(shard, lane);
}

Outbox::Lane& Outbox::lane_of(const OutboxMessage& message) {
  EARSHOT_INVARIANT(message.lane.value < lanes_.size(), "a lane is one of the cluster's shards");
  std::unique_ptr<Lane>& lane = lanes_[message.lane.value];
  if (!lane) lane = std::make_unique<Lane>(message.message.number);
  return *lane;
}

// ---- a new connection

Outbox::Plan Outbox::plan(const Welcome& welcome, const OutboxHead& head) {
  Plan plan{head, {}, 0, false};
  plan.restart =
      welcome.login.new_producer || welcome.login.producer != head.producer || welcome.shard_count != head.shard_count;
  std::vector<OutboxMessage> fresh(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(waiting_.end()));
  waiting_.clear();
  if (plan.restart) {
    EARSHOT_INVARIANT(answered_.empty(), "the store forgets what was answered before lanes start anew");
    for (const std::unique_ptr<Lane>& lane : lanes_) {
      if (!lane) continue;
      for (std::uint64_t number = lane->stream.confirmed_below(); number <= lane->stream.last(); ++number) {
        Entry* entry = lane->stream.find(number);
        if (entry == nullptr || entry->answered) continue;
        entry->kept.uncertain = entry->sends > 0;
        (entry->kept.uncertain ? plan.changed : fresh).push_back(std::move(entry->kept));
      }
    }
    lanes_.clear(), ready_.clear(), resting_.clear();
    numbered_ = 0;
    plan.head.next.assign(welcome.shard_count, LaneNumber(1));
  }
  // What an abandoned plan found uncertain stays so.
  const auto first_fresh = std::stable_partition(fresh.begin(), fresh.end(), [](const auto& m) { return m.uncertain; });
  plan.changed.insert(plan.changed.end(), std::make_move_iterator(fresh.begin()), std::make_move_iterator(first_fresh));
  fresh.erase(fresh.begin(), first_fresh);
  const auto by_ticket = [](const OutboxMessage& a, const OutboxMessage& b) { return a.ticket < b.ticket; };
  std::sort(plan.changed.begin(), plan.changed.end(), by_ticket);
  std::sort(fresh.begin(), fresh.end(), by_ticket);
  plan.uncertain = plan.changed.size();

  plan.head.producer = welcome.login.producer;
  plan.head.shard_count = welcome.shard_count;
  plan.head.sent_through = plan.head.next_ticket.previous();  // from here on anything may be sent
  for (OutboxMessage& message : fresh) {
    message.lane = shard_of(message.message.recipient, welcome.shard_count);
    LaneNumber& next = plan.head.next[message.lane.value];
    message.message.number = next;
    next = next.next();
  }
  plan.changed.insert(plan.changed.end(), std::make_move_iterator(fresh.begin()), std::make_move_iterator(fresh.end()));
  return plan;
}

void Outbox::adopt(Plan plan) {
  lanes_.resize(plan.head.shard_count);
  if (plan.restart) needs_new_producer_ = false;
  // What is numbered just now was not sent, whatever an earlier run did.
  if (plan.restart) maybe_sent_through_ = Ticket();
  for (OutboxMessage& message : plan.changed) add(std::move(message));
}

void Outbox::abandon(Plan plan) {
  // Without a committed plan the messages are as if never numbered; the next welcome cannot know the old numbers
  // either.
  for (OutboxMessage& message : plan.changed) {
    message.message.number = LaneNumber();
    waiting_.push_back(std::move(message));
  }
}

void Outbox::connected(const ServerLimits& limits) {
  server_ = limits;
  connected_ = true;
  for (std::size_t shard = 0; shard < lanes_.size(); ++shard) {
    if (!lanes_[shard]) continue;
    lanes_[shard]->stream.rewind_all();
    lanes_[shard]->attempt = 0, lanes_[shard]->resume_at_ms = 0;
    queue(ShardId(static_cast<std::uint16_t>(shard)), *lanes_[shard]);
  }
}

void Outbox::disconnected() {
  connected_ = false;
  for (CallUnderWay& call : calls_) spare_.push_back(std::move(call));
  calls_.clear();
  under_way_ = 0, under_way_bytes_ = 0;
}

// ---- sending

void Outbox::queue(ShardId shard, Lane& lane) {
  if (lane.queued || !lane.stream.has_ready()) return;
  lane.queued = true;
  ready_.push_back(shard);
}

void Outbox::wake_resting(std::uint64_t now_ms) {
  std::erase_if(resting_, [&](ShardId shard) {
    if (lanes_[shard.value]->resume_at_ms > now_ms) return false;
    ready_.push_back(shard);
    return true;
  });
}

bool Outbox::next_call(std::uint64_t now_ms, std::uint64_t wall_ms, Call& call) {
  call.items.clear();
  call.bytes = 0, call.resent = 0;
  if (!connected_ || needs_new_producer_) return false;
  if (!resting_.empty()) wake_resting(now_ms);
  if (ready_.empty() || is_at_calls_max()) return false;
  if (calls_.size() >= limits_.calls_eager && backlog() < limits_.call_worth_messages) return false;

  CallUnderWay under_way;
  if (!spare_.empty()) {
    under_way = std::move(spare_.back());
    spare_.pop_back();
  }
  under_way.items.clear(), under_way.runs.clear();
  for (std::size_t lanes = ready_.size(); lanes > 0; --lanes) {
    const ShardId shard = ready_.front();
    Lane& lane = *lanes_[shard.value];
    ready_.pop_front();
    if (lane.resume_at_ms > now_ms) {
      resting_.push_back(shard);  // still marked as queued
      continue;
    }
    const bool full = !fill(shard, lane, wall_ms, call, under_way);
    lane.queued = false;
    const bool window_full = lane.stream.next_to_send() >=
                             lane.stream.confirmed_below() + std::max<std::uint64_t>(server_.lane_window_max, 1);
    if (!window_full) queue(shard, lane);  // else removed() queues it
    if (full) break;
  }
  if (call.items.empty()) {
    spare_.push_back(std::move(under_way));
    return false;
  }
  under_way.id = call.id = next_call_++;
  under_way.bytes = call.bytes;
  under_way_ += call.items.size(), under_way_bytes_ += call.bytes;
  calls_.push_back(std::move(under_way));
  return true;
}

bool Outbox::is_at_calls_max() const {
  return calls_.size() >= std::max<std::size_t>(server_.calls_in_flight_max / 2, 1);
}

// Messages that no call carries.
std::size_t Outbox::backlog() const {
  const std::size_t unanswered = numbered_ - answered_.size();
  return unanswered - std::min(under_way_, unanswered);
}

std::size_t Outbox::messages_awaited() const {
  if (!connected_) return 1;
  if (is_at_calls_max()) return SIZE_MAX;
  if (calls_.size() < limits_.calls_eager) return 1;
  return limits_.call_worth_messages - std::min(limits_.call_worth_messages - 1, backlog());
}

// Adds what a lane has ready. False when the call is full.
bool Outbox::fill(ShardId shard, Lane& lane, std::uint64_t wall_ms, Call& call, CallUnderWay& under_way) const {
  const std::uint64_t window = std::max<std::uint64_t>(server_.lane_window_max, 1);
  const LaneNumber answered_below(lane.stream.confirmed_below());
  const auto ticket = lane.stream.ticket();
  const std::size_t before = call.items.size();
  bool room = true;
  while (lane.stream.has_ready() && lane.stream.next_to_send() < answered_below.value + window) {
    const Entry* next = lane.stream.find(lane.stream.next_to_send());
    const std::size_t bytes = wire_bytes(next->kept.message);
    room = call.items.size() < std::max<std::uint32_t>(server_.batch_messages_max, 1) &&
           under_way_ + call.items.size() < limits_.messages_under_way_max &&
           (call.items.empty() || call.bytes + bytes <= server_.batch_bytes_max) &&
           (under_way_ + call.items.size() == 0 ||
            under_way_bytes_ + call.bytes + bytes <= server_.call_bytes_in_flight_max);
    if (!room) break;
    lane.stream.send_ready(1, [&](std::uint64_t number, const Entry& entry) {
      if (entry.answered) return;
      call.items.push_back(item_of(entry.kept.message, answered_below, wall_ms));
      call.bytes += bytes;
      under_way.items.push_back(Sent{shard, LaneNumber(number)});
      Entry* sent = lane.stream.find(number);
      sent->round = ticket.round;
      if (sent->sends++ > 0) ++call.resent;
    });
  }
  if (call.items.size() > before) under_way.runs.push_back(Run{shard, call.items.size(), ticket});
  return room;
}

std::uint64_t Outbox::wake_at_ms() const {
  std::uint64_t at = 0;
  for (const ShardId shard : resting_) {
    const std::uint64_t resume = lanes_[shard.value]->resume_at_ms;
    at = at == 0 ? resume : std::min(at, resume);
  }
  return at;
}

// ---- answers

bool Outbox::answered(std::uint64_t call, std::span<SendAnswer> answers, std::uint64_t now_ms,
                      std::vector<SendReport>& reports) {
  const auto found = std::find_if(calls_.begin(), calls_.end(), [&](const CallUnderWay& c) { return c.id == call; });
  if (found == calls_.end()) return true;  // of a connection that is over
  CallUnderWay under_way = std::move(*found);
  calls_.erase(found);
  under_way_ -= under_way.items.size(), under_way_bytes_ -= under_way.bytes;
  if (answers.size() != under_way.items.size()) return false;
  std::size_t i = 0;
  for (const Run& run : under_way.runs)
    for (; i < run.end; ++i) answer_one(under_way.items[i], run.ticket, answers[i], now_ms, reports);
  for (const Run& run : under_way.runs) {
    if (lanes_[run.lane.value]) queue(run.lane, *lanes_[run.lane.value]);
  }
  spare_.push_back(std::move(under_way));
  return true;
}

void Outbox::answer_one(Sent sent, const StreamSender<Entry>::Ticket& ticket, SendAnswer& answer, std::uint64_t now_ms,
                        std::vector<SendReport>& reports) {
  if (!lanes_[sent.lane.value]) return;  // everything in it was answered since
  Lane& lane = *lanes_[sent.lane.value];
  Entry* entry = lane.stream.find(sent.number.value);
  if (entry == nullptr || entry->answered) return;  // answered since
  if (answer.repeat) ++repeats_answered_;
  if (auto* stored = std::get_if<Stored>(&answer.value)) {
    lane.attempt = 0;
    finish(sent, *entry, *stored, reports);
  } else if (auto* refused = std::get_if<SendAnswer::Refused>(&answer.value)) {
    if (refused->error.code == ErrorCode::kProducerReset) {
      needs_new_producer_ = true;
      return;
    }
    lane.attempt = 0;
    finish(sent, *entry, std::move(refused->error), reports);
  } else {
    hold(sent, entry->round, ticket, std::get<SendAnswer::Held>(answer.value).error, now_ms);
  }
}

void Outbox::finish(Sent sent, Entry& entry, SendOutcome outcome, std::vector<SendReport>& reports) {
  entry.answered = true;
  entry.answered_round = lanes_[sent.lane.value]->stream.ticket().round;
  reports.push_back(SendReport{entry.kept.message.id, std::move(outcome)});
  answered_.emplace_back(entry.kept.ticket, sent);
  remove(entry.kept);
}

//   outOfOrder(expected)   the lane goes back to what is expected; when that is not there any more, a new producer
//   producerReset          a new producer
//   anything else          the lane goes back to this message and rests (overloaded, unavailable, deadlineExceeded,
//                          storageFull; checksumMismatch: the bytes were altered on the way)
void Outbox::hold(Sent sent, std::uint64_t last_sent_round, const StreamSender<Entry>::Ticket& ticket,
                  const Error& error, std::uint64_t now_ms) {
  Lane& lane = *lanes_[sent.lane.value];
  ++held_;
  if (error.code == ErrorCode::kProducerReset) {
    needs_new_producer_ = true;
    return;
  }
  if (last_sent_round != ticket.round) return;                  // it was sent again since: the answer to that counts
  if (sent.number.value >= lane.stream.next_to_send()) return;  // the lane went back before it already
  const std::uint64_t round = lane.stream.ticket().round;
  if (error.code == ErrorCode::kOutOfOrder && error.expected != sent.number.value) {
    if (!lane.stream.out_of_order(error.expected, ticket)) needs_new_producer_ = true;
    // It lost what it answered, unless the answer came after this round began: then it was overtaken on its way.
    const Entry* next = lane.stream.find(error.expected);
    if (next != nullptr && next->answered && next->answered_round < ticket.round) needs_new_producer_ = true;
  }
  // Also when a later message has sent the lane back already: the server may take that one by now, but has not answered
  // this one.
  lane.stream.rewind(sent.number.value);
  if (lane.stream.ticket().round == round) return;
  // A first hole is closed at once; whatever does not help the first time is not repeated in haste.
  const bool at_once = error.code == ErrorCode::kOutOfOrder || error.code == ErrorCode::kChecksumMismatch;
  const std::uint64_t rest = at_once && lane.attempt == 0 ? 0 : backoff_ms(limits_.held, lane.attempt + 1, random_);
  if (lane.attempt < UINT32_MAX) ++lane.attempt;
  lane.resume_at_ms =
      std::max<std::uint64_t>(lane.resume_at_ms, now_ms + std::max<std::uint64_t>(rest, error.retry_after_ms));
}

void Outbox::remove(const OutboxMessage& message) {
  removable_.tickets.push_back(message.ticket);
  removable_.bytes += message.message.body.size();
}

void Outbox::give_back(Removals removals) {
  removable_.tickets.insert(removable_.tickets.end(), removals.tickets.begin(), removals.tickets.end());
  removable_.bytes += removals.bytes;
}

void Outbox::removed(std::span<const Ticket> tickets) {
  std::vector<Ticket> sorted(tickets.begin(), tickets.end());
  std::sort(sorted.begin(), sorted.end());
  std::erase_if(answered_, [&](const std::pair<Ticket, Sent>& item) {
    if (!std::binary_search(sorted.begin(), sorted.end(), item.first)) return false;
    const auto& [lane_id, number] = item.second;
    Lane& lane = *lanes_[lane_id.value];
    EARSHOT_INVARIANT(lane.stream.confirm(number.value), "an answered message was sent");
    --numbered_;
    queue(lane_id, lane);
    if (lane.stream.unconfirmed() == 0 && !lane.queued) lanes_[lane_id.value].reset();  // most lanes are idle mostly
    return true;
  });
}

}  // namespace earshot::client
