#include "actors/meta_group.hpp"

#include <utility>
#include <variant>

#include <spdlog/spdlog.h>

#include "actors/entry_judge.hpp"
#include "actors/meta_fetch.hpp"
#include "actors/meta_proposals.hpp"
#include "base/limits.hpp"
#include "cluster/group_keeper.hpp"
#include "cluster/group_view.hpp"
#include "cluster/join_desk.hpp"
#include "cluster/membership.hpp"
#include "cluster/meta_plan.hpp"
#include "cluster/node_removal.hpp"
#include "storage/keys.hpp"
#include "storage/table_sums.hpp"

namespace earshot::actors {
namespace {

using cluster::Role;

constexpr std::uint64_t kTryAgainMs = 1'000;   // what the leader proposes by itself, after it was refused
constexpr std::uint64_t kTellAgainMs = 2'000;  // where this node is
constexpr std::uint64_t kUnflushedMax = 256;   // entries without a change of the state, before the log is cut below

Error stopping() { return Error{ErrorCode::kUnavailable, "", "the node is shutting down"}; }
Error not_leader() { return Error{ErrorCode::kUnavailable, "leader", "this node does not lead the meta group"}; }

// The state as it will be if everything in the log is committed.
MetaState expected_state(cluster::MetaMachine machine, const storage::LoadedLog& log) {
  const LogIndex applied = machine.record().applied;
  for (const storage::LogEntry& entry : log.entries) {
    if (entry.index <= applied || entry.type != storage::EntryType::kCommand) continue;
    if (const auto command = decode_meta_command(*entry.data)) (void)machine.apply(*command);
  }
  return machine.state();
}

class MetaGroupImpl final : public MetaGroup, private cluster::ReplicaHost {
 public:
  MetaGroupImpl(const MetaGroupOptions& options, MetaGroupHost& host, storage::Environment& environment,
                const Clock& clock)
      : options_(options),
        self_(options.replica.self),
        host_(host),
        clock_(clock),
        environment_(environment),
        disk_(environment, storage::kMetaGroup),
        fetch_(std::uint64_t{options.replica.seed} << 32 | self_.value),
        keeper_({}, options.replica.seed) {}

  Status start(storage::LoadedLog log);

  void propose(MetaCommand command, OnOutcome done) override;
  void join(std::string_view request, std::function<void(std::string)> answer) override;
  void remove(NodeId node, const std::vector<ShardStatus>& shards, OnRemoval done) override;
  void receive(NodeId from, cluster::PeerTopic topic, const storage::SharedBytes& body) override;
  void persisted(std::uint64_t ticket) override;
  void flushed() override;
  void wake() override;
  void stop() override;
  [[nodiscard]] bool drained() const override {
    return stopping_ && log_writes_under_way_ == 0 && !is_flushing_ && !has_unflushed();
  }

  [[nodiscard]] const MetaState& state() const override { return machine_.state(); }
  [[nodiscard]] MetaStatus status() const override;
  [[nodiscard]] std::uint64_t malformed() const override { return malformed_; }

 private:
  struct RoleChange {
    Role role;
    Term term;
  };

  // ReplicaHost: called from inside the replica, which must not be called back; settle() acts afterwards.
  void write_log(storage::LogWrite write) override {
    ++log_writes_under_way_;
    host_.write_log(std::move(write));
  }
  void send(cluster::PeerMessage message) override {
    host_.send(message.to, cluster::PeerTopic::kRaft, std::make_shared<const std::string>(std::move(message.body)));
  }
  void apply(const storage::LogEntry& entry) override;
  bool could_apply(const storage::LogEntry& entry) override {
    return judge_.judge(entry, cluster::MetaMachine::objection_to(*entry.data));
  }
  void role_changed(Role role, Term term) override { role_change_ = RoleChange{role, term}; }
  void leader_changed(NodeId leader, Term term) override { leader_change_.emplace(leader, term); }
  void members_changed(const std::vector<cluster::Member>&, LogIndex, bool) override {}
  void checked(std::uint64_t, bool) override {}  // nothing here needs to be read fresh
  Result<std::vector<storage::LogEntry>> read_log(LogIndex first, LogIndex last, std::size_t bytes_max) override {
    return host_.read_log(first, last, bytes_max);
  }
  void wake_at(std::uint64_t monotonic_ms) override { replica_wake_at_ms_ = monotonic_ms; }
  void install_snapshot(const storage::SnapshotMetadata& metadata) override {
    installs_ = true;
    fetch_.begin(metadata.index);
  }

  Result<LogIndex> submit(const MetaCommand& command, std::uint64_t now_ms);
  void take(NodeId from, TellAddresses& message);
  void take(NodeId from, const AskMetaState& message);
  void take(NodeId from, MetaStateAnswer& message);
  void tell(NodeId to, const ClusterMessage& message);

  [[nodiscard]] bool leads() const { return replica_->role() == Role::kLeader; }
  [[nodiscard]] bool has_state() const { return !replica_->is_passive() && !fetch_.is_wanted(); }
  [[nodiscard]] bool has_unflushed() const {
    return has_state() && (is_dirty_ || replica_->applied_index().value >= frozen_index_.value + kUnflushedMax);
  }
  [[nodiscard]] cluster::JoinDesk join_desk() const {
    return {self_, options_.protocol_min, options_.protocol_max, replica_->leader(), leads() && !stopping_};
  }

  // Acts on what the replica's last call brought up, until nothing is left to be done now.
  void settle(std::uint64_t now_ms);
  void act_on_role();
  void tell_state();
  void lead(std::uint64_t now_ms);
  void propose_what_is_due(std::uint64_t now_ms);
  [[nodiscard]] std::optional<MetaCommand> due_command(std::uint64_t now_ms);
  void keep_members(std::uint64_t now_ms);
  void fetch(std::uint64_t now_ms);
  void tell_own_addresses(std::uint64_t now_ms);
  void flush_if_due(std::uint64_t now_ms);
  void write_record(const MetaRecord& record);
  void set_timer();

  [[nodiscard]] cluster::GroupView view(std::uint64_t now_ms) const;
  // The cluster knows this node, at other addresses than it has.
  [[nodiscard]] bool is_elsewhere() const;

  const MetaGroupOptions options_;
  const NodeId self_;
  MetaGroupHost& host_;
  const Clock& clock_;
  storage::Environment& environment_;
  storage::ShardState disk_;
  cluster::MetaMachine machine_;
  std::unique_ptr<cluster::Replica> replica_;
  MetaFetch fetch_;
  EntryJudge judge_{"the meta group"};
  MetaProposals proposals_;
  cluster::GroupKeeper keeper_;
  cluster::MetaPlanner planner_;

  // Brought up by the replica, not acted on yet.
  std::vector<MetaProposals::Called> called_;
  std::optional<RoleChange> role_change_;
  std::optional<std::pair<NodeId, Term>> leader_change_;

  std::uint64_t told_version_ = 0;
  bool stopping_ = false;
  bool installs_ = false;        // what is fetched was asked for by install_snapshot()
  bool own_pending_ = false;     // a command that this node proposed by itself
  std::uint64_t own_at_ms_ = 0;  // the next one is not proposed before
  std::uint64_t tell_at_ms_ = 0;

  bool is_dirty_ = false;  // the state has changed since the last record was frozen
  std::uint64_t dirty_since_ms_ = 0;
  bool is_flushing_ = false;
  LogIndex frozen_index_;              // where the last record stands
  std::optional<MetaRecord> fetched_;  // being written
  std::size_t log_writes_under_way_ = 0;
  std::uint64_t replica_wake_at_ms_ = 0;
  std::uint64_t timer_at_ms_ = 0;
  std::uint64_t malformed_ = 0;
};

// ---- life

Status MetaGroupImpl::start(storage::LoadedLog log) {
  if (auto checked = check_addresses(options_.addresses); !checked) return checked;
  const std::uint64_t now_ms = clock_.monotonic_ms();
  std::optional<LogIndex> applied;
  auto stored = disk_.get(storage::keys::meta_record());
  if (!stored && stored.error().code != ErrorCode::kCorrupt) return fail(std::move(stored.error()));
  // One that was lost is not taken for one that never was.
  Status counted = stored && !*stored ? storage::check_sums(environment_, storage::kMetaGroup, true) : Status();
  if (!counted && counted.error().code != ErrorCode::kCorrupt) return counted;
  if (stored && counted) {
    auto record = *stored ? decode_meta_record(**stored) : MetaRecord{};
    if (record) {
      applied = frozen_index_ = record->applied;
      machine_ = cluster::MetaMachine(std::move(*record));
    }
  }
  if (!applied) spdlog::error("the record of nodes and placement is damaged: another node's is needed");
  const MetaState expected = expected_state(machine_, log);
  auto replica = cluster::Replica::start(options_.replica, *this, std::move(log), applied, now_ms);
  if (!replica) return fail(std::move(replica.error()));
  replica_ = std::move(*replica);
  if (!applied && !cluster::Membership::of(replica_->members(), self_).others_have_state())
    return fail(ErrorCode::kCorrupt, "state", "the record of nodes and placement is damaged, and nobody else has it");
  // One that stands below the log's beginning is of no use.
  if (replica_->is_passive()) fetch_.begin(replica_->snapshot_index());
  settle(now_ms);
  if (expected.version > state().version) host_.nodes_expected(expected);
  return {};
}

void MetaGroupImpl::wake() {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  timer_at_ms_ = 0;  // it has fired: what is still to come is asked for anew
  if (replica_wake_at_ms_ != 0 && replica_wake_at_ms_ <= now_ms) {
    replica_wake_at_ms_ = 0;
    replica_->tick(now_ms);
  }
  settle(now_ms);
}

void MetaGroupImpl::persisted(std::uint64_t ticket) {
  EARSHOT_INVARIANT(log_writes_under_way_ > 0, "a completion belongs to a write");
  --log_writes_under_way_;
  const std::uint64_t now_ms = clock_.monotonic_ms();
  replica_->persisted(ticket, now_ms);
  settle(now_ms);
}

void MetaGroupImpl::stop() {
  stopping_ = true;
  settle(clock_.monotonic_ms());
}

MetaStatus MetaGroupImpl::status() const {
  return {replica_->leader(),        replica_->term(), replica_->commit_index(),
          replica_->applied_index(), has_state(),      replica_->members()};
}

// ---- what is asked

void MetaGroupImpl::propose(MetaCommand command, OnOutcome done) {
  if (stopping_) return done(fail(stopping()));
  if (!leads()) return done(fail(not_leader()));
  if (proposals_.is_full())
    return done(fail(Error{ErrorCode::kOverloaded, "", "as many changes wait as may", limits::kRetryAfterMs}));
  const std::uint64_t now_ms = clock_.monotonic_ms();
  const auto index = submit(command, now_ms);
  if (!index) return done(fail(index.error()));
  proposals_.add(*index, replica_->term(), std::move(done));
  settle(now_ms);
}

// What nobody could read would stop every node that meets it in the log.
Result<LogIndex> MetaGroupImpl::submit(const MetaCommand& command, std::uint64_t now_ms) {
  auto bytes = std::make_shared<const std::string>(encode(command));
  if (auto readable = decode_meta_command(*bytes); !readable)
    return fail(ErrorCode::kInvalidArgument, readable.error().field, readable.error().detail);
  return replica_->submit({std::move(bytes)}, now_ms);
}

void MetaGroupImpl::join(std::string_view request, std::function<void(std::string)> answer) {
  auto judged = cluster::judge_join(join_desk(), state(), request);
  if (const auto* at_once = std::get_if<JoinAnswer>(&judged)) return answer(encode(*at_once));
  const auto answer_outcome = [this, answer = std::move(answer)](const cluster::MetaMachine::Outcome& outcome) {
    if (outcome) spdlog::info("node {} joins the cluster", outcome->value);
    answer(encode(cluster::answer_join(join_desk(), state(), outcome)));
  };
  propose(std::get<AddNode>(std::move(judged)), answer_outcome);
}

void MetaGroupImpl::remove(NodeId node, const std::vector<ShardStatus>& shards, OnRemoval done) {
  if (stopping_) return done(fail(stopping()));
  if (!leads()) {
    const MetaNode* leader = state().node(replica_->leader());
    if (leader == nullptr || leader->id == self_ || leader->addresses.clients.empty())
      return done(fail(ErrorCode::kUnavailable, "leader", "nobody leads the meta group, as far as is known here"));
    return done(AskLeader{leader->addresses.clients});
  }
  const std::uint64_t now_ms = clock_.monotonic_ms();
  const cluster::GroupView group = view(now_ms);
  cluster::RemovalFacts facts{self_, state(), {}, shards, {}, {}};
  for (const cluster::Member& member : group.members)
    if (member.voter) facts.meta_voters.push_back(member.node);
  facts.is_heard = [&](NodeId one) { return one == self_ || group.is_heard(one); };
  facts.may_be_there = [&](NodeId one) {
    return one == self_ || host_.is_up(one) || cluster::may_be_there(*replica_, one, now_ms);
  };
  const auto judged = cluster::judge_removal(node, facts);
  if (!judged) return done(fail(judged.error()));
  if (!*judged) return done(NodeRemoved{true});
  propose(**judged, [this, node, done = std::move(done)](const cluster::MetaMachine::Outcome& outcome) {
    // Somebody else has had it removed in the meantime.
    if (!outcome && !cluster::was_removed(state(), node)) return done(fail(outcome.error()));
    if (outcome) spdlog::warn("node {} is removed from the cluster", node.value);
    done(NodeRemoved{!outcome.has_value()});
  });
}

void MetaGroupImpl::receive(NodeId from, cluster::PeerTopic topic, const storage::SharedBytes& body) {
  if (topic == cluster::PeerTopic::kRaft) {
    const std::uint64_t now_ms = clock_.monotonic_ms();
    replica_->receive(cluster::PeerMessage{from, self_, *body}, now_ms);
    return settle(now_ms);
  }
  if (topic != cluster::PeerTopic::kCluster) return;
  auto message = decode_cluster_message(*body);
  if (!message) {
    ++malformed_;
    return spdlog::warn("a message of node {} to the meta group is dropped: {}", from.value,
                        message.error().to_string());
  }
  std::visit([this, from](auto& one) { take(from, one); }, *message);
}

// It says so again until it sees that the state says so too.
void MetaGroupImpl::take(NodeId from, TellAddresses& message) {
  const MetaNode* node = state().node(from);
  if (!leads() || node == nullptr || node->addresses == message.addresses) return;
  propose(SetAddresses{from, std::move(message.addresses)}, [from](const cluster::MetaMachine::Outcome& outcome) {
    if (!outcome) spdlog::warn("the addresses of node {} are not taken: {}", from.value, outcome.error().to_string());
  });
}

// Whoever has applied something has what is committed, also when it does not lead.
void MetaGroupImpl::take(NodeId from, const AskMetaState& message) {
  if (!has_state()) return;
  tell(from, MetaStateAnswer{message.ask, {replica_->applied_index(), machine_.record().term, state()}});
}

void MetaGroupImpl::take(NodeId /*from*/, MetaStateAnswer& message) {
  if (fetch_.received(std::move(message))) settle(clock_.monotonic_ms());
}

void MetaGroupImpl::tell(NodeId to, const ClusterMessage& message) {
  host_.send(to, cluster::PeerTopic::kCluster, std::make_shared<const std::string>(encode(message)));
}

// ---- what has come up

void MetaGroupImpl::apply(const storage::LogEntry& entry) {
  const std::uint64_t version = state().version;
  const auto outcome = machine_.apply(entry.index, entry.term, *entry.data);
  if (state().version != version && !is_dirty_) is_dirty_ = true, dirty_since_ms_ = clock_.monotonic_ms();
  proposals_.applied(entry.index, entry.term, outcome, called_);
}

void MetaGroupImpl::settle(std::uint64_t now_ms) {
  while (true) {
    act_on_role();
    tell_state();
    if (!called_.empty()) {
      for (auto& [done, outcome] : std::exchange(called_, {})) done(std::move(outcome));
      continue;
    }
    lead(now_ms);
    if (called_.empty() && !role_change_ && !leader_change_ && told_version_ == state().version) break;
  }
  fetch(now_ms);
  tell_own_addresses(now_ms);
  flush_if_due(now_ms);
  set_timer();
}

void MetaGroupImpl::act_on_role() {
  if (role_change_) {
    const bool leads_now = role_change_->role == Role::kLeader;
    proposals_.leave_other_terms(leads_now ? role_change_->term : Term(), called_);
    keeper_.reset();
    planner_.reset();
    role_change_.reset();
  }
  if (const auto change = std::exchange(leader_change_, std::nullopt))
    host_.leader_changed(change->first, change->second);
}

void MetaGroupImpl::tell_state() {
  if (told_version_ == state().version) return;
  told_version_ = state().version;
  host_.state_changed(std::make_shared<const MetaState>(state()));
}

// ---- as leader

void MetaGroupImpl::lead(std::uint64_t now_ms) {
  if (!leads() || stopping_ || !has_state()) return;
  propose_what_is_due(now_ms);
  if (leads()) keep_members(now_ms);
}

std::optional<MetaCommand> MetaGroupImpl::due_command(std::uint64_t now_ms) {
  if (!state().exists()) return options_.create ? std::optional<MetaCommand>(*options_.create) : std::nullopt;
  if (is_elsewhere()) return SetAddresses{self_, options_.addresses};
  const cluster::GroupView group = view(now_ms);
  return planner_.next(state(), [&group](NodeId node) { return cluster::follows(group, node); });
}

void MetaGroupImpl::propose_what_is_due(std::uint64_t now_ms) {
  if (own_pending_ || now_ms < own_at_ms_ || proposals_.is_full()) return;
  auto command = due_command(now_ms);
  own_at_ms_ = 0;
  if (!command) return;
  const auto index = submit(*command, now_ms);
  own_at_ms_ = now_ms + kTryAgainMs;
  if (!index) return;
  own_pending_ = true;
  proposals_.add(*index, replica_->term(), [this](const cluster::MetaMachine::Outcome& outcome) {
    own_pending_ = false;
    if (outcome)
      own_at_ms_ = 0;
    else
      spdlog::debug("the meta group refuses what this node proposed: {}", outcome.error().to_string());
  });
}

cluster::GroupView MetaGroupImpl::view(std::uint64_t now_ms) const {
  return cluster::view_of(
      *replica_, self_, [this](NodeId node) { return host_.is_up(node); }, now_ms);
}

void MetaGroupImpl::keep_members(std::uint64_t now_ms) {
  if (!state().exists()) return;
  const auto wanted = cluster::wanted_meta_members(state(), replica_->members(), self_);
  const auto step = keeper_.next(view(now_ms), wanted, now_ms);
  if (!step) return;
  if (auto done = cluster::do_step(*replica_, *step, now_ms); !done)
    spdlog::debug("the meta group's members stay as they are for now: {}", done.error().to_string());
}

// ---- as one of the others

bool MetaGroupImpl::is_elsewhere() const {
  const MetaNode* node = state().node(self_);
  return node != nullptr && node->state != NodeState::kRemoved && !options_.addresses.peers.empty() &&
         node->addresses != options_.addresses;
}

void MetaGroupImpl::tell_own_addresses(std::uint64_t now_ms) {
  if (!is_elsewhere() || stopping_) {
    tell_at_ms_ = 0;
    return;
  }
  if (now_ms < tell_at_ms_) return;
  tell_at_ms_ = now_ms + kTellAgainMs;
  const NodeId leader = replica_->leader();
  if (leader != NodeId() && leader != self_) tell(leader, TellAddresses{options_.addresses});
}

void MetaGroupImpl::fetch(std::uint64_t now_ms) {
  const NodeId leader = replica_->leader();
  if (const auto question = fetch_.ask(now_ms); question && leader != NodeId() && leader != self_)
    tell(leader, *question);
  if (is_flushing_) return;
  auto record = fetch_.take();
  if (!record) return;
  fetched_ = std::move(*record);
  write_record(*fetched_);
}

// ---- the disk

void MetaGroupImpl::flush_if_due(std::uint64_t now_ms) {
  if (is_flushing_ || !has_unflushed()) return;
  if (is_dirty_ && !stopping_ && now_ms < dirty_since_ms_ + options_.flush_delay_ms) return;
  is_dirty_ = false;
  write_record({replica_->applied_index(), machine_.record().term, state()});
}

void MetaGroupImpl::write_record(const MetaRecord& record) {
  is_flushing_ = true;
  frozen_index_ = record.applied;
  const std::string key = storage::keys::meta_record();
  const std::string value = encode(record);
  disk_.put(key, value);
  // It is all that there is: what was counted before does not matter.
  host_.write_state(disk_.freeze(record.applied, storage::sums_of_record(storage::kMetaGroup, key, value)));
}

void MetaGroupImpl::flushed() {
  EARSHOT_INVARIANT(is_flushing_, "a completed flush was asked for");
  const std::uint64_t now_ms = clock_.monotonic_ms();
  is_flushing_ = false;
  disk_.flushed();
  if (!fetched_) {
    if (has_state()) replica_->snapshot_flushed(frozen_index_, now_ms);
    return settle(now_ms);
  }
  const LogIndex applied = fetched_->applied;
  machine_ = cluster::MetaMachine(*std::exchange(fetched_, std::nullopt));
  is_dirty_ = false;
  if (!fetch_.is_enough(applied)) return settle(now_ms);
  fetch_.end();
  if (std::exchange(installs_, false)) {
    replica_->snapshot_installed(applied, now_ms);
  } else if (auto ready = replica_->state_ready(applied, now_ms); !ready) {
    spdlog::info("the record of nodes and placement that was fetched is too old: {}", ready.error().to_string());
    fetch_.begin(applied.next());
  }
  settle(now_ms);
}

void MetaGroupImpl::set_timer() {
  std::uint64_t at_ms = replica_wake_at_ms_;
  const auto no_later_than = [&at_ms](std::uint64_t other_ms) {
    if (other_ms != 0 && (at_ms == 0 || other_ms < at_ms)) at_ms = other_ms;
  };
  no_later_than(fetch_.due_at_ms());
  no_later_than(tell_at_ms_);
  if (is_dirty_ && !is_flushing_ && has_state()) no_later_than(dirty_since_ms_ + options_.flush_delay_ms);
  if (leads() && !stopping_) {
    no_later_than(keeper_.look_at_ms());
    if (!own_pending_) no_later_than(own_at_ms_);
  }
  if (at_ms == timer_at_ms_) return;
  timer_at_ms_ = at_ms;
  host_.wake_at(at_ms);
}

}  // namespace

Result<std::unique_ptr<MetaGroup>> MetaGroup::open(const MetaGroupOptions& options, MetaGroupHost& host,
                                                   storage::Environment& state, storage::LoadedLog log,
                                                   const Clock& clock) {
  auto group = std::make_unique<MetaGroupImpl>(options, host, state, clock);
  if (auto started = group->start(std::move(log)); !started) return fail(std::move(started.error()));
  return std::unique_ptr<MetaGroup>(std::move(group));
}

}  // namespace earshot::actors
