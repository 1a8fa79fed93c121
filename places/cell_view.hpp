#pragma once

#include <cstddef>
#include <functional>
#include <variant>
#include <vector>

#include "geo/place_index.hpp"
#include "places/cell_port.hpp"

namespace earshot::places {

// One cell at work: a view of the members in it, which answers queries from memory.
//
//   waiting ──every fill has come──► serving ──split, merge or end──► over
//
// A cell that takes over from others waits for their members. What its layer sends it meanwhile waits, too, and is done
// in its order then: no query sees a cell half full. Thread: its actor's.
class CellView {
 public:
  // `fills` is how many other cells hand their members over to it; `filled` is told once of who came.
  CellView(std::size_t fills, std::function<void(const CellFilled&)> filled);

  void handle(CellChanges message) { take(std::move(message)); }
  void handle(CellSearch message) { take(std::move(message)); }
  void handle(CellSplit message) { take(std::move(message)); }
  void handle(CellMerge message) { take(std::move(message)); }
  void handle(CellEnd message) { take(std::move(message)); }
  void handle(CellFill message);

  // It has handed everything over, or has nobody left: nothing comes to it any more.
  [[nodiscard]] bool is_over() const { return is_over_; }

 private:
  using Waiting = std::variant<CellChanges, CellSearch, CellSplit, CellMerge, CellEnd>;

  template <class Message>
  void take(Message message) {
    if (fills_left_ > 0) return waiting_.push_back(std::move(message));
    run(message);
  }
  void run(CellChanges& message);
  void run(CellSearch& message);
  void run(CellSplit& message);
  void run(CellMerge& message);
  void run(CellEnd&) { is_over_ = true; }

  geo::PlaceIndex index_;
  std::size_t fills_left_;
  std::function<void(const CellFilled&)> filled_;
  std::vector<geo::PlaceKey> fill_;  // what has come so far
  std::vector<Waiting> waiting_;
  bool is_over_ = false;
};

}  // namespace earshot::places
