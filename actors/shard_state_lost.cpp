#include <utility>

#include <spdlog/spdlog.h>

#include "actors/shard_impl.hpp"
#include "cluster/seed_message.hpp"
#include "storage/table_sums.hpp"

namespace earshot::actors {

namespace {

constexpr std::uint64_t kHolesBelievedMs = 600'000;  // a look at all messages takes about a microsecond for each

}  // namespace

void ShardImpl::begin_fetching(bool is_damaged) {
  flush_is_orphan_ = flush_is_orphan_ || (life_ && life_->flusher->is_flushing()) || (fetch_ && fetch_->is_writing());
  life_.reset();
  holes_are_true_until_ms_ = 0;
  const LogIndex floor = installs_.value_or(replica_->snapshot_index());
  fetch_.emplace(options_, host_, environment_, floor, options_.random + ++fetches_);
  if (is_damaged) fetch_->begin_without_state();
  cluster::count(raft_counters_->states_begun);
  spdlog::info("shard {}: fetches its state", id_.value);
}

void ShardImpl::go_on_fetching(std::uint64_t now_ms) {
  if (!fetch_ || flush_is_orphan_) return;
  fetch_->go_on(replica_->leader(), now_ms);
  if (!fetch_->is_complete()) return;
  fetch_.reset();
  Status ready = begin_life();
  if (ready) ready = state_is_there(life_->machine->applied_index(), now_ms);
  if (ready) {
    cluster::count(raft_counters_->states_fetched);
    spdlog::info("shard {}: has its state again, at {}", id_.value, life_->machine->applied_index().value);
    return;
  }
  spdlog::error("shard {}: the state that was fetched is of no use, it is fetched again: {}", id_.value,
                ready.error().to_string());
  begin_fetching(true);
}

// A replica whose state only was old has one as long as it is not replaced.
Status ShardImpl::state_is_there(LogIndex applied, std::uint64_t now_ms) {
  if (replica_->is_passive()) {
    installs_.reset();
    return replica_->state_ready(applied, now_ms);
  }
  EARSHOT_INVARIANT(installs_.has_value(), "a state that is not lost is replaced for an install alone");
  // It may come from another leader than the one that asked for the install, which lags behind that one.
  if (applied < *installs_)
    return fail(ErrorCode::kInvalidArgument, "applied", "the log begins above " + std::to_string(installs_->value));
  installs_.reset();
  replica_->snapshot_installed(applied, now_ms);
  return {};
}

void ShardImpl::act_on_lost_state(std::uint64_t now_ms) {
  if (std::exchange(state_is_old_, false)) begin_fetching(false);
  if (!std::exchange(state_is_lost_, false) || !life_) return;
  // The only voter goes on with what it has: nobody can give it another.
  if (const Status lost = replica_->state_lost(now_ms); !lost) return;
  spdlog::error("shard {}: its state is damaged, and is fetched from another node", id_.value);
  begin_fetching(true);
}

// It is nobody's damage, but a loss that all have, where the records on the disk are those that were counted.
bool ShardImpl::has_lost_messages() {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  if (now_ms < holes_are_true_until_ms_) return false;
  const Status checked = storage::check_records(environment_, id_, 'M');
  if (!checked) {
    spdlog::error("shard {}: a message is missing: {}", id_.value, checked.error().to_string());
    return true;
  }
  spdlog::warn("shard {}: a message is missing that was counted as missing: it is said to be lost", id_.value);
  holes_are_true_until_ms_ = now_ms + kHolesBelievedMs;
  return false;
}

Result<std::uint64_t> ShardImpl::digest() {
  if (!life_) return fail(ErrorCode::kUnavailable, "", "the state is being fetched");
  auto digest = life_->machine->digest();
  if (!digest && digest.error().code == ErrorCode::kCorrupt && !is_alone()) {
    state_is_lost_ = true;
    settle(clock_.monotonic_ms());
  }
  return digest;
}

void ShardImpl::note_seed(cluster::RaftCounters::Counter cluster::RaftCounters::*parts,
                          cluster::RaftCounters::Counter cluster::RaftCounters::*bytes, std::size_t size) {
  cluster::count(*raft_counters_.*parts);
  cluster::count(*raft_counters_.*bytes, size);
}

void ShardImpl::receive_seed(NodeId from, std::string_view bytes) {
  auto message = cluster::decode_seed_message(bytes);
  if (!message) return;
  const std::uint64_t now_ms = clock_.monotonic_ms();
  const auto* request = std::get_if<cluster::SeedRequest>(&message->content);
  if (request != nullptr && !(leads_ && life_)) return host_.send_seed(from, cluster::not_leader_answer(message->ask));
  if (request != nullptr) {
    auto answer = life_->feeder.answer(from, message->ask, *request, now_ms);
    if (answer && answer->damage) state_is_lost_ = true;
    if (answer) {
      note_seed(&cluster::RaftCounters::seed_parts_sent, &cluster::RaftCounters::seed_bytes_sent, answer->bytes.size());
      host_.send_seed(from, std::move(answer->bytes));
    }
  } else if (fetch_) {
    note_seed(&cluster::RaftCounters::seed_parts_received, &cluster::RaftCounters::seed_bytes_received, bytes.size());
    fetch_->received(from, std::move(*message), now_ms);
  }
  settle(now_ms);
}

}  // namespace earshot::actors
