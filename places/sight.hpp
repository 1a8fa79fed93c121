#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/ids.hpp"
#include "base/layer_privacy.hpp"
#include "geo/lens.hpp"
#include "places/member.hpp"
#include "places/privacy.hpp"

namespace earshot::places {

// Who may see whom: for whoever builds a node to say, by lists of blocked users, of friends and the like.
//
// Called for every member that a question meets, which may be a whole crowd, by many threads at once: it waits for
// nothing, and does not throw.
class PlaceVisibility {
 public:
  virtual ~PlaceVisibility() = default;
  // Whether the user is shown this other member of the layer at all.
  [[nodiscard]] virtual bool may_see(const UserId& viewer, const LayerId& layer, std::string_view member) const = 0;
};

// What one user is shown of a layer: the place that decides who is seen, and where. Itself it sees as it is. Any
// thread.
//
// Cells choose through it whom a question finds. Who is in an answer, in which order and how far off depends on shown
// places alone, so that the answers of many questions together say no more than these do.
class Sight final : public geo::Lens {
 public:
  // `visibility` null: everybody may see everybody.
  Sight(UserId viewer, LayerId layer, const LayerPrivacy& privacy, std::uint64_t secret,
        std::shared_ptr<const PlaceVisibility> visibility)
      : viewer_(std::move(viewer)),
        layer_(std::move(layer)),
        privacy_(privacy),
        secret_(secret),
        visibility_(std::move(visibility)) {}

  [[nodiscard]] const UserId& viewer() const { return viewer_; }
  [[nodiscard]] const LayerPrivacy& privacy() const { return privacy_; }
  [[nodiscard]] std::uint64_t secret() const { return secret_; }

  [[nodiscard]] bool is_self(std::string_view member) const { return member == viewer_.text(); }
  [[nodiscard]] bool sees(const Member& member) const {
    if (is_self(member.name())) return true;
    return !member.is_hidden() && (visibility_ == nullptr || visibility_->may_see(viewer_, layer_, member.name()));
  }
  [[nodiscard]] geo::Geohash shown(std::string_view member, geo::Geohash real) const {
    return is_self(member) ? real : shown_place(real, layer_, member, secret_, privacy_.precision_m);
  }
  // What it is told of a distance.
  [[nodiscard]] double told_m(double distance_m) const { return rounded_up_m(distance_m, privacy_.distance_step_m); }

  // geo::Lens
  [[nodiscard]] std::optional<geo::Geohash> shown(geo::MemberHandle handle, geo::Geohash real) const override {
    const Member& member = Member::of(handle);
    return sees(member) ? std::optional(shown(member.name(), real)) : std::nullopt;
  }
  [[nodiscard]] bool comes_before(geo::MemberHandle one, geo::MemberHandle other) const override {
    return Member::of(one).name() < Member::of(other).name();
  }
  [[nodiscard]] double shift_m_max() const override { return max_shift_m(privacy_.precision_m); }

 private:
  UserId viewer_;
  LayerId layer_;
  LayerPrivacy privacy_;
  std::uint64_t secret_;
  std::shared_ptr<const PlaceVisibility> visibility_;
};

}  // namespace earshot::places
