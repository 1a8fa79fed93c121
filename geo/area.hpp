#pragma once

#include <optional>

#include "geo/distance.hpp"
#include "geo/geohash.hpp"
#include "geo/point.hpp"

namespace earshot::geo {

// Degrees that an area lies within. Longitudes may reach beyond 180 degrees on either side, which stands for those on
// the other; from `west` to `east` there are at most 360.
struct DegreeBounds {
  double west = 0;
  double east = 0;
  double south = 0;
  double north = 0;

  // Whether a cell has anything within them.
  [[nodiscard]] bool touch(const Cell& cell) const;
};

// Where a query looks: a circle, or a box that is as wide as told at every latitude (as Redis defines it).
class Area {
 public:
  // kInvalidArgument naming `field` when the radius is negative or no number.
  static Result<Area> circle(const Point& centre, double radius_m, std::string_view field);
  // The same for either side.
  static Result<Area> box(const Point& centre, double width_m, double height_m, std::string_view field);

  [[nodiscard]] const Point& centre() const { return centre_; }
  // The distance from the centre when the point is within, the edge included.
  [[nodiscard]] std::optional<double> distance_within_m(const Point& point) const;
  [[nodiscard]] bool is_box() const { return is_box_; }
  // Nothing farther from the centre than this is within; all that is nearer, if it is no box.
  [[nodiscard]] double reach_m() const { return reach_m_; }
  // Of a box; else 0.
  [[nodiscard]] double width_m() const { return 2 * half_width_m_; }
  [[nodiscard]] double height_m() const { return 2 * half_height_m_; }
  [[nodiscard]] const DegreeBounds& bounds() const { return bounds_; }
  // Holds whatever is no farther than this from anything within.
  [[nodiscard]] Area widened(double by_m) const;

 private:
  Area(const Point& centre, double reach_m);
  Area(const Point& centre, double width_m, double height_m);
  void set_bounds(double up, double across);  // degrees from the centre

  Point centre_;
  DistanceFrom from_centre_;
  double reach_m_;
  bool is_box_ = false;
  double half_width_m_ = 0;
  double half_height_m_ = 0;
  DegreeBounds bounds_;
};

}  // namespace earshot::geo
