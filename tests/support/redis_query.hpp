#pragma once

#include <cstdio>
#include <string>

#include "tests/support/random_regions.hpp"
#include "tests/support/redis_client.hpp"
#include "tests/support/search_oracle.hpp"

namespace earshot::tests {

struct Unit {
  const char* name;
  double metres;
};
inline constexpr Unit kUnits[] = {{"m", 1}, {"km", 1000}, {"mi", 1609.34}, {"ft", 0.3048}};

inline std::string text_of(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.17g", number);
  return text;
}

inline void add_to(Words& words, const Words& more) { words.insert(words.end(), more.begin(), more.end()); }

// An area, and one of the commands that search it.
struct Query {
  SearchArea area;
  Unit unit;

  [[nodiscard]] std::string length(double metres) const { return text_of(metres / unit.metres); }

  // GEOSEARCH of one key, or GEOSEARCHSTORE of two.
  [[nodiscard]] Words search(const std::string& command, const Words& keys, const Words& options) const {
    Words words{command};
    add_to(words, keys);
    add_to(words, area.member ? Words{"FROMMEMBER", *area.member}
                              : Words{"FROMLONLAT", text_of(area.centre.longitude), text_of(area.centre.latitude)});
    add_to(words, area.is_box ? Words{"BYBOX", length(area.width_m), length(area.height_m), unit.name}
                              : Words{"BYRADIUS", length(area.radius_m), unit.name});
    add_to(words, options);
    return words;
  }
  // The commands of old, for circles.
  [[nodiscard]] Words radius(const std::string& suffix, const Words& options) const {
    Words words{(area.member ? "GEORADIUSBYMEMBER" : "GEORADIUS") + suffix, "places"};
    add_to(words,
           area.member ? Words{*area.member} : Words{text_of(area.centre.longitude), text_of(area.centre.latitude)});
    add_to(words, {length(area.radius_m), unit.name});
    add_to(words, options);
    return words;
  }
  [[nodiscard]] Words in_any_form(Dice& dice, const Words& options) const {
    if (area.is_box || dice.once_in(2)) return search("GEOSEARCH", {"places"}, options);
    return radius(dice.once_in(2) ? "_RO" : "", options);
  }
};

}  // namespace earshot::tests
