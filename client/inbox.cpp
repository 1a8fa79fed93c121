#include "client/inbox.hpp"

#include <algorithm>

#include "base/checksum.hpp"
#include "base/limits.hpp"

namespace earshot::client {
namespace {

Sequence end_of(const Batch& batch) {
  Sequence end;
  if (!batch.messages.empty()) end = batch.messages.back().sequence;
  if (!batch.lost.empty()) end = std::max(end, batch.lost.back().last);
  return end;
}

// What of the ranges lies beyond `after` and is not among the sequences; both ascending.
std::vector<LostRange> without(std::span<const LostRange> ranges, Sequence after, const std::vector<Sequence>& held) {
  std::vector<LostRange> rest;
  for (const LostRange& range : ranges) {
    Sequence first = std::max(range.first, after.next());
    for (auto one = std::ranges::lower_bound(held, first); one != held.end() && *one <= range.last; ++one) {
      if (first < *one) rest.push_back(LostRange{first, one->previous(), range.reason});
      first = one->next();
    }
    if (first <= range.last) rest.push_back(LostRange{first, range.last, range.reason});
  }
  return rest;
}

// Moves last_received over what follows it without a hole: received ones, and these ranges (ascending).
void move_on(InboxHead& head, std::span<const LostRange> ranges) {
  auto above = head.received_above.begin();
  auto lost = ranges.begin();
  for (bool moved = true; moved;) {
    moved = false;
    for (; lost != ranges.end() && lost->first <= head.last_received.next(); ++lost) {
      head.last_received = std::max(head.last_received, lost->last);
      moved = true;
    }
    for (; above != head.received_above.end() && *above <= head.last_received.next(); ++above) {
      head.last_received = std::max(head.last_received, *above);
      moved = true;
    }
  }
  head.received_above.erase(head.received_above.begin(), above);
}

}  // namespace

bool is_altered(const IncomingMessage& message) { return checksum_of(message.body) != message.checksum; }

Inbox::Inbox(DeliveryMode mode, InboxHead head) : mode_(mode), head_(std::move(head)) {
  std::ranges::sort(head_.received_above);
  move_on(head_, {});
}

bool Inbox::has(Sequence sequence) const {
  return sequence <= head_.last_received ||
         std::binary_search(head_.received_above.begin(), head_.received_above.end(), sequence);
}

Inbox::Judgement Inbox::judge(Batch batch) {
  if (batch.epoch != head_.epoch) {
    Judgement judgement;
    judgement.other_epoch = true;
    return judgement;
  }
  return mode_ == DeliveryMode::kUnordered ? judge_each(std::move(batch)) : judge_in_sequence(std::move(batch));
}

// Walks messages and lost ranges together in ascending order; each must begin where the one before ended. What came out
// of sequence in an earlier, `unordered` run is passed over.
Inbox::Judgement Inbox::judge_in_sequence(Batch batch) const {
  Judgement judgement;
  const Sequence end = end_of(batch);
  Sequence last = head_.last_received;
  const auto& above = head_.received_above;
  auto reach = [&last, held = above.begin(), &above](Sequence sequence) mutable {
    last = sequence;
    for (; held != above.end() && *held <= last.next(); ++held) last = std::max(last, *held);
  };
  auto lost = batch.lost.begin();
  auto message = batch.messages.begin();
  const auto repair_from = [&](FetchCause cause, Sequence after) {
    judgement.repair = Repair{cause, after, end, 0};
    return std::move(judgement);
  };
  while (message != batch.messages.end() || lost != batch.lost.end()) {
    const bool take_lost =
        message == batch.messages.end() || (lost != batch.lost.end() && lost->first <= message->sequence);
    if (take_lost) {
      const LostRange range = *lost++;
      if (range.last <= last) continue;
      if (range.first > last.next()) {
        judgement.messages.clear(), judgement.lost.clear();
        return repair_from(FetchCause::kGap, head_.last_received);
      }
      const auto rest = without({&range, 1}, last, above);
      judgement.lost.insert(judgement.lost.end(), rest.begin(), rest.end());
      reach(range.last);
      continue;
    }
    IncomingMessage& next = *message++;
    if (next.sequence <= last) {
      judgement.repeats.push_back(next.sequence);
    } else if (next.sequence > last.next()) {
      judgement.messages.clear(), judgement.lost.clear();
      return repair_from(FetchCause::kGap, head_.last_received);
    } else if (is_altered(next)) {
      judgement.altered = 1;
      return repair_from(FetchCause::kChecksum, last);
    } else {
      reach(next.sequence);
      judgement.messages.push_back(std::move(next));
    }
  }
  return judgement;
}

Inbox::Judgement Inbox::judge_each(Batch batch) {
  Judgement judgement;
  // What cannot be remembered is left for the server to deliver again, when the numbers below have come.
  std::size_t room = limits::kSelectiveAcksMax - std::min(limits::kSelectiveAcksMax, head_.received_above.size());
  Sequence last = head_.last_received;
  Sequence before;  // of this batch: one that does not ascend is left to be delivered again
  for (IncomingMessage& message : batch.messages) {
    const Sequence sequence = message.sequence;
    if (has(sequence)) {
      judgement.repeats.push_back(sequence);
      continue;
    }
    if (sequence <= before) continue;
    if (is_altered(message)) {
      ++judgement.altered;
      if (!judgement.repair) judgement.repair = Repair{FetchCause::kChecksum, sequence.previous(), sequence, 1};
      continue;
    }
    if (sequence == last.next()) {
      last = sequence;
    } else if (room > 0) {
      --room;
    } else {
      continue;
    }
    before = sequence;
    judgement.messages.push_back(std::move(message));
  }
  for (const LostRange& range : batch.lost) {
    // What was received before it ended is received: the server will hear of it once more.
    const auto& held = head_.received_above;
    const auto first = std::ranges::lower_bound(held, range.first);
    judgement.repeats.insert(judgement.repeats.end(), first, std::ranges::upper_bound(first, held.end(), range.last));
    // One that cannot be acked yet is told again and again.
    const bool known = std::find(lost_ahead_.begin(), lost_ahead_.end(), range) != lost_ahead_.end();
    if (range.last > head_.last_received && !known && lost_ahead_.size() < limits::kSelectiveAcksMax)
      lost_ahead_.push_back(range);
  }
  std::sort(lost_ahead_.begin(), lost_ahead_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  take_reachable_lost(judgement);
  return judgement;
}

// Of the ranges known to be lost, those that last_received reaches with the judged messages.
void Inbox::take_reachable_lost(Judgement& judgement) const {
  judgement.lost.clear();
  if (lost_ahead_.empty()) return;
  std::vector<Sequence> held = head_.received_above;
  for (const IncomingMessage& message : judgement.messages) held.push_back(message.sequence);
  std::sort(held.begin(), held.end());
  judgement.lost = without(lost_ahead_, head_.last_received, held);
  const Sequence reached = head_after(judgement).last_received;
  std::erase_if(judgement.lost, [&](const LostRange& range) { return range.last > reached; });
}

void Inbox::adopt(InboxHead head) {
  if (head.epoch != head_.epoch) lost_ahead_.clear();
  head_ = std::move(head);
  std::erase_if(lost_ahead_, [&](const LostRange& range) { return range.last <= head_.last_received; });
}

std::vector<Sequence> Inbox::reject(Judgement& judgement, std::span<const Rejection> rejections) {
  std::vector<Sequence> rejected;
  for (const Rejection& rejection : rejections) {
    const bool offered = std::any_of(judgement.messages.begin(), judgement.messages.end(),
                                     [&](const IncomingMessage& m) { return m.sequence == rejection.sequence; });
    if (offered) rejected.push_back(rejection.sequence);
  }
  std::sort(rejected.begin(), rejected.end());
  rejected.erase(std::unique(rejected.begin(), rejected.end()), rejected.end());
  if (rejected.empty()) return rejected;
  if (mode_ == DeliveryMode::kUnordered) {
    std::erase_if(judgement.messages, [&](const IncomingMessage& m) {
      return std::binary_search(rejected.begin(), rejected.end(), m.sequence);
    });
    take_reachable_lost(judgement);
    return rejected;
  }
  const Sequence first = rejected.front();
  rejected.resize(1);
  std::erase_if(judgement.messages, [&](const IncomingMessage& m) { return m.sequence >= first; });
  std::erase_if(judgement.lost, [&](const LostRange& range) { return range.first > first; });
  judgement.repair.reset();  // what follows comes again anyway
  return rejected;
}

InboxHead Inbox::head_after(const Judgement& judgement) const {
  InboxHead head = head_;
  for (const IncomingMessage& message : judgement.messages) head.received_above.push_back(message.sequence);
  std::ranges::sort(head.received_above);
  move_on(head, judgement.lost);
  return head;
}

Result<InboxHead> Inbox::head_after(const Welcome& welcome) const {
  InboxHead head = head_;
  if (!head.user.empty() && head.user != welcome.user)
    return fail(ErrorCode::kConflict, "user",
                "this store holds the mailbox of " + head.user.text() + ", the login is for " + welcome.user.text());
  head.user = welcome.user;
  if (head.epoch == Epoch()) {
    head.last_received = welcome.login.cursor;  // a new device begins where the server says
  } else if (head.epoch != welcome.login.epoch) {
    const Sequence restored = welcome.login.restored_up_to;
    head.last_received = std::min(head.last_received, restored);
    std::erase_if(head.received_above, [&](Sequence s) { return s > restored; });
  }
  head.epoch = welcome.login.epoch;
  return head;
}

}  // namespace earshot::client
