#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/place_desk.hpp"
#include "base/error.hpp"
#include "geo/area.hpp"
#include "geo/geohash.hpp"
#include "tests/simulation/history.hpp"
#include "tests/simulation/sim_node.hpp"
#include "tests/simulation/world.hpp"

namespace earshot::simulation {

// Members of a layer who walk about, and somebody who asks where they are. Each step of a walker goes to a place of its
// own, so that what an answer says tells which step it knows of. Holds promises 7 and 8 against every answer:
//
//  7  whoever asks after a step was answered sees that step, or a later one that was asked for; never an earlier one
//  8  a circle has everybody within it once, and nobody else, or says that it does not know everybody yet
//
// A step may hide the walker, which is told with the place, and it may have a time to live: then the walker may be
// nowhere at any time after it, since how far the node's clock is wrong is not known here.
//
// With several nodes each step is told to one of them and each question put to one. They walk where regions meet that
// lie with different nodes. A walker makes no step there before it has heard of the one before it: two that are on
// their way to two nodes have no order.
//
// Where a step was refused or lost its answer it may have been done or not; one that was only accepted may be lost when
// the node dies before it is committed, and not when it stops in order. Between nodes it may be lost when another node
// begins to lead, and counts for nothing unless all nodes know of the same leaders from its beginning on; a step that
// lost its answer may still be done at any time.
class Walkers {
 public:
  Walkers(World& world, History& history, std::vector<SimNode*> nodes, Random random);
  ~Walkers();
  Walkers(const Walkers&) = delete;
  Walkers& operator=(const Walkers&) = delete;

  void start();
  // Nobody walks any more; questions go on.
  void calm_down() { walk_ = false; }
  // Whether they do.
  void set_asking(bool asks) { asks_ = asks; }

  // ---- when nothing fails any more
  // Every node is to tell where all of them are, and who is within a circle around them all.
  void expect_all();
  // Asks those that have not told all of it, again when they have answered. What they have not told yet, in words.
  std::vector<std::string> ask_for_the_rest();

  // How many questions were answered; and of circles so many in part.
  [[nodiscard]] std::uint64_t answered() const;
  [[nodiscard]] std::uint64_t in_part() const;

 private:
  struct Crowd;
  struct Expected;
  // Hears that all was told, or why not.
  using Told = std::function<void(const Status& all)>;
  void act();
  // One that accepts; none: null.
  SimNode* some_node();
  void walk(const actors::PlaceDesk& desk);
  void leave(const actors::PlaceDesk& desk);
  void clear_layer(const actors::PlaceDesk& desk);
  void ask_places(SimNode& node, Told told = nullptr);
  void ask_circle(SimNode& node);
  void ask_circle(SimNode& node, const geo::Area& area, bool in_order, Told told = nullptr);

  World& world_;
  const std::vector<SimNode*> nodes_;
  Random random_;
  Random looks_;  // of its own, for what is added to a step
  const std::uint64_t every_ms_;
  const bool accepts_;  // some steps are answered before they are committed
  const bool hides_;    // some are hidden
  const bool passes_;   // some have a time to live
  bool walk_ = true;
  bool asks_ = true;
  const geo::Point middle_;
  const std::shared_ptr<Crowd> crowd_;  // answers may come when the walkers are gone
  std::vector<std::shared_ptr<Expected>> expected_;
};

}  // namespace earshot::simulation
