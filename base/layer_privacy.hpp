#pragma once

#include <cstdint>

namespace earshot {

// How exactly users are shown the members of a layer other than themselves. Whoever may ask about everybody (the roles
// service and operator, and Redis's port) is shown where they are.
struct LayerPrivacy {
  // A block of houses: enough to say who is around, too little to say at whose door.
  static constexpr std::uint32_t kPrecisionMDefault = 200;
  // Half of that: finer figures would look more exact than the places that they are measured from.
  static constexpr std::uint32_t kDistanceStepMDefault = 100;
  // One every two seconds: more than somebody who looks at a map asks, little to whoever follows many people.
  static constexpr std::uint32_t kQueriesPerMinuteDefault = 30;

  std::uint32_t precision_m = kPrecisionMDefault;               // about the width of a cell of the grid; 0: exact
  std::uint32_t distance_step_m = kDistanceStepMDefault;        // distances are rounded up to these; 0: they are not
  std::uint32_t queries_per_minute = kQueriesPerMinuteDefault;  // of one user; 0: no limit
  bool operator==(const LayerPrivacy&) const = default;
};

}  // namespace earshot
