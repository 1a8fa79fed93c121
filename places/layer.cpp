#include "places/layer.hpp"

#include <utility>

namespace earshot::places {
namespace {

constexpr double kPlaces = 0x1p52;

}  // namespace

std::optional<geo::Geohash> place_of(double score) {
  if (!(score >= 0 && score < kPlaces)) return std::nullopt;
  return geo::Geohash(static_cast<std::uint64_t>(score));
}

std::uint16_t region_of_score(double score) {
  const auto place = place_of(score);
  return place ? static_cast<std::uint16_t>(place->value >> (2 * geo::kLevelMax - kLayerRegionBits)) : 0;
}

Layer::Layer(const CellLimits& limits, std::uint16_t shard_count, CellTree::MakeCell make, bool counts_regions,
             const Lingerers::Limits& lingering)
    : counts_regions_(counts_regions),
      tables_(std::make_shared<Tables>(shard_count)),
      tree_(limits, std::move(make), [this](CellPort& cell) { tell(cell); }),
      lingerers_(lingering) {}

Layer::~Layer() { tree_.end(tables_); }

void Layer::take(ShardId shard, const std::vector<MemberMove>& moves, const UntilTaken& until_taken,
                 std::uint64_t now_ms) {
  until_taken_ = until_taken;
  for (const MemberMove& move : moves) (*tables_)[shard.value].expect(move.member);
  for (const MemberMove& move : moves) take_one(shard, move, now_ms);
  tell_all();
  until_taken_ = nullptr;
}

void Layer::pass(std::uint64_t now_ms) {
  while (const auto over = lingerers_.take_over(now_ms)) {
    MemberTable& table = (*tables_)[over->shard.value];
    if (MemberPtr member = table.find(over->member)) remove(table, std::move(member));
  }
  tell_all();
}

void Layer::take_one(ShardId shard, const MemberMove& move, std::uint64_t now_ms) {
  MemberTable& table = (*tables_)[shard.value];
  MemberPtr member = table.find(move.member);
  if (member) member->set_told(true);
  if (move.ahead) ahead_[move.member] = {shard, move.ahead_number};
  if (move.settles) settle(move.member, move.ahead_number);
  if (member && !move.ahead && move.version < member->version()) return;
  if (!move.ahead && is_ahead(move.member)) {
    if (member) member->set_version(move.version);
    return;
  }
  if (!move.score) {
    if (member) remove(table, std::move(member));
    return;
  }
  if (!member && move.to == MoveTo::kElsewhere) return;
  // A query that is under way goes by what the member was when it came in.
  if (member && member->is_hidden() != move.is_hidden) remove(table, std::exchange(member, {}));
  const auto from = member ? place_of(member->score) : std::nullopt;
  if (!member) {
    member = table.add(move.member, move.is_hidden);
    member->set_told(true);
    ++size_;
    count(*move.score, 1);
  } else if (counts_regions_) {
    count(member->score, -1);
    count(*move.score, 1);
  }
  member->score = *move.score;
  if (!move.ahead) member->set_version(move.version);
  if (move.to == MoveTo::kOwn)
    lingerers_.is_back(member->name());
  else
    lingerers_.left(shard, move.member, now_ms);
  change(std::move(member), from, place_of(*move.score));
}

void Layer::settle(const std::string& member, std::uint64_t number) {
  const auto found = ahead_.find(member);
  if (found != ahead_.end() && number >= found->second.last) ahead_.erase(found);
}

void Layer::remove(MemberTable& table, MemberPtr member) {
  table.remove(member->name());
  lingerers_.is_back(member->name());
  --size_;
  count(member->score, -1);
  const auto from = place_of(member->score);
  change(std::move(member), from, std::nullopt);
}

void Layer::change(MemberPtr member, std::optional<geo::Geohash> from, std::optional<geo::Geohash> to) {
  if (from == to) return;
  CellPort* const left = from ? &tree_.leaf_for(*from) : nullptr;
  CellPort* const entered = to ? &tree_.leaf_for(*to) : nullptr;
  if (left == entered) return gather(*left, {std::move(member), from, to});
  if (left != nullptr) gather(*left, {member, from, std::nullopt});
  if (entered != nullptr) gather(*entered, {std::move(member), std::nullopt, to});
  // Only now: either may change which cells there are.
  if (from) tree_.went(*from);
  if (to) tree_.came(*to);
}

template <class Stays>
void Layer::remove_unless(MemberTable& table, Stays stays) {
  std::vector<MemberPtr> gone;
  table.for_each([&](const MemberPtr& member) {
    if (!stays(*member)) gone.push_back(member);
  });
  for (MemberPtr& member : gone) remove(table, std::move(member));
  tell_all();
}

void Layer::cleared(ShardId shard, std::uint64_t version) {
  remove_unless((*tables_)[shard.value], [&](const Member& member) {
    return member.version() > version || (!ahead_.empty() && is_ahead(std::string(member.name())));
  });
}

void Layer::scan_begins(ShardId shard) {
  (*tables_)[shard.value].for_each([](const MemberPtr& member) { member->set_told(false); });
  std::erase_if(ahead_, [shard](const auto& one) { return one.second.shard == shard; });
}

void Layer::scan_ends(ShardId shard) {
  remove_unless((*tables_)[shard.value], [](const Member& member) { return member.is_told(); });
}

void Layer::tell(CellPort& cell) {
  if (auto changes = gathered_.extract(&cell)) post(cell, std::move(changes.mapped()));
}

void Layer::tell_all() {
  for (auto& [cell, changes] : gathered_) post(*cell, std::move(changes));
  gathered_.clear();
}

void Layer::post(CellPort& cell, CellChanges changes) const {
  changes.until_taken = until_taken_;
  cell.post(std::move(changes));
}

void Layer::search(const geo::Search& search, NearbyDone done) const {
  const std::vector<CellPort*> cells = tree_.leaves_within(search.around());
  if (cells.empty()) return done({});
  const auto nearby = std::make_shared<Nearby>(search, cells.size(), std::move(done));
  for (CellPort* const cell : cells) cell->post(CellSearch{nearby});
}

void Layer::count(double score, int more) {
  if (!counts_regions_) return;
  const auto of = members_in_.try_emplace(region_of_score(score)).first;
  of->second += static_cast<std::size_t>(more);
  if (of->second == 0) members_in_.erase(of);
}

std::size_t Layer::size_of(const std::function<bool(std::uint16_t region)>& counts) const {
  std::size_t size = 0;
  for (const auto& [region, members] : members_in_)
    if (counts(region)) size += members;
  return size;
}

MemberPtr Layer::find(ShardId shard, std::string_view member) const { return (*tables_)[shard.value].find(member); }

std::optional<double> Layer::score(ShardId shard, std::string_view member) const {
  const MemberPtr found = find(shard, member);
  return found ? std::optional(found->score) : std::nullopt;
}

std::vector<ScoredMember> Layer::range(const MemberRange& range) const {
  RangeCut cut(range, size_);
  for (const MemberTable& table : *tables_) table.for_each([&](const MemberPtr& member) { cut.look(*member); });
  return cut.finish();
}

}  // namespace earshot::places
