#include "cluster/seed_fetcher.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"

namespace earshot::cluster {

Result<SeedFetcher> SeedFetcher::open(storage::Environment& environment, ShardId shard, std::uint64_t random,
                                      const storage::SeedLimits& limits, const storage::SeedFaults& faults) {
  auto sink = storage::SeedSink::open(environment, shard, limits, faults);
  if (!sink) return fail(std::move(sink.error()));
  return SeedFetcher(std::move(*sink), random, limits.part_bytes_max);
}

std::optional<std::string> SeedFetcher::poll(NodeId leader, std::uint64_t now_ms) {
  knows_leader_ = leader != NodeId();
  if (is_complete() || sink_.is_busy() || !knows_leader_) return std::nullopt;
  if (asked_ && asked_->node == leader) {
    if (now_ms < ask_again_ms_) return std::nullopt;
    if (!asked_->is_refused && asked_->tries < limits::kSeedTriesMax) {
      ++asked_->tries;
      ask_again_ms_ = now_ms + limits::kSeedAskAgainMs;
      return encode(SeedMessage{asked_->ask, asked_->request});
    }
    // Nothing comes of asking for that part.
    if (!asked_->is_refused) sink_.start_over();
  }
  const auto wanted = sink_.wanted();
  asked_ = Asked{leader, next_ask_++, SeedRequest{wanted.seed, wanted.number, part_bytes_max_}};
  ask_again_ms_ = now_ms + limits::kSeedAskAgainMs;
  return encode(SeedMessage{asked_->ask, asked_->request});
}

std::uint64_t SeedFetcher::due_at_ms() const { return asked_ && knows_leader_ ? ask_again_ms_ : 0; }

bool SeedFetcher::received(NodeId from, SeedMessage message, std::uint64_t now_ms) {
  if (!asked_ || asked_->node != from || asked_->ask != message.ask || asked_->is_refused) return false;
  if (const auto* refusal = std::get_if<SeedRefusal>(&message.content)) {
    ask_later(now_ms, std::clamp<std::uint64_t>(refusal->retry_after_ms, 1, limits::kSeedRefusedMs));
    return false;
  }
  auto* part = std::get_if<storage::SeedPart>(&message.content);
  if (part == nullptr) return false;
  if (part->end && part->end->applied < floor_) {
    sink_.start_over();
    ask_later(now_ms, limits::kSeedRefusedMs);
    return false;
  }
  const bool begins = part->number == 1;
  if (auto taken = sink_.take(std::move(*part), from); !taken) {
    ++objections_;
    sink_.start_over();
    ask_later(now_ms, limits::kSeedRefusedMs);
    return false;
  }
  asked_.reset();
  ++parts_;
  if (begins) ++beginnings_;
  return true;
}

void SeedFetcher::start_over() {
  sink_.start_over();
  asked_.reset();
}

void SeedFetcher::ask_later(std::uint64_t now_ms, std::uint64_t wait_ms) {
  asked_->is_refused = true;
  ask_again_ms_ = now_ms + wait_ms;
}

}  // namespace earshot::cluster
