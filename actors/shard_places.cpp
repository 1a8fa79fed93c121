#include "actors/shard_places.hpp"

#include <optional>
#include <utility>
#include <vector>

#include <spdlog/spdlog.h>

#include "base/backoff.hpp"
#include "base/limits.hpp"

namespace earshot::actors {
namespace {

constexpr BackoffPolicy kScanAgain{100, 10'000};

}  // namespace

std::optional<std::vector<cluster::Move>> ShardPlaces::read_page(std::string& from, std::uint64_t now_ms) {
  auto page = machine_.positions(from, limits::kPositionsPageMax);
  if (!page) {
    // Meanwhile queries say that they are partial.
    spdlog::error("shard {}: positions cannot be read, which is tried again: {}", self_.value,
                  page.error().to_string());
    again_at_ms_ = now_ms + backoff_ms(kScanAgain, ++failures_, random_);
    return std::nullopt;
  }
  failures_ = 0;
  if (page->is_damaged && damaged_parts_++ == 0)
    spdlog::error("shard {}: some of its positions are damaged, and are passed over", self_.value);
  std::vector<cluster::Move> moves;
  moves.reserve(page->positions.size());
  for (cluster::Position& position : page->positions)
    moves.push_back(
        {std::move(position.layer), std::move(position.member), position.score, position.version, position.hidden});
  from = std::move(page->next);
  return moves;
}

void ShardPlaces::scan(std::uint64_t now_ms) {
  if (told_.empty()) host_.tell_privacies(machine_.privacies());
  auto moves = read_page(told_, now_ms);
  if (!moves) return;
  waits_for_ticks_ = told_.empty();
  if (!waits_for_ticks_) return host_.tell_page(std::move(*moves));
  if (!moves->empty()) host_.tell_moves(std::move(*moves), {});
}

void ShardPlaces::feed(std::uint64_t tick_ms, bool is_alone, std::uint64_t now_ms) {
  while (const auto wanted = again_at_ms_ == 0 ? feeds_->wanted() : std::nullopt) {
    if (wanted->is_first) {
      feeds_->begin_scan(wanted->node, machine_.privacies(), now_ms);
      continue;
    }
    std::string from = wanted->from;
    auto moves = read_page(from, now_ms);
    if (met_damage() && !is_alone) return;
    if (moves) feeds_->page(wanted->node, std::move(*moves), std::move(from), now_ms);
  }
  if (!feeds_->has_read_all()) {
    over_by_ms_ = 0;  // whoever waited for its ticks is not fed any more
    return;
  }
  if (over_by_ms_ == 0) over_by_ms_ = tick_ms;
  if (shows_what_is_over(tick_ms, over_by_ms_)) return;
  over_by_ms_ = 0;
  feeds_->end_scans(now_ms);
}

// A shard that never had a tick asks for none.
bool ShardPlaces::shows_what_is_over(std::uint64_t tick_ms, std::uint64_t over_by_ms) const {
  const std::uint64_t end_ms = machine_.next_position_end_ms();
  const bool are_ticks_coming = tick_ms != 0 && machine_.tick_ms() != 0;
  return are_ticks_coming && end_ms != 0 && end_ms <= over_by_ms;
}

void ShardPlaces::say_if_all_is_told(std::uint64_t tick_ms) {
  if (!waits_for_ticks_) return;
  if (over_by_ms_ == 0) over_by_ms_ = tick_ms;
  if (shows_what_is_over(tick_ms, over_by_ms_)) return;
  waits_for_ticks_ = false;
  host_.tell_all_told();
}

void ShardPlaces::wake(std::uint64_t now_ms) {
  if (again_at_ms_ == 0 || now_ms < again_at_ms_) return;
  again_at_ms_ = 0;
  if (feeds_ == nullptr) scan(now_ms);
}

void ShardPlaces::tell_moves(std::vector<cluster::Move> moves, std::vector<cluster::ClearedLayer> cleared,
                             std::uint64_t now_ms) {
  if (feeds_ != nullptr) return feeds_->tell(moves, cleared, now_ms);
  host_.tell_moves(std::move(moves), std::move(cleared));
}

void ShardPlaces::tell(cluster::Effects& effects, std::uint64_t now_ms) {
  if (!effects.moves.empty() || !effects.cleared_layers.empty())
    tell_moves(std::move(effects.moves), std::move(effects.cleared_layers), now_ms);
  if (effects.privacies.empty()) return;
  if (feeds_ != nullptr) return feeds_->tell(effects.privacies, now_ms);
  host_.tell_privacies(std::move(effects.privacies));
}

AheadWaiter ShardPlaces::tell_ahead(const SetPositionsCommand& accepted, std::uint64_t number, std::uint64_t now_ms) {
  std::vector<cluster::Move> moves;
  AheadWaiter waiter{accepted.layer, {}, number};
  for (const auto& item : accepted.items) {
    moves.push_back({accepted.layer, item.member, item.score, 0, item.hidden, true, false, false, number});
    waiter.members.push_back(item.member);
  }
  tell_moves(std::move(moves), {}, now_ms);
  return waiter;
}

void ShardPlaces::tell_taken_back(std::uint64_t now_ms) {
  if (refused_.empty()) return;
  std::vector<cluster::Move> moves;
  for (const AheadWaiter& ahead : std::exchange(refused_, {})) {
    for (const std::string& member : ahead.members) {
      const auto position = machine_.position(ahead.layer, member);
      cluster::Move move{ahead.layer, member, std::nullopt, machine_.position_version(), false, false,
                         true,        false,  ahead.number};
      if (position && *position)
        move.score = (*position)->score, move.version = (*position)->version, move.hidden = (*position)->hidden;
      moves.push_back(std::move(move));
    }
  }
  tell_moves(std::move(moves), {}, now_ms);
}

}  // namespace earshot::actors
