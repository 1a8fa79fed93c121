#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "actors/place_views.hpp"
#include "actors/ports.hpp"
#include "actors/private_views.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/effects.hpp"
#include "schema/commands.hpp"

namespace earshot::actors {

// kInvalidArgument(member) when it is empty, kTooLarge(member) beyond kMemberBytesMax.
Status check_member(std::string_view member);
// Whether a shard may be told of it. kInvalidArgument(layer, accepted, score, ttl) and as check_member().
Status check_change(const SetPositionsCommand& command);

// Where gateways say and ask where people are. A change goes to the shards of those whom it is about, and is answered
// when all of them have committed it and every later question sees it, and where a layer is behind once it has caught
// up with that; questions go to the views.
//
// What is asked is checked whole before any of it is done. Across shards a change is not atomic: when one of them
// refuses, others may have done their part, and so may a question see some of it done. What one thread asks for, each
// shard does in that order. Nobody is in a layer without a name, and no shard is told of one. Thread-safe, and nothing
// waits; answers come once, on the thread of the last part.
class PlaceDesk {
 public:
  template <class T>
  using Done = std::function<void(Result<T>)>;
  using Outcomes = std::vector<cluster::PositionOutcome>;

  PlaceDesk(std::shared_ptr<const Router> router, std::shared_ptr<PlaceViews> views,
            std::shared_ptr<PrivateViews> private_views)
      : router_(std::move(router)), views_(std::move(views)), private_views_(std::move(private_views)) {}

  // For those who may ask about everybody.
  [[nodiscard]] PlaceViews& views() const { return *views_; }
  // For users.
  [[nodiscard]] PrivateViews& private_views() const { return *private_views_; }

  // One outcome per item. kInvalidArgument(layer, accepted, member, score, ttl), kTooLarge(member), kOverloaded(layer),
  // before anything is done. With `accepted` it
  // is answered, and seen by every later question, before it is committed: a node that dies meanwhile forgets it.
  void set(SetPositionsCommand command, Done<Outcomes> done) const;
  // How many of them had a position.
  void clear(ClearPositionsCommand command, Done<std::uint64_t> done) const;
  // How many of these layers anybody was in. One that is named twice counts once. Of more than kLayersPerCommandMax
  // only those are cleared that are known when it is asked: what has not been answered by then may be left.
  void clear_layers(const std::vector<LayerId>& layers, Done<std::uint64_t> done, const Mover& mover = {}) const;
  // Every layer.
  void clear_all(Done<std::uint64_t> done) const;
  // How many members each has, in order.
  void count(const std::vector<LayerId>& layers, Done<std::vector<std::uint64_t>> done) const;
  // Answered with 0, once every later question goes by it.
  void set_privacy(SetLayerPrivacyCommand command, Done<std::uint64_t> done) const;
  // Puts what a question finds into another layer, instead of whoever is there. How many that are; kTooLarge(members)
  // when there are more than kNearbyMembersMax, or so many would have to leave.
  void store(const LayerId& from, NearbyQuestion question, LayerId into,
             std::function<double(const places::FoundMember&)> score, Done<std::uint64_t> done) const;

 private:
  [[nodiscard]] Done<Outcomes> answered_late(const LayerId& layer, Done<Outcomes> done) const;
  // Step by step: the next one is begun when the one before it has been answered, so that none is a flood.
  void clear_on(std::shared_ptr<const ClearLayersCommand> whole, std::size_t from, std::uint64_t cleared,
                Done<std::uint64_t> done) const;
  void clear_all_after(std::string after, std::uint64_t cleared, Done<std::uint64_t> done) const;
  void set_on(std::shared_ptr<SetPositionsCommand> whole, std::size_t from, Done<std::uint64_t> done) const;
  void clear_on(std::shared_ptr<ClearPositionsCommand> whole, std::size_t from, Done<std::uint64_t> done) const;
  void replace(SetPositionsCommand command, Done<std::uint64_t> done) const;
  void exchange(SetPositionsCommand command, const std::vector<places::ScoredMember>& going,
                Done<std::uint64_t> done) const;

  const std::shared_ptr<const Router> router_;
  const std::shared_ptr<PlaceViews> views_;
  const std::shared_ptr<PrivateViews> private_views_;
};

}  // namespace earshot::actors
