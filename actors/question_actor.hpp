#pragma once

#include <functional>
#include <memory>

#include <caf/actor.hpp>
#include <caf/fwd.hpp>

#include "actors/cluster_views.hpp"
#include "actors/feed_view.hpp"
#include "actors/place_views.hpp"
#include "actors/question_gauge.hpp"
#include "actors/remote_call_log.hpp"
#include "base/clock.hpp"
#include "base/ids.hpp"
#include "cluster/peers.hpp"
#include "places/sight.hpp"
#include "storage/log_types.hpp"

namespace earshot::actors {

class Questions;

// Everything pointed to outlives the actor.
struct QuestionSetup {
  NodeId self;
  std::shared_ptr<PlaceViews> places;  // this node's own, which count regions
  std::shared_ptr<FeedView> feeds;
  std::shared_ptr<const places::PlaceVisibility> visibility;  // null: everybody may see everybody
  cluster::Peers* peers = nullptr;
  const Clock* clock = nullptr;
  std::shared_ptr<RemoteCallLog> call_log;
  std::shared_ptr<QuestionGauge> gauge = std::make_shared<QuestionGauge>();  // for whoever watches
};

// A node's questions to others and theirs to it: actors/question_desk.hpp, actors/question_server.hpp. StopWriter
// ends it: what waits is not answered.
caf::actor spawn_questions(caf::actor_system& system, QuestionSetup setup);

// The way there. Thread-safe, and nothing waits: what comes after its end is dropped.
class QuestionPort final : public NodesAsker {
 public:
  explicit QuestionPort(caf::actor questions) : questions_(std::move(questions)) {}

  void ask(NodesQuestion question) override;
  void when_exact(ShardId shard, std::uint32_t deadline_ms, std::function<void(bool)> then) override;
  // A frame of PeerTopic::kQuestions.
  void received(NodeId from, storage::SharedBytes frame) const;
  // It is linked, or no longer.
  void link_changed(NodeId node) const;

 private:
  void call(std::function<void(Questions&)> what) const;

  const caf::actor questions_;
};

}  // namespace earshot::actors
