#include <optional>
#include <utility>

#include "resp/geo_words.hpp"
#include "resp/numbers.hpp"
#include "resp/read_geo.hpp"
#include "resp/words.hpp"

namespace earshot::resp {
namespace {

enum class Kind : std::uint8_t {
  kRadius,       // GEORADIUS, GEORADIUSBYMEMBER: options may store
  kRadiusRo,     // with _RO behind it: they may not
  kSearch,       // GEOSEARCH: centre and shape are options
  kSearchStore,  // GEOSEARCHSTORE
};

// Reads a search word by word, in the order in which the words stand.
class SearchReader {
 public:
  SearchReader(Request words, Kind kind) : words_(words), kind_(kind) {
    if (kind == Kind::kSearchStore) search_.store = StoreInto{std::string(next())};
    search_.key = next();
  }

  // The centre where it is no option.
  Reading<void> take_point() {
    const std::string_view longitude = next();
    const auto point = read_point(longitude, next());
    if (!point) return refuse(point.error());
    search_.centre = *point;
    has_point_ = true;
    return {};
  }
  void take_member() {
    search_.centre = std::string(next());
    has_member_ = true;
  }
  Reading<void> take_circle();
  // The options, and what must hold of all together.
  Reading<Command> finish() &&;

 private:
  [[nodiscard]] bool is_search() const { return kind_ == Kind::kSearch || kind_ == Kind::kSearchStore; }
  [[nodiscard]] std::size_t left() const { return words_.size() - at_; }
  std::string_view next() { return words_[at_++]; }

  Reading<void> take_option();
  Reading<void> take_store_option(std::string_view option);
  Reading<void> take_search_option(std::string_view option);
  Reading<void> take_count();
  Reading<void> take_box();
  Reading<void> take_unit();
  [[nodiscard]] Reading<void> check() const;

  const Request words_;
  const Kind kind_;
  std::size_t at_ = 1;
  Search search_;
  bool has_point_ = false;
  bool has_member_ = false;
  bool has_circle_ = false;
  bool has_box_ = false;
  bool has_count_ = false;
};

Reading<void> SearchReader::take_unit() {
  const auto unit = read_unit(next());
  if (!unit) return refuse(unit.error());
  search_.unit_m = *unit;
  return {};
}

Reading<void> SearchReader::take_circle() {
  const auto radius = read_double(next());
  if (!radius) return refuse("ERR need numeric radius");
  if (*radius < 0) return refuse("ERR radius cannot be negative");
  if (auto unit = take_unit(); !unit) return unit;
  search_.shape = Circle{*radius * search_.unit_m};
  has_circle_ = true;
  return {};
}

Reading<void> SearchReader::take_box() {
  const auto width = read_double(next());
  if (!width) return refuse("ERR need numeric width");
  const auto height = read_double(next());
  if (!height) return refuse("ERR need numeric height");
  if (*width < 0 || *height < 0) return refuse("ERR height or width cannot be negative");
  if (auto unit = take_unit(); !unit) return unit;
  search_.shape = Box{*width * search_.unit_m, *height * search_.unit_m};
  has_box_ = true;
  return {};
}

Reading<void> SearchReader::take_count() {
  const auto count = read_integer(next());
  if (!count) return refuse(kNotAnInteger);
  if (*count <= 0) return refuse("ERR COUNT must be > 0");
  search_.count_max = static_cast<std::size_t>(*count);
  has_count_ = true;
  return {};
}

Reading<void> SearchReader::take_option() {
  const std::string_view option = next();
  if (is_word(option, "withdist"))
    search_.with_distance = true;
  else if (is_word(option, "withhash"))
    search_.with_hash = true;
  else if (is_word(option, "withcoord"))
    search_.with_coordinates = true;
  else if (is_word(option, "any"))
    search_.any = true;
  else if (is_word(option, "asc"))
    search_.order = Order::kNearestFirst;
  else if (is_word(option, "desc"))
    search_.order = Order::kFarthestFirst;
  else if (is_word(option, "count") && left() >= 1)
    return take_count();
  else
    return is_search() ? take_search_option(option) : take_store_option(option);
  return {};
}

Reading<void> SearchReader::take_store_option(std::string_view option) {
  const bool distances = is_word(option, "storedist");
  if (kind_ == Kind::kRadiusRo || left() < 1 || !(distances || is_word(option, "store"))) return refuse(kSyntaxError);
  search_.store = StoreInto{std::string(next()), distances};
  return {};
}

// Centre and shape may come again, but not the other kind of either.
Reading<void> SearchReader::take_search_option(std::string_view option) {
  if (is_word(option, "storedist") && search_.store) {
    search_.store->distances = true;
    return {};
  }
  if (is_word(option, "frommember") && left() >= 1 && !has_point_) {
    take_member();
    return {};
  }
  if (is_word(option, "fromlonlat") && left() >= 2 && !has_member_) return take_point();
  if (is_word(option, "byradius") && left() >= 2 && !has_box_) return take_circle();
  if (is_word(option, "bybox") && left() >= 3 && !has_circle_) return take_box();
  return refuse(kSyntaxError);
}

Reading<void> SearchReader::check() const {
  if (search_.store && (search_.with_distance || search_.with_hash || search_.with_coordinates)) {
    const std::string_view who = is_search() ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS";
    return refuse("ERR " + std::string(who) + " is not compatible with WITHDIST, WITHHASH and WITHCOORD options");
  }
  const std::string name(quotable(words_.front()));
  if (!has_point_ && !has_member_)
    return refuse("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for " + name);
  if (!has_circle_ && !has_box_) return refuse("ERR exactly one of BYRADIUS and BYBOX can be specified for " + name);
  if (search_.any && !has_count_) return refuse("ERR the ANY argument requires COUNT argument");
  return {};
}

Reading<Command> SearchReader::finish() && {
  while (left() > 0)
    if (auto taken = take_option(); !taken) return refuse(taken.error());
  if (auto checked = check(); !checked) return refuse(checked.error());
  if (has_count_ && !search_.any && search_.order == Order::kNone) search_.order = Order::kNearestFirst;
  return std::move(search_);
}

Reading<Command> read_around_point(Request words, Kind kind) {
  SearchReader reader(words, kind);
  if (auto point = reader.take_point(); !point) return refuse(point.error());
  if (auto circle = reader.take_circle(); !circle) return refuse(circle.error());
  return std::move(reader).finish();
}

Reading<Command> read_around_member(Request words, Kind kind) {
  SearchReader reader(words, kind);
  reader.take_member();
  if (auto circle = reader.take_circle(); !circle) return refuse(circle.error());
  return std::move(reader).finish();
}

}  // namespace

Reading<Command> read_georadius(Request words) { return read_around_point(words, Kind::kRadius); }
Reading<Command> read_georadius_ro(Request words) { return read_around_point(words, Kind::kRadiusRo); }
Reading<Command> read_georadiusbymember(Request words) { return read_around_member(words, Kind::kRadius); }
Reading<Command> read_georadiusbymember_ro(Request words) { return read_around_member(words, Kind::kRadiusRo); }
Reading<Command> read_geosearch(Request words) { return SearchReader(words, Kind::kSearch).finish(); }
Reading<Command> read_geosearchstore(Request words) { return SearchReader(words, Kind::kSearchStore).finish(); }

}  // namespace earshot::resp
