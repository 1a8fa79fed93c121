#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "actors/feed_view.hpp"
#include "actors/node_question.hpp"
#include "actors/place_views.hpp"
#include "base/ids.hpp"
#include "places/sight.hpp"

namespace earshot::actors {

// Answers what nodes ask about the members that this node has in its cells: once it knows of all of them, or when the
// node that asks cannot wait longer, and then it says so, and tells only of those where it knows. Thread: its actor's.
// Times are monotonic ms.
class QuestionServer {
 public:
  using Reply = std::function<void(NodeAnswer)>;  // once, or never; on any thread

  struct Setup {
    NodeId self;
    std::shared_ptr<PlaceViews> places;  // this node's own, which count regions
    std::shared_ptr<FeedView> feeds;
    std::shared_ptr<const places::PlaceVisibility> visibility;  // null: everybody may see everybody
    std::uint64_t first_serving = 0;                            // greater after each start
    std::size_t waiting_max = 0;
    std::function<void()> when_exact;  // any thread: has wake() called
  };

  explicit QuestionServer(Setup setup) : setup_(std::move(setup)), last_serving_(setup_.first_serving) {}

  // One that waits here already does so as long as it was to. Beyond `waiting_max` it is dropped.
  void serve(NodeId from, NodeQuestion question, Reply reply, std::uint64_t now_ms);
  // A deadline has come, or when_exact() was called.
  void wake(std::uint64_t now_ms);
  [[nodiscard]] std::uint64_t wake_at() const { return due_.empty() ? 0 : due_.begin()->first; }  // 0: never
  [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Waiting {
    NodeQuestion question;
    Reply reply;
  };
  using Cells = std::shared_ptr<const cluster::CellMap>;
  // `own`: as it was before it was seen whether all is known by it.
  void answer(NodeQuestion question, Reply reply, const Cells& own, bool is_exact, std::uint64_t now_ms);

  const Setup setup_;
  using Key = std::pair<NodeId, std::uint64_t>;
  std::map<Key, Waiting> waiting_;
  std::set<std::pair<std::uint64_t, Key>> due_;  // their deadlines
  FeedView::Waiting until_exact_;
  std::uint64_t last_serving_;
};

}  // namespace earshot::actors
