#pragma once

#include <string>
#include <variant>
#include <vector>

#include "geo/point.hpp"
#include "schema/places.hpp"

// A map for the terminal. Pure.
namespace earshot::app {

// The sign of the member that is told as number `index`, from 0: 1-9, a-z, A-Z, then "o".
char sign_of(std::size_t index);

// The surroundings of the centre, north above, in plain characters: "+" is the centre, each member has its sign, "*"
// stands for several in one place, dots are the edge of the area; below it a scale. Directions and distances from the
// centre are true, whatever lies between: over 180 degrees, over a pole.
std::string draw_places(const geo::Point& centre, const std::variant<Circle, Box>& area,
                        const std::vector<geo::Point>& members);

}  // namespace earshot::app
