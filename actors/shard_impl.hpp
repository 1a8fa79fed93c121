#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "actors/aheads.hpp"
#include "actors/damage.hpp"
#include "actors/entry_judge.hpp"
#include "actors/feed_source.hpp"
#include "actors/read_gate.hpp"
#include "actors/shard.hpp"
#include "actors/shard_entries.hpp"
#include "actors/shard_life.hpp"
#include "actors/shard_report.hpp"
#include "actors/shard_ticks.hpp"
#include "actors/state_fetch.hpp"

namespace earshot::actors {

// The shard: one replica, what it has while it has a state, and what it is asked. Sources: shard.cpp (life, log, time),
// shard_asked.cpp (requests), shard_state_lost.cpp (a state that is fetched), shard_feeds.cpp
// (who is told where members are).
//
// Every event ends in settle(), so that nothing is left to do but what waits for the host.
class ShardImpl final : public Shard, private cluster::ReplicaHost {
 public:
  ShardImpl(const ShardOptions& options, ShardHost& host, storage::Environment& environment,
            std::shared_ptr<NodeBudgets> budgets, const Clock& clock)
      : id_(options.id),
        node_(options.replica.self),
        host_(host),
        budgets_(std::move(budgets)),
        clock_(clock),
        gauge_(options.gauge),
        raft_counters_(options.replica.counters ? options.replica.counters : std::make_shared<cluster::RaftCounters>()),
        environment_(environment),
        options_(options),
        tells_moves_late_(options.faults.tells_moves_late),
        ticks_(clock, options.id, options.clocks),
        entries_(budgets_,
                 [this](AheadWaiter ahead) {
                   aheads_.settle(ahead.number);
                   if (life_) life_->places->take_back(std::move(ahead));
                 }),
        keeper_({}, options.random) {
    if (!options.feeds) return;
    feeds_.emplace(
        node_, [this](NodeId to, FeedTiding tiding) { host_.send_feed(to, std::move(tiding)); }, options.faults.feeds);
  }

  Status start(const ShardOptions& options, storage::LoadedLog log);

  void join(std::shared_ptr<const Router> router) override;
  void want_members(std::vector<cluster::WantedMember> wanted) override;
  void handle(ShardSend message) override;
  void handle(ShardLogin message) override;
  void handle(ShardAck message) override;
  void handle(ShardFetch message) override;
  void handle(ShardHistory message) override;
  void handle(ShardManage message) override;
  void handle(ShardAttempts message) override;
  void handle(ShardRegister message) override;
  void handle(ShardUnregister message) override;
  void handle(ShardPositions message) override;
  void handle(ShardWhere message) override;
  void handle(ShardTransfer message) override;
  void handle(ShardTransferred message) override;
  void receive(const cluster::PeerMessage& message) override;
  void receive_seed(NodeId from, std::string_view bytes) override;
  void receive_feed(NodeId from, std::string_view bytes) override;
  void compare(NodeId node, const RegistrationDigest& theirs) override;
  void gather() override;
  void scan_positions() override;
  void persisted(std::uint64_t ticket) override;
  void flushed(FlushOutcome outcome) override;
  void wake() override;
  void stop() override;
  [[nodiscard]] bool drained() const override;
  [[nodiscard]] Result<std::uint64_t> digest() override;

 private:
  struct Applied {
    LogIndex index;
    Term term;
    cluster::Effects effects;
  };
  struct RoleChange {
    cluster::Role role;
    Term term;
  };

  // ReplicaHost: called from inside the replica, which must not be called back; settle() acts afterwards.
  void write_log(storage::LogWrite write) override;
  void send(cluster::PeerMessage message) override { host_.send_to_peer(std::move(message)); }
  void apply(const storage::LogEntry& entry) override;
  bool could_apply(const storage::LogEntry& entry) override {
    const auto batch = decode_command_batch(*entry.data);
    return judge_.judge(entry, batch ? std::nullopt : std::optional(batch.error()));
  }
  void role_changed(cluster::Role role, Term term) override { role_change_ = RoleChange{role, term}; }
  void leader_changed(NodeId, Term) override {}  // settle() sees it
  void members_changed(const std::vector<cluster::Member>& members, LogIndex /*index*/, bool /*committed*/) override {
    members_are_news_ = true;
    const auto voters = std::ranges::count_if(members, &cluster::Member::voter);
    is_alone_ = voters == 0 || (voters == 1 && is_voter(members));
  }
  void checked(std::uint64_t number, bool confirmed) override {
    if (!confirmed) return;
    gate_.confirmed(number);
    if (feeds_) feeds_->check_confirmed(number);
  }
  Result<std::vector<storage::LogEntry>> read_log(LogIndex first, LogIndex last, std::size_t bytes_max) override {
    return host_.read_log(first, last, bytes_max);
  }
  void wake_at(std::uint64_t monotonic_ms) override { replica_wake_at_ms_ = monotonic_ms; }
  void install_snapshot(const storage::SnapshotMetadata& metadata) override {
    state_is_old_ = true;
    installs_ = metadata.index;
  }

  template <class Message>
  bool gives_back(Message& message) {
    if (leads_ && !(stopping_ && !is_alone())) return false;
    host_.give_back(std::move(message));
    return true;
  }
  // A request on its way into the log; refused when it may not come in now.
  void admit(Command command, Waiter waiter);
  void enter(Command command, Waiter waiter) {
    entries_.add(std::move(command), std::move(waiter));
    ask_gather();
  }
  void set_ahead(SetPositionsCommand set, const std::function<void(Result<PositionsAnswer>)>& done);
  [[nodiscard]] std::optional<Error> refusal(const Command& command) const;
  [[nodiscard]] std::optional<Error> read_refusal() const;
  [[nodiscard]] std::optional<Error> late_registration(const ShardRegister& message);
  void add_confirms();
  void ask_gather();
  // Something is due, and no other entry is about to bring the time along.
  bool is_tick_due();
  [[nodiscard]] bool is_quiet() const { return leads_ && !stopping_ && entries_.empty(); }
  void touch(std::uint64_t now_ms);

  Status begin_life();
  void begin_fetching(bool is_damaged);
  void go_on_fetching(std::uint64_t now_ms);
  Status state_is_there(LogIndex applied, std::uint64_t now_ms);
  void act_on_damage(std::uint64_t now_ms);
  void act_on_lost_state(std::uint64_t now_ms);
  // A part of a state, of so many bytes, was sent or has come.
  void note_seed(cluster::RaftCounters::Counter cluster::RaftCounters::*parts,
                 cluster::RaftCounters::Counter cluster::RaftCounters::*bytes, std::size_t size);
  // There is nobody else who could lead, or give it another state.
  [[nodiscard]] bool is_alone() const { return is_alone_; }
  [[nodiscard]] bool is_voter(const std::vector<cluster::Member>& members) const {
    return std::ranges::any_of(members, [this](const auto& one) { return one.voter && one.node == node_; });
  }
  void read(ReadGate::Read read);
  void answer_read(ReadGate::Read& read);
  ReadOutcome try_to_answer(const ReadGate::Read& read, Tells tells);
  // A message is missing: whether that is damage of this replica's disk. Looks at all messages of the shard, and where
  // they are what was counted not again for a while.
  bool has_lost_messages();
  void go_on_reading(std::uint64_t now_ms);
  void go_on_feeding(std::uint64_t now_ms);
  // Calls it when every node that might say where members are has been told what was changed.
  void when_told(const std::function<void()>& answer);
  void begin_wheres();
  void hand_over(std::uint64_t now_ms);
  void leave_tight_disk(std::uint64_t now_ms);
  void keep_members(std::uint64_t now_ms);

  // Acts on what the replica's last call brought up: answers, pushes, drains, flushes, sets the timer.
  void settle(std::uint64_t now_ms);
  void act_on_applied(std::uint64_t now_ms);
  void number_settled(const std::vector<Waiter>& waiters, cluster::Effects& effects) const;
  void answer_all(std::vector<Waiter>& waiters, std::vector<cluster::CommandResult>& results);
  void act_on_role(std::uint64_t now_ms);
  void tell_leader();
  void begin_draining(std::uint64_t now_ms);
  void set_timer();
  // After every event: what is seen of the shard from outside.
  void show_gauge();
  [[nodiscard]] std::uint64_t lag_entries() const;

  [[nodiscard]] bool drains() const { return leads_ && router_ != nullptr && !stopping_; }

  const ShardId id_;
  const NodeId node_;
  ShardHost& host_;
  const std::shared_ptr<NodeBudgets> budgets_;
  const Clock& clock_;
  const std::shared_ptr<ShardGauge> gauge_;
  const std::shared_ptr<cluster::RaftCounters> raft_counters_;
  storage::Environment& environment_;
  const ShardOptions options_;
  const bool tells_moves_late_;  // a planted bug
  std::unique_ptr<cluster::Replica> replica_;
  std::optional<FeedSource> feeds_;  // none: the node is alone
  std::unique_ptr<ShardLife> life_;  // null: its state is being fetched
  std::optional<StateFetch> fetch_;  // meanwhile
  std::shared_ptr<const Router> router_;

  TickSource ticks_;
  ShardReport report_{id_};
  EntryJudge judge_{"shard " + std::to_string(id_.value)};
  ShardEntries entries_;
  ReadGate gate_;
  // What was told ahead of the log is seen already by whoever asks the views: who asks the shard waits until the state
  // shows it.
  struct Where {
    std::uint64_t aheads = 0;  // the last one before it came in
    ShardWhere read;
  };
  std::deque<Where> wheres_;
  Aheads aheads_;

  // Brought up by the replica, not acted on yet.
  std::vector<Applied> applied_;
  std::optional<RoleChange> role_change_;
  bool state_is_lost_ = false;                 // a record of it is damaged …
  std::uint64_t holes_are_true_until_ms_ = 0;  // what is missing was counted as missing
  std::optional<LogIndex> installs_;           // the state is to stand there, or above
  bool state_is_old_ = false;                  // … or the log of the leader does not go back so far

  bool is_alone_ = true;
  cluster::GroupKeeper keeper_;
  std::vector<cluster::WantedMember> wanted_;
  bool members_are_news_ = false;  // to the keeper
  NodeId told_leader_;
  Term told_term_;

  bool leads_ = false;
  bool stopping_ = false;
  bool gather_asked_ = false;
  std::uint64_t gather_again_at_ms_ = 0;  // not before
  std::uint64_t leaves_disk_not_before_ms_ = 0;
  bool flush_is_orphan_ = false;  // the life, or the fetch, that asked for it is over
  std::uint64_t fetches_ = 0;
  LogIndex read_floor_;  // a new leader serves reads once it has applied what its log held
  std::size_t log_writes_under_way_ = 0;
  std::uint64_t replica_wake_at_ms_ = 0;
  std::uint64_t timer_at_ms_ = 0;
};

}  // namespace earshot::actors
