#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "geo/point.hpp"
#include "people.hpp"

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
  void move_anywhere(std::string& out) { move(out, random_.below(size()), somewhere(random_)); }
  void move_a_step(std::string& out);

 private:
  void move(std::string& out, std::size_t member, const geo::Point& to);

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
};

const std::vector<Case>& cases();

}  // namespace earshot::bench
