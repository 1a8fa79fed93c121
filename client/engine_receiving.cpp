#include <algorithm>
#include <map>

#include "client/engine.hpp"

namespace earshot::client {

void Engine::delivered(Batch batch, std::function<void()> taken) {
  if (state_ != State::kOpen) return taken();
  auto work = std::make_shared<Work>();
  work->batch = std::move(batch);
  work->taken = std::move(taken);
  work->generation = generation_;
  work_.push_back(std::move(work));
  process_next();
}

// One batch at a time: each is judged by what the one before has left.
void Engine::process_next() {
  if (working_ || work_.empty() || state_ != State::kOpen) return;
  working_ = true;
  const std::shared_ptr<Work> work = std::move(work_.front());
  work_.pop_front();
  taken_ = std::move(work->taken);
  work->judgement = inbox_.judge(std::move(work->batch));
  counters_.repeats_dropped += work->judgement.repeats.size();
  counters_.checksum_failures += work->judgement.altered;
  if (work->judgement.other_epoch) {
    working_ = false;
    put_off(Error{ErrorCode::kUnavailable, "epoch", "the mailbox has a new epoch", 0, 0});
    return;
  }
  if (work->judgement.messages.empty() || !announcer_.handlers().on_offer) {
    store(work);
  } else {
    offer(work);
  }
}

void Engine::offer(std::shared_ptr<Work> work) {
  const auto offer = [work](const Handlers& h) { h.on_offer(work->judgement.messages, work->rejections); };
  announcer_.run(offer, [self = shared_from_this(), work]() mutable {
    on_loop(self, [work](Engine& e) {
      if (!work->rejections.empty() && work->generation == e.generation_) e.nack(*work);
      e.store(work);
    });
  });
}

void Engine::nack(Work& work) {
  const std::vector<Sequence> rejected = inbox_.reject(work.judgement, work.rejections);
  counters_.rejected += rejected.size();
  if (state_ != State::kOpen || rejected.empty()) return;
  std::map<std::uint32_t, NackRequest> by_delay;
  for (const Sequence sequence : rejected) {
    const auto rejection = std::find_if(work.rejections.begin(), work.rejections.end(),
                                        [&](const Rejection& r) { return r.sequence == sequence; });
    const auto delay =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(rejection->delay_ms, limits::kNackDelayMsMax));
    NackRequest& request = by_delay[delay];
    request.delay_ms = delay;
    request.sequences.push_back(sequence);
  }
  if (options_.mode != DeliveryMode::kSequenceOnly) {
    for (const auto& [delay, request] : by_delay) link_->nack(request);
    return;
  }
  // Nothing is outstanding at the server in this mode: the client comes back for it by itself.
  begin_repair({FetchCause::kCatchUp, inbox_.head().last_received, rejected.front(), 0}, true);
  repair_at_ms_ = now_ms() + by_delay.begin()->first;
}

void Engine::store(std::shared_ptr<Work> work) {
  // What came by an earlier connection comes again by this one.
  if (state_ != State::kOpen || work->generation != generation_) return finish(work);
  const Inbox::Judgement& judgement = work->judgement;
  if (judgement.nothing_new()) {
    acks_.received(inbox_.head().last_received, judgement.repeats, 0, now_ms());
    return finish(work);
  }
  work->head = inbox_.head_after(judgement);
  storing_ = true;
  store_->receive(work->head, judgement.messages, judgement.lost,
                  [self = shared_from_this(), work](Status status) mutable {
                    on_loop(self, [work, status = std::move(status)](Engine& e) { e.stored(work, status); });
                  });
}

// Here, and nowhere earlier, the ack goes out: everything in `work` is committed.
void Engine::stored(std::shared_ptr<Work> work, Status status) {
  storing_ = false;
  if (!status) {
    ++counters_.store_failures;
    check_shut_down();
    if (state_ == State::kOpen && work->generation == generation_) {
      store_again_ = work;
      store_retry_at_ms_ = now_ms() + backoff_ms(options_.reconnect, ++receive_failures_, random_);
      arm();
    } else {
      finish(work);
      try_welcome();
    }
    return;
  }
  receive_failures_ = 0;
  const Inbox::Judgement& judgement = work->judgement;
  inbox_.adopt(std::move(work->head));
  counters_.received += judgement.messages.size();
  counters_.last_received.set(inbox_.head().last_received.value);
  for (const LostRange& range : judgement.lost) counters_.lost += range.last.value - range.first.value + 1;
  check_shut_down();
  if (work->generation == generation_ && state_ == State::kOpen) {
    std::vector<Sequence> above = judgement.repeats;
    if (options_.mode == DeliveryMode::kUnordered)
      for (const IncomingMessage& message : judgement.messages) above.push_back(message.sequence);
    acks_.received(inbox_.head().last_received, above, judgement.messages.size() + judgement.lost.size(), now_ms());
    pump();
  }
  try_welcome();
  show(std::move(work));
}

void Engine::show(std::shared_ptr<Work> work) {
  const auto show = [work](const Handlers& h) {
    if (h.on_lost && !work->judgement.lost.empty()) h.on_lost(work->judgement.lost);
    if (h.on_messages && !work->judgement.messages.empty()) h.on_messages(work->judgement.messages);
  };
  announcer_.run(show,
                 [self = shared_from_this(), work]() mutable { on_loop(self, [work](Engine& e) { e.finish(work); }); });
}

void Engine::finish(const std::shared_ptr<Work>& work) {
  working_ = false;
  if (const auto taken = std::exchange(taken_, nullptr)) taken();
  if (work->generation == generation_ && state_ == State::kOpen) {
    if (work->fetched && !work->judgement.nothing_new()) repair_attempts_ = 0;
    if (work->judgement.repair)
      begin_repair(*work->judgement.repair, !work->fetched);
    else if (work->fetched && work->judgement.nothing_new() && repair_)
      begin_repair(*repair_, false);
  }
  process_next();
  if (state_ == State::kOpen) pump();  // a repair may have waited for this, also one of a later connection
}

// ---- refetching

void Engine::begin_repair(const Inbox::Repair& repair, bool in_haste) {
  const bool is_new = !repair_;
  if (is_new) {
    repair_ = repair;
    repair_attempts_ = 0;
  } else if (repair_->limit == 0) {
    // A single message that comes out of sequence waits for its retransmission when another is being refetched.
    repair_->until = std::max(repair_->until, repair.until);
  }
  if (!in_haste) {  // a refetch that did not help is not repeated at once
    repair_at_ms_ = std::max(repair_at_ms_, now_ms() + backoff_ms(options_.reconnect, ++repair_attempts_, random_));
  } else if (is_new) {
    repair_at_ms_ = now_ms();
  }
  // Else it comes when it was to come: what is delivered behind a hole, one by one and for ever, must not put it off.
}

void Engine::pump_repair() {
  if (!can_repair()) return;
  const bool single = repair_->limit != 0;  // one message of many that come out of sequence
  if (single ? inbox_.has(repair_->until) : inbox_.head().last_received >= repair_->until) {
    if (repair_->cause == FetchCause::kGap || repair_->cause == FetchCause::kChecksum) ++counters_.gaps_repaired;
    repair_.reset();
    repair_at_ms_ = 0, repair_attempts_ = 0;
    return;
  }
  if (repair_at_ms_ > now_ms()) return;
  fetching_ = true;
  repair_at_ms_ = 0;
  ++counters_.fetches[static_cast<std::size_t>(repair_->cause)];
  const std::uint32_t most = welcome_->limits.fetch_messages_max;
  link_->fetch(single ? repair_->after : inbox_.head().last_received, single ? std::min(repair_->limit, most) : most,
               repair_->cause, [weak = weak_from_this(), generation = generation_](Result<Batch> batch) {
                 if (const auto self = weak.lock()) self->repair_fetched(generation, std::move(batch));
               });
}

void Engine::repair_fetched(std::uint64_t generation, Result<Batch> batch) {
  if (generation != generation_ || state_ != State::kOpen) return;
  fetching_ = false;
  if (!batch || (batch->messages.empty() && batch->lost.empty())) {
    const std::uint32_t at_least = batch ? 0 : batch.error().retry_after_ms;
    repair_at_ms_ =
        now_ms() + std::max<std::uint64_t>(backoff_ms(options_.reconnect, ++repair_attempts_, random_), at_least);
    arm();
    return;
  }
  auto work = std::make_shared<Work>();
  work->batch = std::move(*batch);
  work->fetched = true;
  work->generation = generation_;
  work_.push_back(std::move(work));
  process_next();
}

}  // namespace earshot::client
