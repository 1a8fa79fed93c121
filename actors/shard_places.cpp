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

void ShardPlaces::scan(std::uint64_t now_ms) {
  if (told_.empty()) host_.tell_privacies(machine_.privacies());
  auto page = machine_.positions(told_, limits::kPositionsPageMax);
  if (!page) {
    // Meanwhile queries say that they are partial.
    spdlog::error("shard {}: positions cannot be read, which is tried again: {}", self_.value,
                  page.error().to_string());
    again_at_ms_ = now_ms + backoff_ms(kScanAgain, ++failures_, random_);
    return;
  }
  failures_ = 0;
  if (page->is_damaged && damaged_parts_++ == 0)
    spdlog::error("shard {}: the tree of its positions is damaged: what hangs there is passed over", self_.value);
  std::vector<cluster::Move> moves;
  moves.reserve(page->positions.size());
  for (cluster::Position& position : page->positions)
    moves.push_back(
        {std::move(position.layer), std::move(position.member), position.score, position.version, position.hidden});
  told_ = std::move(page->next);
  waits_for_ticks_ = told_.empty();
  if (!waits_for_ticks_) return host_.tell_page(std::move(moves));
  if (!moves.empty()) host_.tell_moves(std::move(moves), {});
}

void ShardPlaces::say_if_all_is_told(std::uint64_t tick_ms) {
  if (!waits_for_ticks_) return;
  if (over_by_ms_ == 0) over_by_ms_ = tick_ms;
  const std::uint64_t end_ms = machine_.next_position_end_ms();
  // A shard that never had a tick asks for none.
  const bool are_ticks_coming = tick_ms != 0 && machine_.tick_ms() != 0;
  if (are_ticks_coming && end_ms != 0 && end_ms <= over_by_ms_) return;
  waits_for_ticks_ = false;
  host_.tell_all_told();
}

void ShardPlaces::wake(std::uint64_t now_ms) {
  if (again_at_ms_ == 0 || now_ms < again_at_ms_) return;
  again_at_ms_ = 0;
  scan(now_ms);
}

void ShardPlaces::tell(cluster::Effects& effects) {
  if (!effects.moves.empty() || !effects.cleared_layers.empty())
    host_.tell_moves(std::move(effects.moves), std::move(effects.cleared_layers));
  if (!effects.privacies.empty()) host_.tell_privacies(std::move(effects.privacies));
}

AheadWaiter ShardPlaces::tell_ahead(const SetPositionsCommand& accepted) {
  std::vector<cluster::Move> moves;
  AheadWaiter waiter{accepted.layer, {}};
  for (const auto& item : accepted.items) {
    moves.push_back({accepted.layer, item.member, item.score, 0, item.hidden, true, false});
    waiter.members.push_back(item.member);
  }
  host_.tell_moves(std::move(moves), {});
  return waiter;
}

void ShardPlaces::tell_taken_back() {
  if (refused_.empty()) return;
  std::vector<cluster::Move> moves;
  for (const AheadWaiter& ahead : std::exchange(refused_, {})) {
    for (const std::string& member : ahead.members) {
      const auto position = machine_.position(ahead.layer, member);
      cluster::Move move{ahead.layer, member, std::nullopt, machine_.position_version(), false, false, true};
      if (position && *position)
        move.score = (*position)->score, move.version = (*position)->version, move.hidden = (*position)->hidden;
      moves.push_back(std::move(move));
    }
  }
  host_.tell_moves(std::move(moves), {});
}

}  // namespace earshot::actors
