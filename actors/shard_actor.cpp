#include "actors/shard_actor.hpp"

#include <chrono>
#include <utility>

#include <caf/all.hpp>

#include "actors/asker.hpp"
#include "actors/interfaces.hpp"
#include "actors/shard_refusals.hpp"
#include "actors/timer_ladder.hpp"

namespace earshot::actors {
namespace {

class ShardActor final : public caf::event_based_actor, private ShardHost {
 public:
  ShardActor(caf::actor_config& config, std::shared_ptr<ShardSetup> setup)
      : caf::event_based_actor(config), setup_(std::move(setup)) {}

  const char* name() const override { return "shard"; }

 private:
  caf::behavior make_behavior() override;
  // The router leads back to this actor: let go of it, or neither would ever be destroyed.
  void on_exit() override {
    shard_.reset();
    setup_.reset();
  }

  // ShardHost
  void write_log(storage::LogWrite write) override {
    send(setup_->log_writer, LogWrites{setup_->options.id, std::move(write)});
  }
  void write_state(std::shared_ptr<const storage::FrozenOverlay> overlay) override {
    send(setup_->state_writer, FlushOverlay{std::move(overlay)});
  }
  void gather_soon() override {
    gather_asked_ = true;
    send(this, GatherNow{});
  }
  void scan_soon() override { send(this, ScanPositions{}); }
  void tell_moves(std::vector<cluster::Move> moves, std::vector<cluster::ClearedLayer> cleared) override {
    setup_->places->moved(setup_->options.id, std::move(moves), std::move(cleared));
  }
  void tell_page(std::vector<cluster::Move> moves) override {
    const auto go_on = [shard = caf::actor_cast<caf::actor>(this)](const void*) {
      caf::anon_send(shard, ScanPositions{});
    };
    setup_->places->page(setup_->options.id, std::move(moves), places::UntilTaken(nullptr, go_on));
  }
  void tell_privacies(std::vector<cluster::PrivacyChange> changes) override { setup_->places->privacies(changes); }
  void tell_all_told() override { setup_->places->all_told(setup_->options.id); }
  void send_feed(NodeId to, FeedTiding tiding) override {
    if (setup_->exchange) setup_->exchange->send_feed(setup_->options.id, to, std::move(tiding));
  }
  void send_to_peer(cluster::PeerMessage message) override {
    if (setup_->exchange) setup_->exchange->send(setup_->options.id, message);
  }
  void compared(NodeId node, bool again) override {
    if (setup_->exchange) setup_->exchange->compared(setup_->options.id, node, again);
  }
  void follows(NodeId leader, Term term, NodeId asked_by) override {
    if (setup_->exchange) setup_->exchange->follows(setup_->options.id, {leader, term}, asked_by);
  }
  void send_seed(NodeId to, std::string bytes) override {
    if (setup_->exchange) setup_->exchange->send_seed(setup_->options.id, to, std::move(bytes));
  }
  Result<std::vector<storage::LogEntry>> read_log(LogIndex first, LogIndex last, std::size_t bytes_max) override {
    return setup_->log_store->read(setup_->options.id, first, last, bytes_max);
  }
  void leader_is(NodeId leader, Term term) override {
    if (setup_->exchange) setup_->exchange->leader_is(setup_->options.id, {leader, term});
  }
  bool is_up(NodeId node) override { return setup_->exchange && setup_->exchange->is_up(node); }
  void give_back(ShardRequest request) override {
    if (setup_->exchange) return setup_->exchange->given_back(setup_->options.id, std::move(request), hops_);
    refuse(take_asker(request), refusals::not_leader());
  }
  void wake_at(std::uint64_t monotonic_ms) override {
    wanted_at_ms_ = monotonic_ms;
    if (wanted_at_ms_ != 0) arm_timer();
  }

  void from_peer(FromPeer& message);
  void called(const FromPeer& message);
  void arm_timer();
  void look_at_time();
  void quit_if_drained() {
    if (shard_->drained()) quit();
  }

  void gather() {
    gather_asked_ = false;
    shard_->gather();
  }

  template <class Message>
  auto forward() {
    return [this](Message& message) { shard_->handle(std::move(message)); };
  }

  std::shared_ptr<ShardSetup> setup_;
  std::unique_ptr<Shard> shard_;
  std::uint8_t hops_ = 0;  // of what is being asked now
  bool gather_asked_ = false;
  std::uint64_t wanted_at_ms_ = 0;  // what the shard asked for; 0: nothing
  TimerLadder timers_;
};

caf::behavior ShardActor::make_behavior() {
  auto opened =
      Shard::open(setup_->options, *this, *setup_->state, std::move(setup_->log), setup_->budgets, *setup_->clock);
  const auto report = std::exchange(setup_->opened, nullptr);
  if (!opened.has_value()) {
    report(fail(std::move(opened.error())));
    quit();
    return {};
  }
  shard_ = std::move(*opened);
  report({});
  return {
      forward<ShardSend>(),
      forward<ShardLogin>(),
      forward<ShardAck>(),
      forward<ShardFetch>(),
      forward<ShardHistory>(),
      forward<ShardManage>(),
      forward<ShardAttempts>(),
      forward<ShardRegister>(),
      forward<ShardUnregister>(),
      forward<ShardPositions>(),
      forward<ShardWhere>(),
      forward<ShardTransfer>(),
      forward<ShardTransferred>(),
      [this](FromPeer& message) { from_peer(message); },
      [this](GatherNow) { gather(); },
      [this](ScanPositions) { shard_->scan_positions(); },
      [this](const LogPersisted& message) {
        for (const auto ticket : message.tickets) shard_->persisted(ticket);
        quit_if_drained();
      },
      [this](StateFlushed message) {
        shard_->flushed(message.outcome);
        quit_if_drained();
      },
      [this](const TimerFired& message) {
        timers_.fired(message.number);
        look_at_time();
      },
      [this](BeatNow) { look_at_time(); },
      [this](JoinShards& message) { shard_->join(std::move(message.router)); },
      [this](WantMembers& message) { shard_->want_members(std::move(message.wanted)); },
      [this](const DigestShard& message) { message.done(setup_->options.id, shard_->digest()); },
      [this](StopShard) {
        shard_->stop();
        quit_if_drained();
      },
  };
}

void ShardActor::from_peer(FromPeer& message) {
  switch (message.topic) {
    case cluster::PeerTopic::kRaft:
      return shard_->receive(cluster::PeerMessage{message.from, setup_->options.replica.self, *message.body});
    case cluster::PeerTopic::kCall: return called(message);
    case cluster::PeerTopic::kPlaces: return shard_->receive_feed(message.from, *message.body);
    case cluster::PeerTopic::kSeed: return shard_->receive_seed(message.from, *message.body);
    case cluster::PeerTopic::kCluster:
      if (const auto digest = decode_registrations(*message.body)) shard_->compare(message.from, *digest);
      return;
    default: return;
  }
}

void ShardActor::called(const FromPeer& message) {
  setup_->exchange->open(setup_->options.id, message, [this](ShardRequest request, std::uint8_t hops) {
    hops_ = hops;
    std::visit([this](auto& one) { shard_->handle(std::move(one)); }, request);
    hops_ = 0;
  });
}

// The shard asks anew with every flush: for the next one, which is soon, and then for its next round, which is far off.
void ShardActor::arm_timer() {
  if (setup_->beat && setup_->beat->want(setup_->options.id, wanted_at_ms_)) return;
  const std::uint64_t now_ms = setup_->clock->monotonic_ms();
  const auto at_ms = timers_.want(wanted_at_ms_, now_ms);
  if (at_ms) delayed_send(this, std::chrono::milliseconds(*at_ms - now_ms), TimerFired{*at_ms});
}

void ShardActor::look_at_time() {
  if (wanted_at_ms_ == 0) return;
  if (wanted_at_ms_ > setup_->clock->monotonic_ms()) return arm_timer();
  wanted_at_ms_ = 0;
  shard_->wake();
  quit_if_drained();
}

class ActorShardInbox final : public ShardInbox {
 public:
  explicit ActorShardInbox(caf::actor shard) : shard_(std::move(shard)) {}
  void post(ShardSend message) override { caf::anon_send(shard_, std::move(message)); }
  void post(ShardLogin message) override { caf::anon_send(shard_, std::move(message)); }
  void post(ShardAck message) override { caf::anon_send(shard_, std::move(message)); }
  void post(ShardFetch message) override { caf::anon_send(shard_, std::move(message)); }
  void post(ShardHistory message) override { caf::anon_send(shard_, std::move(message)); }
  void post(ShardManage message) override { caf::anon_send(shard_, std::move(message)); }
  void post(ShardAttempts message) override { caf::anon_send(shard_, std::move(message)); }
  void post(ShardRegister message) override { caf::anon_send(shard_, std::move(message)); }
  void post(ShardUnregister message) override { caf::anon_send(shard_, std::move(message)); }
  void post(ShardPositions message) override { caf::anon_send(shard_, std::move(message)); }
  void post(ShardWhere message) override { caf::anon_send(shard_, std::move(message)); }
  void post(ShardTransfer message) override { caf::anon_send(shard_, std::move(message)); }
  void post(ShardTransferred message) override { caf::anon_send(shard_, std::move(message)); }

 private:
  const caf::actor shard_;
};

class ActorReplicaInbox final : public ReplicaInbox {
 public:
  explicit ActorReplicaInbox(caf::actor shard) : shard_(std::move(shard)) {}
  void post(FromPeer message) override { caf::anon_send(shard_, std::move(message)); }

 private:
  const caf::actor shard_;
};

}  // namespace

caf::actor spawn_shard(caf::actor_system& system, ShardSetup setup) {
  return system.spawn<ShardActor>(std::make_shared<ShardSetup>(std::move(setup)));
}

std::shared_ptr<ShardInbox> shard_inbox(caf::actor shard) {
  return std::make_shared<ActorShardInbox>(std::move(shard));
}

std::shared_ptr<ReplicaInbox> replica_inbox(caf::actor shard) {
  return std::make_shared<ActorReplicaInbox>(std::move(shard));
}

}  // namespace earshot::actors
