#pragma once

#include <cstdint>
#include <optional>

#include "geo/geohash.hpp"

namespace earshot::geo {

// How whoever keeps members knows one: any number that no other of them has.
using MemberHandle = std::uint64_t;

// Where members are shown, for a search that goes by that alone: what it finds says nothing more of where they are.
// Cells ask it for members that live, by many threads at once: it does not change, waits for nothing and does not
// throw.
class Lens {
 public:
  virtual ~Lens() = default;
  // None: not at all.
  [[nodiscard]] virtual std::optional<Geohash> shown(MemberHandle member, Geohash real) const = 0;
  // Of two that are shown equally far off: which of them does not depend on where they are.
  [[nodiscard]] virtual bool comes_before(MemberHandle one, MemberHandle other) const = 0;
  // Nobody is shown farther than this from where it is.
  [[nodiscard]] virtual double shift_m_max() const = 0;
};

}  // namespace earshot::geo
