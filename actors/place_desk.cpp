#include "actors/place_desk.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "actors/gathering.hpp"
#include "base/limits.hpp"

namespace earshot::actors {
namespace {

// A part of a command for one shard, with the places that its items have in the whole.
struct SetPart {
  SetPositionsCommand command;
  std::vector<std::size_t> places;
};

// In the order of the items; a shard has several parts when it has more than fit one command.
std::vector<std::pair<ShardId, SetPart>> parts_of(SetPositionsCommand command, std::uint16_t shard_count) {
  std::vector<std::pair<ShardId, SetPart>> parts;
  std::map<ShardId, std::size_t> open;  // the part of each shard that still has room
  for (std::size_t place = 0; place < command.items.size(); ++place) {
    auto& item = command.items[place];
    const ShardId shard = shard_of(command.layer, item.member, shard_count);
    auto [found, is_new] = open.try_emplace(shard, parts.size());
    if (!is_new && parts[found->second].second.places.size() >= limits::kPositionsPerCommandMax) {
      found->second = parts.size();
      is_new = true;
    }
    if (is_new)
      parts.emplace_back(shard, SetPart{{command.layer, command.condition, {}, command.accepted, command.mover}, {}});
    SetPart& part = parts[found->second].second;
    part.command.items.push_back(std::move(item));
    part.places.push_back(place);
  }
  return parts;
}

// The next step's worth, moved out of the whole; empty: that was all.
template <class T>
std::vector<T> next_of(std::vector<T>& whole, std::size_t from) {
  const auto begin = whole.begin() + static_cast<std::ptrdiff_t>(from);
  const auto end = begin + static_cast<std::ptrdiff_t>(std::min(whole.size() - from, limits::kStoreStepMax));
  return {std::make_move_iterator(begin), std::make_move_iterator(end)};
}

// What a shard says of so many. One of another node is not believed to have answered what it was asked.
template <class One>
Result<PositionsAnswer> said_of(std::size_t count, std::vector<One> PositionsAnswer::*what,
                                Result<PositionsAnswer> answer) {
  if (!answer || ((*answer).*what).size() == count) return answer;
  return fail(ErrorCode::kInternal, "positions", "the shard has answered for another number of them");
}

Result<std::uint64_t> count_or_error(std::uint64_t count, const Result<std::uint64_t>& done) {
  return done ? Result<std::uint64_t>(count) : done;
}

}  // namespace

Status check_member(std::string_view member) {
  if (member.empty()) return fail(ErrorCode::kInvalidArgument, "member", "must not be empty");
  if (member.size() > limits::kMemberBytesMax)
    return fail(
        ErrorCode::kTooLarge, "member",
        "has " + std::to_string(member.size()) + " bytes, the limit is " + std::to_string(limits::kMemberBytesMax));
  return {};
}

Status check_change(const SetPositionsCommand& command) {
  if (command.accepted && command.condition != PositionCondition::kAlways)
    return fail(ErrorCode::kInvalidArgument, "accepted", "goes with no condition: what holds is known when committed");
  if (command.layer.empty()) return fail(ErrorCode::kInvalidArgument, "layer", "must not be empty");
  for (const auto& item : command.items) {
    if (auto fit = check_member(item.member); !fit) return fit;
    if (std::isnan(item.score)) return fail(ErrorCode::kInvalidArgument, "score", "is no number");
    if (item.ttl_ms > limits::kTtlMsMax)
      return fail(ErrorCode::kInvalidArgument, "ttl",
                  "is " + std::to_string(item.ttl_ms) + " ms, the limit is " + std::to_string(limits::kTtlMsMax));
  }
  return {};
}

void PlaceDesk::set(SetPositionsCommand command, Done<Outcomes> done) const {
  if (auto fit = check_change(command); !fit) return done(fail(std::move(fit.error())));
  for (auto& item : command.items) item.score += 0.0;  // -0 becomes 0, which is told alike everywhere
  if (command.items.empty()) return done(Outcomes{});
  auto permit = views_->permit_setting(command.layer);
  if (!permit) return done(fail(std::move(permit.error())));
  if (permit->is_busy) done = answered_late(command.layer, std::move(done));
  if (permit->place)
    done = [place = std::move(permit->place), done = std::move(done)](Result<Outcomes> answer) {
      done(std::move(answer));
    };
  if (command.items.size() == 1) {
    const ShardId shard = shard_of(command.layer, command.items.front().member, router_->shard_count());
    auto pass_on = [done = std::move(done)](Result<PositionsAnswer> answer) {
      done(said_of(1, &PositionsAnswer::outcomes, std::move(answer)).map([](PositionsAnswer&& given) {
        return std::move(given.outcomes);
      }));
    };
    return router_->shard(shard).post(ShardPositions{std::move(command), std::move(pass_on)});
  }
  const std::size_t items = command.items.size();
  auto parts = parts_of(std::move(command), router_->shard_count());
  const auto gathering = std::make_shared<Gathering<Outcomes>>(parts.size(), Outcomes(items), std::move(done));
  for (auto& [shard, part] : parts) {
    auto add = [gathering, places = std::move(part.places)](Result<PositionsAnswer> answer) {
      auto said = said_of(places.size(), &PositionsAnswer::outcomes, std::move(answer));
      gathering->add(std::move(said), [&](Outcomes& whole, const PositionsAnswer& given) {
        for (std::size_t i = 0; i < places.size(); ++i) whole[places[i]] = given.outcomes[i];
      });
    };
    router_->shard(shard).post(ShardPositions{std::move(part.command), std::move(add)});
  }
}

// When the layer has taken in all that it was told before the answer.
PlaceDesk::Done<PlaceDesk::Outcomes> PlaceDesk::answered_late(const LayerId& layer, Done<Outcomes> done) const {
  return [views = views_, layer, done = std::move(done)](Result<Outcomes> answer) {
    views->when_shown(layer, [answer = std::move(answer), done] { done(answer); });
  };
}

void PlaceDesk::clear(ClearPositionsCommand command, Done<std::uint64_t> done) const {
  // What cannot be a member's name has no position, and where a layer has no name nobody is.
  if (command.layer.empty()) command.members.clear();
  std::erase_if(command.members, [](const std::string& member) { return !check_member(member); });
  std::map<ShardId, std::vector<ClearPositionsCommand>> parts;
  std::size_t count = 0;
  for (std::string& member : command.members) {
    auto& of_shard = parts[shard_of(command.layer, member, router_->shard_count())];
    if (of_shard.empty() || of_shard.back().members.size() >= limits::kPositionsPerCommandMax) {
      of_shard.push_back({command.layer, {}, command.mover});
      ++count;
    }
    of_shard.back().members.push_back(std::move(member));
  }
  if (count == 0) return done(0);
  const auto gathering = std::make_shared<Gathering<std::uint64_t>>(count, 0, std::move(done));
  for (auto& [shard, of_shard] : parts) {
    for (ClearPositionsCommand& part : of_shard) {
      router_->shard(shard).post(ShardPositions{std::move(part), [gathering](Result<PositionsAnswer> answer) {
                                                  gathering->add(std::move(answer), [](auto& sum, const auto& given) {
                                                    sum += given.members;
                                                  });
                                                }});
    }
  }
}

void PlaceDesk::clear_layers(const std::vector<LayerId>& layers, Done<std::uint64_t> done, const Mover& mover) const {
  std::vector<LayerId> different;
  const bool only_known =
      layers.size() > limits::kLayersPerCommandMax && views_->is_complete() && views_->knows_all_layers();
  for (const LayerId& layer : layers)
    if (!layer.empty() && (!only_known || views_->has_layer(layer))) different.push_back(layer);
  std::ranges::sort(different);
  different.erase(std::unique(different.begin(), different.end()), different.end());
  clear_on(std::make_shared<const ClearLayersCommand>(ClearLayersCommand{std::move(different), mover}), 0, 0,
           std::move(done));
}

void PlaceDesk::clear_on(std::shared_ptr<const ClearLayersCommand> whole, std::size_t from, std::uint64_t cleared,
                         Done<std::uint64_t> done) const {
  const std::vector<LayerId>& layers = whole->layers;
  if (from == layers.size()) return done(cleared);
  const std::size_t end = std::min(layers.size(), from + limits::kLayersPerCommandMax);
  const auto at = [&](std::size_t index) { return layers.begin() + static_cast<std::ptrdiff_t>(index); };
  const ClearLayersCommand command{std::vector(at(from), at(end)), whole->mover};
  using Members = std::vector<std::uint64_t>;  // of each layer
  auto go_on = [self = *this, whole, end, cleared, done = std::move(done)](Result<Members> members) {
    if (!members) return done(fail(std::move(members.error())));
    const auto were_there = std::ranges::count_if(*members, [](std::uint64_t one) { return one > 0; });
    self.clear_on(whole, end, cleared + static_cast<std::uint64_t>(were_there), done);
  };
  const auto gathering =
      std::make_shared<Gathering<Members>>(router_->shard_count(), Members(end - from), std::move(go_on));
  for (std::uint16_t shard = 0; shard < router_->shard_count(); ++shard) {
    auto add = [gathering, count = end - from](Result<PositionsAnswer> answer) {
      auto said = said_of(count, &PositionsAnswer::of_layers, std::move(answer));
      gathering->add(std::move(said), [](Members& sums, const PositionsAnswer& given) {
        for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += given.of_layers[i];
      });
    };
    router_->shard(ShardId(shard)).post(ShardPositions{command, std::move(add)});
  }
}

void PlaceDesk::clear_all(Done<std::uint64_t> done) const { clear_all_after({}, 0, std::move(done)); }

void PlaceDesk::clear_all_after(std::string after, std::uint64_t cleared, Done<std::uint64_t> done) const {
  LayersQuestion question;
  question.after = std::move(after);
  question.count_max = limits::kLayersPerCommandMax;
  question.done = [self = *this, cleared, done](FoundLayers found) {
    if (found.layers.empty()) return done(cleared);
    std::string last = found.layers.back().layer.text();
    auto whole = std::make_shared<ClearLayersCommand>();
    for (LayerPopulation& one : found.layers) whole->layers.push_back(std::move(one.layer));
    self.clear_on(std::move(whole), 0, cleared,
                  [self, last = std::move(last), more = found.more, done](Result<std::uint64_t> sum) {
                    if (!sum || !more) return done(std::move(sum));
                    self.clear_all_after(last, *sum, done);
                  });
  };
  question.failed = [done](Error error) { done(fail(std::move(error))); };
  views_->ask_layers(std::move(question));
}

void PlaceDesk::count(const std::vector<LayerId>& layers, Done<std::vector<std::uint64_t>> done) const {
  if (layers.empty()) return done(std::vector<std::uint64_t>{});
  const auto gathering = std::make_shared<Gathering<std::vector<std::uint64_t>>>(
      layers.size(), std::vector<std::uint64_t>(layers.size()), std::move(done));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const auto add = [gathering, i](Result<std::size_t> members) {
      gathering->add(std::move(members), [i](auto& sizes, std::size_t size) { sizes[i] = size; });
    };
    views_->ask(layers[i], SizeQuestion{[add](std::size_t members) { add(members); }, nullptr,
                                        [add](Error error) { add(fail(std::move(error))); }});
  }
}

void PlaceDesk::set_privacy(SetLayerPrivacyCommand command, Done<std::uint64_t> done) const {
  const ShardId shard = shard_of(command.layer.text(), router_->shard_count());
  router_->shard(shard).post(
      ShardPositions{std::move(command), [done = std::move(done)](Result<PositionsAnswer> answer) {
                       done(std::move(answer).map([](PositionsAnswer&&) { return std::uint64_t{0}; }));
                     }});
}

void PlaceDesk::store(const LayerId& from, NearbyQuestion question, LayerId into,
                      std::function<double(const places::FoundMember&)> score, Done<std::uint64_t> done) const {
  question.done = [self = *this, into = std::move(into), score = std::move(score),
                   done = std::move(done)](Result<NearbyAnswer> answer) {
    // Where nobody is, nothing is found.
    if (!answer && answer.error().field != "layer") return done(fail(std::move(answer.error())));
    if (answer && answer->is_partial) return done(fail(answer_is_partial()));
    if (answer && answer->found.size() > limits::kNearbyMembersMax)
      return done(fail(ErrorCode::kTooLarge, "members",
                       "are more than " + std::to_string(limits::kNearbyMembersMax) + " within the area"));
    SetPositionsCommand command{into, PositionCondition::kAlways, {}};
    if (answer) {
      command.items.reserve(answer->found.size());
      for (const auto& found : answer->found)
        command.items.push_back({std::string(found.member->name()), score(found), 0, found.member->is_hidden()});
    }
    if (!command.items.empty()) return self.replace(std::move(command), done);
    self.clear_layers({into}, [done](Result<std::uint64_t> cleared) { done(count_or_error(0, cleared)); });
  };
  views_->ask(from, std::move(question));
}

// Whoever is to go goes when those who come are there: what fails on the way has emptied nothing.
void PlaceDesk::replace(SetPositionsCommand command, Done<std::uint64_t> done) const {
  RangeQuestion question;
  auto coming = std::make_shared<std::set<std::string, std::less<>>>();
  for (const auto& item : command.items) coming->insert(item.member);
  question.range.wants = [coming](double, std::string_view member) { return !coming->contains(member); };
  question.range.count_max = limits::kNearbyMembersMax + 1;
  const LayerId layer = command.layer;
  question.failed = [done](Error error) { done(fail(std::move(error))); };
  question.done = [self = *this, command = std::move(command),
                   done = std::move(done)](const std::vector<places::ScoredMember>& going) mutable {
    if (going.size() > limits::kNearbyMembersMax)
      return done(fail(ErrorCode::kTooLarge, "members",
                       "of the target are more than " + std::to_string(limits::kNearbyMembersMax) +
                           " that would have to leave it: clear it before"));
    self.exchange(std::move(command), going, std::move(done));
  };
  views_->ask(layer, std::move(question));
}

void PlaceDesk::exchange(SetPositionsCommand command, const std::vector<places::ScoredMember>& going,
                         Done<std::uint64_t> done) const {
  auto rest = std::make_shared<ClearPositionsCommand>(ClearPositionsCommand{command.layer, {}});
  rest->members.reserve(going.size());
  for (const auto& one : going) rest->members.emplace_back(one.member->name());
  set_on(std::make_shared<SetPositionsCommand>(std::move(command)), 0,
         [self = *this, rest, done = std::move(done)](Result<std::uint64_t> set) {
           if (!set) return done(std::move(set));
           self.clear_on(rest, 0, [coming = *set, done](Result<std::uint64_t> cleared) {
             done(count_or_error(coming, cleared));
           });
         });
}

void PlaceDesk::set_on(std::shared_ptr<SetPositionsCommand> whole, std::size_t from, Done<std::uint64_t> done) const {
  SetPositionsCommand step{whole->layer, whole->condition, next_of(whole->items, from)};
  if (step.items.empty()) return done(from);
  const std::size_t end = from + step.items.size();
  set(std::move(step),
      [self = *this, whole = std::move(whole), end, done = std::move(done)](Result<Outcomes> outcomes) {
        if (!outcomes) return done(fail(std::move(outcomes.error())));
        self.set_on(whole, end, done);
      });
}

void PlaceDesk::clear_on(std::shared_ptr<ClearPositionsCommand> whole, std::size_t from,
                         Done<std::uint64_t> done) const {
  ClearPositionsCommand step{whole->layer, next_of(whole->members, from)};
  if (step.members.empty()) return done(from);
  const std::size_t end = from + step.members.size();
  clear(std::move(step), [self = *this, whole = std::move(whole), end, done = std::move(done)](auto cleared) {
    if (!cleared) return done(std::move(cleared));
    self.clear_on(whole, end, done);
  });
}

}  // namespace earshot::actors
