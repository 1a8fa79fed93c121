#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/random.hpp"
#include "places/cell_view.hpp"
#include "places/layer.hpp"

namespace earshot::tests {

// Cells as they run on many threads: each takes what was posted to it in its order, and which of them goes on next is
// left to chance.
class CellsWorld {
 public:
  explicit CellsWorld(std::uint64_t seed) : random_(seed) {}

  places::CellTree::MakeCell maker() {
    return [this](places::CellTree::LeafId leaf, std::size_t fills) {
      auto port = std::make_shared<Port>();
      port->view = std::make_unique<places::CellView>(
          fills, [this, leaf](const places::CellFilled& by) { filled.emplace_back(leaf, by); });
      cells_.push_back(port);
      ++made;
      return port;
    };
  }

  // One message of one cell; false: nobody has anything to do.
  bool step() {
    std::erase_if(cells_, [](const auto& cell) { return cell->view->is_over() && cell->queue.empty(); });
    std::vector<Port*> ready;
    for (const auto& cell : cells_)
      if (!cell->queue.empty()) ready.push_back(cell.get());
    if (ready.empty()) return false;
    Port& port = *ready[random_.below(ready.size())];
    EXPECT_FALSE(port.view->is_over()) << "a cell that is over is told something";
    Message message = std::move(port.queue.front());
    port.queue.pop_front();
    std::visit([&](auto& one) { port.view->handle(std::move(one)); }, message);
    return true;
  }
  // Until nobody has anything to do; the layer hears of cells that are full again.
  void settle(places::Layer& layer) {
    while (step() || !filled.empty()) tell(layer);
  }
  void tell(places::Layer& layer) {
    for (const auto& [leaf, by] : std::exchange(filled, {})) layer.filled(leaf, by);
  }

  [[nodiscard]] std::size_t alive() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(cells_, [](const auto& cell) { return !cell->view->is_over(); }));
  }

  std::vector<std::pair<places::CellTree::LeafId, places::CellFilled>> filled;
  std::size_t made = 0;

 private:
  using Message = std::variant<places::CellChanges, places::CellSearch, places::CellSplit, places::CellMerge,
                               places::CellFill, places::CellEnd>;
  struct Port final : places::CellPort {
    void post(places::CellChanges message) override { queue.emplace_back(std::move(message)); }
    void post(places::CellSearch message) override { queue.emplace_back(std::move(message)); }
    void post(places::CellSplit message) override { queue.emplace_back(std::move(message)); }
    void post(places::CellMerge message) override { queue.emplace_back(std::move(message)); }
    void post(places::CellFill message) override { queue.emplace_back(std::move(message)); }
    void post(places::CellEnd message) override { queue.emplace_back(std::move(message)); }

    std::unique_ptr<places::CellView> view;
    std::deque<Message> queue;
  };

  Random random_;
  std::vector<std::shared_ptr<Port>> cells_;
};

}  // namespace earshot::tests
