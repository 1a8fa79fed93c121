#include "app/place_picture.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string_view>

#include "app/place_text.hpp"
#include "geo/distance.hpp"

namespace earshot::app {
namespace {

constexpr int kHalfColumns = 24;  // from the centre to the edge
constexpr double kScaleColumns = 16;
constexpr double kAspect = 2;  // a character is so much higher than wide

// Where a point is, seen from the centre: metres to the east and to the north.
struct Offset {
  double east_m = 0;
  double north_m = 0;
};

// The azimuthal equidistant projection.
Offset offset_of(const geo::Point& centre, const geo::Point& point) {
  constexpr double kRadian = std::numbers::pi / 180;
  const double distance_m = geo::distance_m(centre, point);
  const double turn = (point.longitude - centre.longitude) * kRadian;
  const double from = centre.latitude * kRadian;
  const double to = point.latitude * kRadian;
  const double east = std::sin(turn) * std::cos(to);
  const double north = std::cos(from) * std::sin(to) - std::sin(from) * std::cos(to) * std::cos(turn);
  const double length = std::hypot(east, north);
  if (length == 0) return {};
  return {distance_m * east / length, distance_m * north / length};
}

class Picture {
 public:
  Picture(double half_width_m, double half_height_m)
      : column_m_(std::max({half_width_m / kHalfColumns, half_height_m / kHalfColumns, 0.01})),
        half_columns_(static_cast<int>(std::ceil(half_width_m / column_m_ - 1e-9))),
        half_rows_(static_cast<int>(std::ceil(half_height_m / row_m() - 1e-9))),
        rows_(static_cast<std::size_t>(2 * half_rows_ + 1),
              std::string(static_cast<std::size_t>(2 * half_columns_ + 1), ' ')) {}

  // The character at this place; null beyond the edge.
  char* at(const Offset& offset) {
    const auto column = std::lround(offset.east_m / column_m_) + half_columns_;
    const auto row = half_rows_ - std::lround(offset.north_m / row_m());
    if (column < 0 || row < 0 || column > 2L * half_columns_ || row > 2L * half_rows_) return nullptr;
    return &rows_[static_cast<std::size_t>(row)][static_cast<std::size_t>(column)];
  }
  void dot(const Offset& offset) {
    if (char* const place = at(offset)) *place = '.';
  }
  [[nodiscard]] double column_m() const { return column_m_; }
  [[nodiscard]] double row_m() const { return column_m_ * kAspect; }
  [[nodiscard]] std::string text() const {
    std::string text;
    for (const std::string& row : rows_) text += row.substr(0, row.find_last_not_of(' ') + 1) + "\n";
    return text;
  }

 private:
  const double column_m_;
  const int half_columns_;
  const int half_rows_;
  std::vector<std::string> rows_;
};

void draw_circle(Picture& picture, double radius_m) {
  constexpr int kDots = 120;
  for (int i = 0; i < kDots; ++i) {
    const double angle = 2 * std::numbers::pi * i / kDots;
    picture.dot({radius_m * std::sin(angle), radius_m * std::cos(angle)});
  }
}

void draw_box(Picture& picture, double east_m, double north_m) {
  const auto draw_side = [&](double end, double step, auto offset) {
    for (double along = -end; along <= end; along += step) picture.dot(offset(along));
  };
  for (const double sign : {-1.0, 1.0}) {
    draw_side(east_m, 2 * picture.column_m(), [&](double along) { return Offset{along, sign * north_m}; });
    draw_side(north_m, picture.row_m(), [&](double along) { return Offset{sign * east_m, along}; });
  }
}

// The largest of 1, 2, 5, 10 … metres that takes at most a third of the width.
std::string scale_of(const Picture& picture) {
  double length_m = std::pow(10, std::floor(std::log10(picture.column_m() * kScaleColumns)));
  for (const double factor : {5.0, 2.0}) {
    if (length_m * factor > picture.column_m() * kScaleColumns) continue;
    length_m *= factor;
    break;
  }
  const auto columns = static_cast<std::size_t>(std::max(1l, std::lround(length_m / picture.column_m())));
  return "|" + std::string(columns - 1, '-') + "| " +
         (length_m < 1      ? std::to_string(std::lround(length_m * 100)) + " cm"
          : length_m < 1000 ? std::to_string(std::lround(length_m)) + " m"
                            : std::to_string(std::lround(length_m / 1000)) + " km");
}

}  // namespace

char sign_of(std::size_t index) {
  constexpr std::string_view kSigns = "123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return index < kSigns.size() ? kSigns[index] : 'o';
}

std::string draw_places(const geo::Point& centre, const std::variant<Circle, Box>& area,
                        const std::vector<geo::Point>& members) {
  // Nothing is farther away than the other side of the Earth.
  const auto reach = [](double length_m) { return std::min(length_m, std::numbers::pi * geo::kEarthRadiusM); };
  const auto* circle = std::get_if<Circle>(&area);
  const double east_m = reach(circle != nullptr ? circle->radius_m : std::get<Box>(area).width_m / 2);
  const double north_m = reach(circle != nullptr ? circle->radius_m : std::get<Box>(area).height_m / 2);
  Picture picture(east_m, north_m);
  circle != nullptr ? draw_circle(picture, east_m) : draw_box(picture, east_m, north_m);
  *picture.at({}) = '+';
  for (std::size_t i = 0; i < members.size(); ++i) {
    char* const place = picture.at(offset_of(centre, members[i]));
    if (place == nullptr) continue;
    *place = *place == ' ' || *place == '.' || *place == '+' ? sign_of(i) : '*';
  }
  return picture.text() + scale_of(picture) + "\n";
}

}  // namespace earshot::app
