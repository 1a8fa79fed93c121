#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "geo/point.hpp"
#include "people.hpp"
#include "schema/places.hpp"

namespace earshot::bench {

enum class Spread : std::uint8_t { kUniform, kClustered };

inline constexpr std::size_t kMembersPerLoad = 100;  // of one GEOADD while everybody is loaded

// Everybody under one key of one server, and what is asked of them next. The same people and the same seed give every
// server the same requests.
class Crowd {
 public:
  Crowd(std::string key, std::vector<geo::Point> people) : key_(std::move(key)), people_(std::move(people)) {}

  [[nodiscard]] std::size_t size() const { return people_.size(); }
  void seed(std::uint64_t seed) { random_ = Random(seed); }
  [[nodiscard]] bool chance(double probability) { return random_.chance(probability); }

  // Each appends one request.
  void load_next(std::string& out);
  // Around where a random member is; the `options` follow the radius.
  void search(std::string& out, std::string_view radius_km, const std::vector<std::string_view>& options);
  // A random member.
  void move_anywhere(std::string& out) { append(out, next_anywhere()); }
  void move_a_step(std::string& out) { append(out, next_step()); }

  // The same by the client library.
  NearbyRequest search(double radius_m, NearbyOrder order, std::uint32_t count, bool any);
  SetPositionsRequest move_anywhere() { return request_of(next_anywhere()); }
  SetPositionsRequest move_a_step() { return request_of(next_step()); }

 private:
  struct Move {
    std::size_t member;
    geo::Point to;
  };

  const geo::Point& next_centre() { return people_[random_.below(people_.size())]; }
  Move next_anywhere();
  Move next_step();
  void append(std::string& out, const Move& move) const;
  [[nodiscard]] SetPositionsRequest request_of(const Move& move) const;

  std::string key_;
  std::vector<geo::Point> people_;
  Random random_{1};
  std::size_t loaded_ = 0;
};

struct Case {
  std::string name;
  Spread spread;
  std::uint32_t pipeline;
  bool moves;
  void (*request)(Crowd& crowd, std::string& out);
  PlacesRequest (*call)(Crowd& crowd) = nullptr;  // the same by the client library; null: is not measured
};

const std::vector<Case>& cases();

}  // namespace earshot::bench
