#include "gateway/resp_places.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/limits.hpp"
#include "places/layer.hpp"
#include "resp/glob.hpp"

namespace earshot::gateway {
namespace {

constexpr double kLengthMaxM = 1e9;       // beyond anything on Earth; Redis takes infinity, too
constexpr std::size_t kSmallCount = 128;  // members that a small reply may tell of

// The layer of a key that is only looked at: what cannot be a layer's name names none, and nobody is in it.
LayerId layer_of(const std::string& key) { return LayerId::parse(key, "key").value_or(LayerId()); }

std::vector<LayerId> layers_of(const std::vector<std::string>& keys) {
  std::vector<LayerId> layers;
  layers.reserve(keys.size());
  for (const std::string& key : keys) layers.push_back(layer_of(key));
  return layers;
}

PositionCondition condition_of(resp::AddCondition condition) {
  switch (condition) {
    case resp::AddCondition::kIfNew: return PositionCondition::kIfNew;
    case resp::AddCondition::kIfExists: return PositionCondition::kIfExists;
    default: return PositionCondition::kAlways;
  }
}

actors::NearbyQuestion question_of(const resp::Search& search) {
  actors::NearbyQuestion question;
  question.centre = search.centre;
  question.area = [shape = search.shape](const geo::Point& centre) -> Result<geo::Area> {
    const auto finite = [](double length_m) { return std::min(length_m, kLengthMaxM); };
    if (const auto* circle = std::get_if<resp::Circle>(&shape))
      return geo::Area::circle(centre, finite(circle->radius_m), "radius");
    const auto& box = std::get<resp::Box>(shape);
    return geo::Area::box(centre, finite(box.width_m), finite(box.height_m), "box");
  };
  const bool counts = search.count_max <= limits::kNearbyMembersMax;
  question.count_max = counts ? search.count_max : limits::kNearbyMembersMax + 1;
  question.in_order = search.order != resp::Order::kNone;
  question.with_distance = search.with_distance || (search.store && search.store->distances);
  if (counts && !search.any)
    question.pick = search.order == resp::Order::kFarthestFirst ? geo::Pick::kFarthest : geo::Pick::kNearest;
  else
    question.pick = geo::Pick::kAny;
  return question;
}

// Any of them are told in this order when the search did not choose by it.
bool is_reversed(const resp::Search& search) {
  return search.order == resp::Order::kFarthestFirst && (search.any || search.count_max > limits::kNearbyMembersMax);
}

places::MemberRange range_of(const resp::Range& range) {
  places::MemberRange wanted;
  wanted.reversed = range.reversed;
  wanted.count_max = limits::kNearbyMembersMax + 1;
  if (const auto* index = std::get_if<resp::IndexRange>(&range.range)) {
    wanted.first = index->first;
    wanted.last = index->last;
    return wanted;
  }
  wanted.first = static_cast<std::int64_t>(std::min<std::size_t>(range.offset, INT64_MAX / 2));
  if (range.limit < INT64_MAX / 2) wanted.last = wanted.first + static_cast<std::int64_t>(range.limit) - 1;
  if (range.limit == 0) wanted.last = wanted.first = INT64_MAX / 2;  // none
  places::MemberBounds& bounds = wanted.bounds.emplace();
  if (const auto* scores = std::get_if<resp::ScoreRange>(&range.range)) {
    bounds.score_min = scores->min, bounds.score_min_exclusive = scores->min_exclusive;
    bounds.score_max = scores->max, bounds.score_max_exclusive = scores->max_exclusive;
    return wanted;
  }
  const auto& names = std::get<resp::NameRange>(range.range);
  bounds.name_min = names.min, bounds.name_min_exclusive = names.min_exclusive;
  bounds.name_max = names.max, bounds.name_max_exclusive = names.max_exclusive;
  bounds.is_empty = names.is_empty;
  return wanted;
}

struct Ask {
  const actors::PlaceDesk& desk;
  std::function<void(PlacesAnswer)> answered;

  actors::QuestionFailed failed() const {
    return [answered = answered](Error error) { answered(std::move(error)); };
  }
  template <class Question>
  void look(const std::string& key, Question question) {
    if constexpr (requires { question.failed; }) question.failed = failed();
    question.done = std::move(answered);
    desk.views().ask(layer_of(key), std::move(question));
  }
  void scores(const std::string& key, std::vector<std::string> members) {
    look(key, actors::ScoresQuestion{std::move(members), {}});
  }

  void operator()(resp::Add& add) {
    auto layer = LayerId::parse(add.key, "key");
    if (!layer) return answered(Result<actors::PlaceDesk::Outcomes>(fail(std::move(layer.error()))));
    SetPositionsCommand command{std::move(*layer), condition_of(add.condition), {}};
    command.items.reserve(add.members.size());
    for (auto& one : add.members) command.items.push_back({std::move(one.member), one.score, 0});
    desk.set(std::move(command), std::move(answered));
  }
  void operator()(resp::Remove& remove) {
    desk.clear({layer_of(remove.key), std::move(remove.members)}, std::move(answered));
  }
  void operator()(const resp::Search& search) {
    if (!search.store) return look(search.key, question_of(search));
    auto into = LayerId::parse(search.store->key, "key");
    if (!into) return answered(Result<std::uint64_t>(fail(std::move(into.error()))));
    auto score = [distances = search.store->distances, unit_m = search.unit_m](const places::FoundMember& found) {
      return distances ? found.distance_m / unit_m : static_cast<double>(found.place.value);
    };
    desk.store(layer_of(search.key), question_of(search), std::move(*into), std::move(score), std::move(answered));
  }
  void operator()(const resp::PositionsOf& of) { scores(of.key, of.members); }
  void operator()(const resp::HashesOf& of) { scores(of.key, of.members); }
  void operator()(const resp::DistanceBetween& between) { scores(between.key, {between.from, between.to}); }
  void operator()(const resp::ScoreOf& of) { scores(of.key, {of.member}); }
  void operator()(const resp::Cardinality& of) { desk.count({layer_of(of.key)}, std::move(answered)); }
  void operator()(const resp::Range& range) { look(range.key, actors::RangeQuestion{range_of(range), {}}); }
  void operator()(const resp::Delete& keys) { desk.clear_layers(layers_of(keys.keys), std::move(answered)); }
  void operator()(const resp::Exists& keys) { desk.count(layers_of(keys.keys), std::move(answered)); }
  void operator()(const resp::TypeOf& of) { desk.count({layer_of(of.key)}, std::move(answered)); }
  void operator()(const resp::Keys& keys) {
    auto wants = [glob = resp::Glob(keys.pattern)](std::string_view name) { return glob.matches(name); };
    auto fails = failed();
    desk.views().ask_layers({{}, SIZE_MAX, std::move(wants), std::move(answered), std::move(fails)});
  }
  void operator()(const resp::Scan& scan) {
    auto fails = failed();
    desk.views().scan_layers({scan.cursor, scan.count, std::move(answered), std::move(fails)});
  }
  void count_layers() {
    desk.views().count_layers(
        [answered = std::move(answered)](std::size_t layers) { answered(Result<std::uint64_t>(layers)); });
  }
  void operator()(const resp::KeyCount&) { count_layers(); }
  void operator()(const resp::Info&) { count_layers(); }
  void operator()(const resp::DeleteAll&) { desk.clear_all(std::move(answered)); }
  template <class Other>
  void operator()(const Other&) {
    invariant_broken("a command about places is asked of the desk", __FILE__, __LINE__, "");
  }
};

// ---- replies

struct Reply {
  resp::ReplyWriter& to;
  PlacesAnswer& answer;

  // The answer, of its kind; none: it is an error, which is written.
  template <class T>
  T* value() {
    auto& result = std::get<Result<T>>(answer);
    if (result) return &*result;
    write_error(result.error(), to);
    return nullptr;
  }
  void count() {
    if (const auto* number = value<std::uint64_t>()) to.integer(static_cast<std::int64_t>(*number));
  }
  template <class Write>
  void each_score(Write write) {
    const auto& scores = std::get<actors::Scores>(answer);
    to.array(scores.size());
    for (const auto& score : scores) write(score ? places::place_of(*score) : std::nullopt);
  }
  void point(geo::Geohash place) {
    const geo::Point at = geo::decode(place);
    to.array(2);
    to.coordinate(at.longitude);
    to.coordinate(at.latitude);
  }

  void operator()(const resp::Add& add) {
    const auto* outcomes = value<actors::PlaceDesk::Outcomes>();
    if (outcomes == nullptr) return;
    to.integer(std::ranges::count_if(*outcomes, [&](cluster::PositionOutcome one) {
      return one == cluster::PositionOutcome::kAdded ||
             (add.counts_changed && one == cluster::PositionOutcome::kChanged);
    }));
  }
  void operator()(const resp::Remove&) { count(); }
  void operator()(const resp::Search& search);
  void operator()(const resp::PositionsOf&) {
    each_score([this](auto place) { place ? point(*place) : to.null_array(); });
  }
  void operator()(const resp::HashesOf&) {
    each_score([this](auto place) { place ? to.bulk(geo::text_of(*place)) : to.null(); });
  }
  void operator()(const resp::DistanceBetween& between) {
    const auto& scores = std::get<actors::Scores>(answer);
    const auto from = scores[0] ? places::place_of(*scores[0]) : std::nullopt;
    const auto till = scores[1] ? places::place_of(*scores[1]) : std::nullopt;
    if (!from || !till) return to.null();
    to.distance(geo::distance_m(geo::decode(*from), geo::decode(*till)) / between.unit_m);
  }
  void operator()(const resp::ScoreOf&) {
    const auto& score = std::get<actors::Scores>(answer)[0];
    score ? to.number(*score) : to.null();
  }
  void operator()(const resp::Cardinality&) {
    if (const auto* sizes = value<std::vector<std::uint64_t>>()) to.integer(static_cast<std::int64_t>(sizes->front()));
  }
  void operator()(const resp::Range& range);
  void operator()(const resp::Delete&) { count(); }
  void operator()(const resp::Exists&) {
    const auto* sizes = value<std::vector<std::uint64_t>>();
    if (sizes != nullptr) to.integer(std::ranges::count_if(*sizes, [](std::uint64_t size) { return size > 0; }));
  }
  void operator()(const resp::TypeOf&) {
    if (const auto* sizes = value<std::vector<std::uint64_t>>()) to.simple(sizes->front() > 0 ? "zset" : "none");
  }
  void operator()(const resp::Keys&);
  void operator()(const resp::Scan& scan);
  void operator()(const resp::KeyCount&) { count(); }
  void operator()(const resp::DeleteAll&) {
    if (value<std::uint64_t>() != nullptr) to.simple("OK");
  }
  template <class Other>
  void operator()(const Other&) {
    invariant_broken("a command about places has an answer from the desk", __FILE__, __LINE__, "");
  }
};

void Reply::operator()(const resp::Search& search) {
  if (search.store) return count();
  auto& result = std::get<Result<actors::NearbyAnswer>>(answer);
  if (!result && result.error().field == "layer") return to.array(0);
  if (!result) return write_error(result.error(), to);
  // The protocol has no word for it.
  if (result->is_partial) return write_error(actors::answer_is_partial(), to);
  auto& found = result->found;
  if (found.size() > limits::kNearbyMembersMax)
    return to.error("ERR more than " + std::to_string(limits::kNearbyMembersMax) +
                    " members are within the area: ask for fewer with COUNT");
  if (is_reversed(search)) std::ranges::reverse(found);
  to.array(found.size());
  const std::size_t parts =
      1 + (search.with_distance ? 1 : 0) + (search.with_hash ? 1 : 0) + (search.with_coordinates ? 1 : 0);
  for (const auto& one : found) {
    if (parts > 1) to.array(parts);
    to.bulk(one.member->name());
    if (search.with_distance) to.distance(one.distance_m / search.unit_m);
    if (search.with_hash) to.integer(static_cast<std::int64_t>(one.place.value));
    if (search.with_coordinates) point(one.place);
  }
}

void Reply::operator()(const resp::Range& range) {
  const auto& members = std::get<std::vector<places::ScoredMember>>(answer);
  if (members.size() > limits::kNearbyMembersMax)
    return to.error("ERR more than " + std::to_string(limits::kNearbyMembersMax) +
                    " members are within the range: ask for fewer");
  const bool in_pairs = range.with_scores && to.is_resp3();
  to.array(range.with_scores && !in_pairs ? 2 * members.size() : members.size());
  for (const auto& one : members) {
    if (in_pairs) to.array(2);
    to.bulk(one.member->name());
    if (range.with_scores) to.number(one.score);
  }
}

void Reply::operator()(const resp::Keys&) {
  const auto& found = std::get<actors::FoundLayers>(answer);
  to.array(found.layers.size());
  for (const auto& one : found.layers) to.bulk(one.layer.text());
}

// The cursor is where to go on in an order that does not change: nothing has to be remembered.
void Reply::operator()(const resp::Scan& scan) {
  auto& [layers, next] = std::get<actors::ScannedLayers>(answer);
  const resp::Glob glob(scan.pattern);
  std::erase_if(layers, [&](const LayerId& one) { return scan.none || !glob.matches(one.text()); });
  to.array(2);
  to.bulk(std::to_string(next));
  to.array(layers.size());
  for (const LayerId& one : layers) to.bulk(one.text());
}

template <class T>
constexpr bool is_write =
    std::is_same_v<T, resp::Add> || std::is_same_v<T, resp::Remove> || std::is_same_v<T, resp::Delete>;
template <class T>
constexpr bool is_read =
    std::is_same_v<T, resp::Search> || std::is_same_v<T, resp::PositionsOf> || std::is_same_v<T, resp::HashesOf> ||
    std::is_same_v<T, resp::DistanceBetween> || std::is_same_v<T, resp::ScoreOf> ||
    std::is_same_v<T, resp::Cardinality> || std::is_same_v<T, resp::Range> || std::is_same_v<T, resp::Exists> ||
    std::is_same_v<T, resp::TypeOf> || std::is_same_v<T, resp::Keys> || std::is_same_v<T, resp::Scan> ||
    std::is_same_v<T, resp::KeyCount> || std::is_same_v<T, resp::Info>;

}  // namespace

Turn turn_of(const resp::Command& command) {
  if (const auto* search = std::get_if<resp::Search>(&command); search != nullptr && search->store) return Turn::kAlone;
  if (std::holds_alternative<resp::DeleteAll>(command)) return Turn::kAlone;
  // Of so many keys those are looked at that there are when it begins.
  if (const auto* keys = std::get_if<resp::Delete>(&command);
      keys != nullptr && keys->keys.size() > limits::kLayersPerCommandMax)
    return Turn::kAlone;
  return std::visit(
      []<class T>(const T&) { return is_write<T>  ? Turn::kWrite
                                     : is_read<T> ? Turn::kRead
                                                  : Turn::kNone; }, command);
}

bool is_large(const resp::Command& command) {
  if (const auto* search = std::get_if<resp::Search>(&command)) return search->count_max > kSmallCount;
  if (const auto* of = std::get_if<resp::PositionsOf>(&command)) return of->members.size() > kSmallCount;
  if (const auto* of = std::get_if<resp::HashesOf>(&command)) return of->members.size() > kSmallCount;
  return std::holds_alternative<resp::Range>(command) || std::holds_alternative<resp::Keys>(command) ||
         std::holds_alternative<resp::Scan>(command) || std::holds_alternative<resp::KeyCount>(command) ||
         std::holds_alternative<resp::Info>(command);
}

std::size_t reply_bytes_max(const resp::Command& command) {
  constexpr std::size_t kFoundBytes = limits::kMemberBytesMax + 128;  // with distance, hash and coordinates
  constexpr std::size_t kPositionBytes = 64;
  constexpr std::size_t kHashBytes = 18;
  if (is_large(command)) return 0;
  const auto* search = std::get_if<resp::Search>(&command);
  if (search != nullptr && !search->store) return search->count_max * kFoundBytes;
  if (const auto* of = std::get_if<resp::PositionsOf>(&command)) return of->members.size() * kPositionBytes;
  if (const auto* of = std::get_if<resp::HashesOf>(&command)) return of->members.size() * kHashBytes;
  return 0;  // a number
}

void ask(const actors::PlaceDesk& desk, resp::Command& command, std::function<void(PlacesAnswer)> answered) {
  std::visit(Ask{desk, std::move(answered)}, command);
}

void write_reply(const resp::Command& command, PlacesAnswer answer, resp::ReplyWriter& to) {
  if (const auto* error = std::get_if<Error>(&answer)) return write_error(*error, to);
  std::visit(Reply{to, answer}, command);
}

void write_error(const Error& error, resp::ReplyWriter& to) {
  if (error.code == ErrorCode::kNotFound && error.field == "member")
    return to.error("ERR could not decode requested zset member");
  to.error((error.is_temporary() ? "TRYAGAIN " : "ERR ") + error.to_string());
}

}  // namespace earshot::gateway
