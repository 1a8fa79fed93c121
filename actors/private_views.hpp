#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "actors/place_views.hpp"
#include "base/clock.hpp"
#include "places/privacy_table.hpp"
#include "places/query_budget.hpp"
#include "places/sight.hpp"
#include "schema/places.hpp"

namespace earshot::actors {

struct MemberDistance {
  std::optional<double> metres;  // none: one of them is nowhere
};

// Where people are, as a user is shown it: others about where they are (places/privacy.hpp), some not at all
// (places/sight.hpp), and so often in a minute. Whoever is not shown is as if it were nowhere.
//
// Every question about others takes of the user's budget: kOverloaded(queries) when none is left. Nobody is told of
// before the node knows what the layer shows, with whatever was answered to a change of that: it waits for it up to the
// question's deadline, and then it is kUnavailable. Thread-safe; answers come once, on the thread that has the last of
// what they are made from. An answer about who is nearby has at most kNearbyAnswerMax + 1 members.
class PrivateViews : public std::enable_shared_from_this<PrivateViews> {
 public:
  template <class T>
  using Done = std::function<void(Result<T>)>;

  // `visibility` null: everybody may see everybody. The clock outlives it and every question.
  PrivateViews(std::shared_ptr<PlaceViews> views, std::shared_ptr<const places::PrivacyTable> privacies,
               const Clock& clock, std::uint64_t secret,
               std::shared_ptr<const places::PlaceVisibility> visibility = nullptr);

  // As PlaceViews answers it, with shown places and the distances to them. kNotFound(member) for a centre that the
  // viewer is not shown.
  void nearby(const UserId& viewer, const LayerId& layer, NearbyQuestion question);
  // The scores of shown places.
  void positions(const UserId& viewer, const LayerId& layer, std::vector<std::string> members, Done<Scores> done);
  void distance(const UserId& viewer, const LayerId& layer, std::string from, std::string to,
                Done<MemberDistance> done);

  // What the layer's privacy is, for whoever may ask.
  [[nodiscard]] LayerPrivacyInfo privacy(const LayerId& layer) const;

 private:
  // A question about others: whether there is budget for it.
  Status begin(const UserId& viewer, const LayerPrivacy& privacy, bool is_about_others);
  // Each when the layer's privacy is known.
  void look_around(const UserId& viewer, const LayerId& layer, NearbyQuestion question);
  void look_up(const UserId& viewer, const LayerId& layer, std::vector<std::string> members, Done<Scores> done);
  void measure(const UserId& viewer, const LayerId& layer, std::string from, std::string to, Done<MemberDistance> done);
  [[nodiscard]] std::shared_ptr<const places::Sight> sight(const UserId& viewer, const LayerId& layer,
                                                           const LayerPrivacy& privacy) const;

  const std::shared_ptr<PlaceViews> views_;
  const std::shared_ptr<const places::PrivacyTable> privacies_;
  const Clock& clock_;
  const std::uint64_t secret_;
  const std::shared_ptr<const places::PlaceVisibility> visibility_;
  std::mutex mutex_;
  places::QueryBudget budget_;
};

}  // namespace earshot::actors
