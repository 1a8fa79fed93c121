#pragma once

#include <cstdint>
#include <string_view>

#include "base/ids.hpp"
#include "geo/geohash.hpp"

// What others are shown of where somebody is. The Earth is divided into a grid of rows of latitude, each divided into
// cells of its own number; a member is shown somewhere in the cell that it is in, by a hash of its name and of the
// cell. Asking again shows the same place, so there is nothing to average; and since the cells are the same for
// everybody, the shown place says which cell the member is in, and nothing else. That holds for whoever knows the
// secret too: it only keeps others from telling in advance where a member will be shown.
namespace earshot::places {

// Precondition: precision_m <= kPrecisionMMax, as in the next two; 0 shows the place itself.
//
// No side of a cell is shorter than precision_m, so none is finer than told. Rows are at most 1 % higher; a cell is at
// most 4 % wider where it is narrowest, which is up to 1.18 times as wide at its other edge (100 km at 85 degrees): the
// diagonal is below 1.6 of them.
geo::Geohash shown_place(geo::Geohash real, const LayerId& layer, std::string_view member, std::uint64_t secret,
                         std::uint32_t precision_m);
// Nobody is shown farther than this from where it is. Exact for 0; else with a metre for the rounding to geohashes.
double max_shift_m(std::uint32_t precision_m);

// Up to the next multiple; the distance itself for a step of 0.
double rounded_up_m(double distance_m, std::uint32_t step_m);

}  // namespace earshot::places
