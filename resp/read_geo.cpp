#include "resp/read_geo.hpp"

#include "geo/geohash.hpp"
#include "resp/geo_words.hpp"
#include "resp/words.hpp"

namespace earshot::resp {

Reading<Command> read_geoadd(Request words) {
  Add add;
  add.key = words[1];
  bool if_new = false;
  bool if_exists = false;
  std::size_t at = 2;
  for (; at < words.size(); ++at) {
    if (is_word(words[at], "nx"))
      if_new = true;
    else if (is_word(words[at], "xx"))
      if_exists = true;
    else if (is_word(words[at], "ch"))
      add.counts_changed = true;
    else
      break;
  }
  const std::size_t left = words.size() - at;
  if (left == 0 || left % 3 != 0 || (if_new && if_exists)) return refuse(kSyntaxError);
  if (if_new) add.condition = AddCondition::kIfNew;
  if (if_exists) add.condition = AddCondition::kIfExists;
  add.members.reserve(left / 3);
  for (; at < words.size(); at += 3) {
    const auto point = read_point(words[at], words[at + 1]);
    if (!point) return refuse(point.error());
    add.members.push_back({std::string(words[at + 2]), static_cast<double>(geo::encode(*point).value)});
  }
  return add;
}

Reading<Command> read_geodist(Request words) {
  if (words.size() > 5) return refuse(kSyntaxError);
  DistanceBetween between{std::string(words[1]), std::string(words[2]), std::string(words[3])};
  if (words.size() == 5) {
    const auto unit = read_unit(words[4]);
    if (!unit) return refuse(unit.error());
    between.unit_m = *unit;
  }
  return between;
}

Reading<Command> read_geohash(Request words) { return HashesOf{std::string(words[1]), words_from(words, 2)}; }

Reading<Command> read_geopos(Request words) { return PositionsOf{std::string(words[1]), words_from(words, 2)}; }

}  // namespace earshot::resp
