#include "cluster/seed_feeder.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"

namespace earshot::cluster {
namespace {

std::string refusal(std::uint64_t ask, SeedRefusal::Reason reason, std::uint64_t retry_after_ms) {
  return encode(SeedMessage{ask, SeedRefusal{reason, static_cast<std::uint32_t>(retry_after_ms)}});
}

// Whether a question came before another one of the same process.
bool is_before(std::uint64_t ask, std::uint64_t other) { return ask >> 32 == other >> 32 && ask < other; }

}  // namespace

SeedFeeder::SeedFeeder(storage::Environment& environment, ShardId shard, std::uint64_t random,
                       const storage::SeedLimits& limits, const storage::SeedFaults& faults)
    : environment_(environment), shard_(shard), limits_(limits), faults_(faults), random_(random) {}

std::optional<SeedFeeder::Answer> SeedFeeder::answer(NodeId from, std::uint64_t ask, const SeedRequest& request,
                                                     std::uint64_t now_ms) {
  forget_idle(now_ms);
  const auto known = feeds_.find(from);
  Feed* feed = known == feeds_.end() ? nullptr : &known->second;
  if (feed != nullptr && is_before(ask, feed->answered_ask)) return std::nullopt;
  // The same question once more gets the same answer, also when that was the first part of another seed than it names.
  const bool is_repeat = feed != nullptr && ask == feed->answered_ask && feed->source.last_number() > 0;
  const bool is_next = feed != nullptr && request.seed == feed->source.seed() && !feed->source.is_overrun();
  std::uint64_t number = is_repeat ? feed->source.last_number() : is_next ? request.number : 0;
  const std::uint64_t last = feed == nullptr ? 0 : feed->source.last_number();
  const bool is_known = number > 0 && (number == last || (number == last + 1 && !feed->source.is_done()));
  if (!is_known) {
    feed = begin(from, now_ms);
    number = 1;
    if (feed == nullptr) return Answer{refusal(ask, SeedRefusal::Reason::kBusy, limits::kSeedRefusedMs), {}};
  }
  auto part = feed->source.part(number, request.bytes_max, now_ms);
  if (part) {
    feed->answered_ask = ask;
    return Answer{encode(ask, **part), {}};
  }
  Error& error = part.error();
  if (error.code == ErrorCode::kOverloaded) {
    return Answer{refusal(ask, SeedRefusal::Reason::kBusy, error.retry_after_ms), {}};
  }
  if (error.code == ErrorCode::kUnavailable) return Answer{not_leader_answer(ask), {}};
  auto bytes = refusal(ask, SeedRefusal::Reason::kCorrupt, limits::kSeedRefusedMs);
  return Answer{std::move(bytes), std::move(error)};
}

SeedFeeder::Feed* SeedFeeder::begin(NodeId node, std::uint64_t now_ms) {
  feeds_.erase(node);
  if (feeds_.size() >= limits::kSeedsPerShardMax) return nullptr;
  std::uint64_t seed = 0;
  while (seed == 0) seed = random_.next();
  Feed& feed = feeds_.emplace(node, Feed{storage::SeedSource(environment_, shard_, seed, now_ms, limits_, faults_), 0})
                   .first->second;
  feed.source.flushing(is_flushing_);
  return &feed;
}

void SeedFeeder::flushing(bool is_under_way) {
  is_flushing_ = is_under_way;
  for (auto& [node, feed] : feeds_) feed.source.flushing(is_under_way);
}

void SeedFeeder::note_flushed(const storage::FrozenOverlay& overlay) {
  for (auto& [node, feed] : feeds_) feed.source.note_flushed(overlay);
}

bool SeedFeeder::wants_rest() const {
  return std::ranges::any_of(feeds_, [](const auto& feed) { return feed.second.source.is_nearly_done(); });
}

void SeedFeeder::forget_idle(std::uint64_t now_ms) {
  std::erase_if(feeds_,
                [now_ms](const auto& feed) { return feed.second.source.idle_ms(now_ms) >= limits::kSeedIdleMs; });
}

std::uint64_t SeedFeeder::due_at_ms() const {
  std::uint64_t due_ms = 0;
  for (const auto& [node, feed] : feeds_) {
    const std::uint64_t at_ms = feed.source.asked_ms() + limits::kSeedIdleMs;
    if (due_ms == 0 || at_ms < due_ms) due_ms = at_ms;
  }
  return due_ms;
}

std::string not_leader_answer(std::uint64_t ask) {
  return refusal(ask, SeedRefusal::Reason::kNotLeader, limits::kSeedRefusedMs);
}

}  // namespace earshot::cluster
