#include "actors/place_desk.hpp"

#include <cmath>
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

Status check(const SetPositionsCommand& command) {
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
    if (is_new) parts.emplace_back(shard, SetPart{{command.layer, command.condition, {}, command.accepted}, {}});
    SetPart& part = parts[found->second].second;
    part.command.items.push_back(std::move(item));
    part.places.push_back(place);
  }
  return parts;
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

void PlaceDesk::set(SetPositionsCommand command, Done<Outcomes> done) const {
  if (auto fit = check(command); !fit) return done(fail(std::move(fit.error())));
  for (auto& item : command.items) item.score += 0.0;  // -0 becomes 0, which is told alike everywhere
  if (command.items.empty()) return done(Outcomes{});
  if (command.items.size() == 1) {
    const ShardId shard = shard_of(command.layer, command.items.front().member, router_->shard_count());
    auto pass_on = [done = std::move(done)](Result<PositionsAnswer> answer) {
      done(std::move(answer).map([](PositionsAnswer&& given) { return std::move(given.outcomes); }));
    };
    return router_->shard(shard).post(ShardPositions{std::move(command), std::move(pass_on)});
  }
  const std::size_t items = command.items.size();
  auto parts = parts_of(std::move(command), router_->shard_count());
  const auto gathering = std::make_shared<Gathering<Outcomes>>(parts.size(), Outcomes(items), std::move(done));
  for (auto& [shard, part] : parts) {
    auto add = [gathering, places = std::move(part.places)](Result<PositionsAnswer> answer) {
      gathering->add(std::move(answer), [&](Outcomes& whole, const PositionsAnswer& given) {
        for (std::size_t i = 0; i < places.size(); ++i) whole[places[i]] = given.outcomes.at(i);
      });
    };
    router_->shard(shard).post(ShardPositions{std::move(part.command), std::move(add)});
  }
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
      of_shard.push_back({command.layer, {}});
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

// How many were in it.
void PlaceDesk::clear_layer(const LayerId& layer, Done<std::uint64_t> done) const {
  const auto gathering = std::make_shared<Gathering<std::uint64_t>>(router_->shard_count(), 0, std::move(done));
  for (std::uint16_t shard = 0; shard < router_->shard_count(); ++shard) {
    router_->shard(ShardId(shard)).post(ShardPositions{ClearLayerCommand{layer}, [gathering](auto answer) {
                                                         gathering->add(std::move(answer),
                                                                        [](auto& sum, const auto& given) {
                                                                          sum += given.members;
                                                                        });
                                                       }});
  }
}

void PlaceDesk::clear_layers(const std::vector<LayerId>& layers, Done<std::uint64_t> done) const {
  std::set<LayerId> different(layers.begin(), layers.end());
  different.erase(LayerId());  // nobody is there
  if (different.empty()) return done(0);
  const auto gathering = std::make_shared<Gathering<std::uint64_t>>(different.size(), 0, std::move(done));
  for (const LayerId& layer : different) {
    clear_layer(layer, [gathering](Result<std::uint64_t> members) {
      gathering->add(std::move(members), [](auto& layers_cleared, std::uint64_t given) {
        if (given > 0) ++layers_cleared;
      });
    });
  }
}

void PlaceDesk::clear_all(Done<std::uint64_t> done) const {
  views_->ask_layers([self = *this, done = std::move(done)](std::vector<LayerPopulation> found) {
    std::vector<LayerId> layers;
    layers.reserve(found.size());
    for (LayerPopulation& one : found) layers.push_back(std::move(one.layer));
    self.clear_layers(layers, done);
  });
}

void PlaceDesk::count(const std::vector<LayerId>& layers, Done<std::vector<std::uint64_t>> done) const {
  if (layers.empty()) return done(std::vector<std::uint64_t>{});
  const auto gathering = std::make_shared<Gathering<std::vector<std::uint64_t>>>(
      layers.size(), std::vector<std::uint64_t>(layers.size()), std::move(done));
  for (std::size_t i = 0; i < layers.size(); ++i) {
    views_->ask(layers[i], SizeQuestion{[gathering, i](std::size_t members) {
                  gathering->add(Result<std::size_t>(members), [i](auto& sizes, std::size_t size) { sizes[i] = size; });
                }});
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
    self.clear_layer(into, [done](Result<std::uint64_t> cleared) { done(count_or_error(0, cleared)); });
  };
  views_->ask(from, std::move(question));
}

// Whoever is to go goes when those who come are there: what fails on the way has emptied nothing.
void PlaceDesk::replace(SetPositionsCommand command, Done<std::uint64_t> done) const {
  RangeQuestion question;
  auto coming = std::make_shared<std::set<std::string, std::less<>>>();
  for (const auto& item : command.items) coming->insert(item.member);
  question.range.wants = [coming](double, std::string_view member) { return !coming->contains(member); };
  const LayerId layer = command.layer;
  question.done = [self = *this, command = std::move(command),
                   done = std::move(done)](const std::vector<places::ScoredMember>& going) mutable {
    ClearPositionsCommand rest{command.layer, {}};
    rest.members.reserve(going.size());
    for (const auto& one : going) rest.members.emplace_back(one.member->name());
    const std::uint64_t coming = command.items.size();
    self.set(std::move(command), [self, rest = std::move(rest), coming, done](Result<Outcomes> set) mutable {
      if (!set) return done(fail(std::move(set.error())));
      self.clear(std::move(rest),
                 [coming, done](Result<std::uint64_t> cleared) { done(count_or_error(coming, cleared)); });
    });
  };
  views_->ask(layer, std::move(question));
}

}  // namespace earshot::actors
