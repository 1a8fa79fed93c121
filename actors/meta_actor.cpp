#include "actors/meta_actor.hpp"

#include <chrono>
#include <utility>

#include <caf/all.hpp>

#include "actors/cluster_map.hpp"
#include "actors/interfaces.hpp"
#include "actors/timer_ladder.hpp"

namespace earshot::actors {
namespace {

class MetaActor final : public caf::event_based_actor, private MetaGroupHost {
 public:
  MetaActor(caf::actor_config& config, std::shared_ptr<MetaSetup> setup)
      : caf::event_based_actor(config), setup_(std::move(setup)) {}

  const char* name() const override { return "meta group"; }

 private:
  caf::behavior make_behavior() override;
  // What is called back may lead back to this actor: let go of it, or neither would ever be destroyed.
  void on_exit() override {
    group_.reset();
    setup_.reset();
  }

  // MetaGroupHost
  void write_log(storage::LogWrite write) override {
    caf::event_based_actor::send(setup_->log_writer, LogWrites{storage::kMetaGroup, std::move(write)});
  }
  void write_state(std::shared_ptr<const storage::FrozenOverlay> overlay) override {
    caf::event_based_actor::send(setup_->state_writer, FlushOverlay{std::move(overlay)});
  }
  Result<std::vector<storage::LogEntry>> read_log(LogIndex first, LogIndex last, std::size_t bytes_max) override {
    return setup_->store->read(storage::kMetaGroup, first, last, bytes_max);
  }
  void wake_at(std::uint64_t monotonic_ms) override {
    wanted_at_ms_ = monotonic_ms;
    if (wanted_at_ms_ != 0) arm_timer();
  }
  void send(NodeId to, cluster::PeerTopic topic, storage::SharedBytes body) override {
    if (setup_->peers != nullptr)
      setup_->peers->send(to, cluster::PeerFrame{topic, storage::kMetaGroup, std::move(body)});
  }
  bool is_up(NodeId node) override { return setup_->peers != nullptr && setup_->peers->is_up(node); }
  void state_changed(std::shared_ptr<const MetaState> state) override {
    if (setup_->state_changed) setup_->state_changed(std::move(state));
  }
  void nodes_expected(const MetaState& state) override {
    if (setup_->peers != nullptr) setup_->peers->set_nodes(other_nodes(state, setup_->options.replica.self));
  }
  void leader_changed(NodeId leader, Term term) override {
    if (setup_->leader_changed) setup_->leader_changed(leader, term);
  }

  void arm_timer();
  void timer_fired(const TimerFired& timer);
  void quit_if_drained() {
    if (group_->drained()) quit();
  }

  std::shared_ptr<MetaSetup> setup_;
  std::unique_ptr<MetaGroup> group_;
  std::uint64_t wanted_at_ms_ = 0;  // what the group asked for; 0: nothing
  TimerLadder timers_;
};

caf::behavior MetaActor::make_behavior() {
  auto opened = MetaGroup::open(setup_->options, *this, *setup_->state, std::move(setup_->log), *setup_->clock);
  const auto report = std::exchange(setup_->opened, nullptr);
  if (!opened) {
    report(fail(std::move(opened.error())));
    quit();
    return {};
  }
  group_ = std::move(*opened);
  report({});
  return {
      [this](const MetaCall& message) { message.call(*group_); },
      [this](const FromPeer& message) { group_->receive(message.from, message.topic, message.body); },
      [this](const LogPersisted& message) {
        for (const auto ticket : message.tickets) group_->persisted(ticket);
        quit_if_drained();
      },
      [this](StateFlushed message) {
        EARSHOT_INVARIANT(message.outcome != FlushOutcome::kRefused, "what the meta group writes brings its own sums");
        group_->flushed();
        quit_if_drained();
      },
      [this](const TimerFired& message) { timer_fired(message); },
      [this](StopShard) {
        group_->stop();
        quit_if_drained();
      },
  };
}

void MetaActor::arm_timer() {
  const std::uint64_t now_ms = setup_->clock->monotonic_ms();
  const auto at_ms = timers_.want(wanted_at_ms_, now_ms);
  if (at_ms) delayed_send(this, std::chrono::milliseconds(*at_ms - now_ms), TimerFired{*at_ms});
}

void MetaActor::timer_fired(const TimerFired& timer) {
  timers_.fired(timer.number);
  if (wanted_at_ms_ == 0) return;
  if (wanted_at_ms_ > setup_->clock->monotonic_ms()) return arm_timer();
  wanted_at_ms_ = 0;
  group_->wake();
}

}  // namespace

caf::actor spawn_meta_group(caf::actor_system& system, MetaSetup setup) {
  return system.spawn<MetaActor>(std::make_shared<MetaSetup>(std::move(setup)));
}

void MetaPort::propose(MetaCommand command, MetaGroup::OnOutcome done) const {
  call([command = std::move(command), done = std::move(done)](MetaGroup& group) { group.propose(command, done); });
}

void MetaPort::join(std::string request, std::function<void(std::string)> answer) const {
  call([request = std::move(request), answer = std::move(answer)](MetaGroup& group) { group.join(request, answer); });
}

void MetaPort::remove(NodeId node, std::vector<ShardStatus> shards, MetaGroup::OnRemoval done) const {
  call([node, shards = std::move(shards), done = std::move(done)](MetaGroup& group) {
    group.remove(node, shards, done);
  });
}

void MetaPort::status(std::function<void(MetaStatus)> done) const {
  call([done = std::move(done)](MetaGroup& group) { done(group.status()); });
}

void MetaPort::call(std::function<void(MetaGroup&)> what) const { caf::anon_send(group_, MetaCall{std::move(what)}); }

}  // namespace earshot::actors
