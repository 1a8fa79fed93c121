#pragma once

#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "actors/shard.hpp"
#include "storage/log_store.hpp"
#include "storage/model_environment.hpp"
#include "storage/state_store.hpp"
#include "tests/support/flawed_environment.hpp"
#include "tests/support/shard_ports.hpp"

namespace earshot::tests {

// One shard on a modelled disk, with a real replica and state machine. The test is its writers, its mailbox and its
// clock: nothing is synced, flushed or gathered until the test says so.
class ShardWorld : private actors::ShardHost {
 public:
  static constexpr ShardId kShard{1};
  static constexpr ShardId kOther{2};

  explicit ShardWorld(bool open_now = true) {
    if (open_now) start();
  }

  actors::Shard& operator*() { return *shard_; }
  actors::Shard* operator->() { return shard_.get(); }

  void start() {
    log_environment_ = log_disk.open();
    state_environment_ = std::make_unique<FlawedEnvironment>(state_disk.open(), state_flaws);
    store_ = std::move(storage::LogStore::open(*log_environment_).value());
    actors::ShardOptions options;
    options.id = kShard;
    options.shard_count = kShardCount;
    options.replica.group = kShard;
    options.replica.bootstrap = founders;
    options.feeds = founders.size() > 1;
    auto opened =
        actors::Shard::open(options, *this, *state_environment_, store_->load(kShard).value(), budgets, clock);
    ASSERT_TRUE(opened.has_value()) << opened.error().to_string();
    shard_ = std::move(*opened);
    others.assign(kShardCount, nullptr);
    for (auto& other : others) other = std::make_shared<RecordingShard>();
    shard_->join(std::make_shared<const actors::Router>(
        std::vector<std::shared_ptr<actors::ShardInbox>>(others.begin(), others.end())));
  }
  // The process ends at once; what was not synced is gone.
  void crash() {
    shard_.reset(), store_.reset(), log_environment_.reset(), state_environment_.reset();
    writes_.clear(), overlays_.clear(), gather_asked_ = false, scan_asked_ = false, wake_at_ms = 0;
    moves.clear(), cleared_layers.clear(), all_told = false;
  }
  void restart() { crash(), start(), settle(); }

  // The log writer commits the oldest write.
  bool sync_one() {
    if (writes_.empty()) return false;
    const storage::LogWrite write = std::move(writes_.front());
    writes_.pop_front();
    EXPECT_TRUE(store_->write({&write, 1}).has_value());
    shard_->persisted(write.ticket);
    return true;
  }
  void sync() {
    for (std::size_t count = writes_.size(); count > 0; --count) sync_one();
  }
  bool gather() {
    if (!std::exchange(gather_asked_, false)) return false;
    shard_->gather();
    return true;
  }
  // A page of positions, when the one before it has been taken in; false: there is none to be told.
  bool scan_page() {
    if (!std::exchange(scan_asked_, false)) return false;
    shard_->scan_positions();
    return true;
  }
  // Until all positions are told.
  void scan() {
    while (scan_page()) {
    }
  }
  // Until the log has nothing left to do.
  void settle() {
    while (gather() || sync_one()) {
    }
  }
  // The state writer commits what it was given.
  bool write_overlay() {
    if (overlays_.empty()) return false;
    const auto overlay = std::move(overlays_.front());
    overlays_.pop_front();
    EXPECT_TRUE(storage::write_overlays(*state_environment_, {&overlay, 1}).has_value());
    shard_->flushed(actors::FlushOutcome::kWritten);
    return true;
  }
  void advance(std::uint64_t ms) {
    clock.advance(ms);
    if (wake_at_ms != 0 && wake_at_ms <= clock.monotonic_ms()) wake_at_ms = 0, shard_->wake();
  }

  // Messages number first, first + 1, … of one lane to `user`, in one request.
  void send(const std::shared_ptr<RecordingSession>& from, const UserId& to, std::uint64_t first,
            std::uint64_t count = 1, bool copy_to_self = false) {
    SendCommand command{ProducerId(7), sender, device("phone"), {}};
    for (std::uint64_t number = first; number < first + count; ++number) {
      OutgoingMessage message = outgoing(to, number, "body " + std::to_string(number));
      message.copy_to_self = copy_to_self;
      command.items.push_back(SendItem{std::move(message), std::nullopt});
    }
    shard_->handle(actors::ShardSend{from, ++requests, std::move(command)});
  }
  Result<Batch> fetch(const UserId& user) {
    auto port = std::make_shared<RecordingSession>();
    shard_->handle(actors::ShardFetch{port, ++requests, user, Sequence(0), 1000, 1 << 20});
    return port->fetches.at(0).batch;
  }
  std::vector<std::string> bodies(const UserId& user) {
    std::vector<std::string> bodies;
    Batch batch = fetch(user).value();
    for (auto& message : batch.messages) bodies.push_back(std::move(message.body));
    return bodies;
  }
  [[nodiscard]] std::size_t writes() const { return writes_.size(); }
  [[nodiscard]] std::size_t entries_waiting() const {
    std::size_t count = 0;
    for (const auto& write : writes_) count += write.entries.size();
    return count;
  }
  [[nodiscard]] const storage::LogWrite& last_write() const { return writes_.back(); }
  [[nodiscard]] bool has_overlay() const { return !overlays_.empty(); }
  [[nodiscard]] bool gather_asked() const { return gather_asked_; }

  std::vector<cluster::Member> founders = {{NodeId(1), "local", true}};  // of the group; before start()
  storage::ModelDisk log_disk{storage::LogStore::tables().size()};
  storage::ModelDisk state_disk{storage::state_tables().size()};
  DiskFlaws state_flaws;
  ManualClock clock;
  std::shared_ptr<actors::NodeBudgets> budgets = std::make_shared<actors::NodeBudgets>();
  std::vector<std::shared_ptr<RecordingShard>> others;
  const UserId alice = user_in(kShard, 0);
  const UserId bob = user_in(kShard, 1);
  const UserId sender = user_in(kOther, 0);  // lives in another shard
  std::uint64_t wake_at_ms = 0;
  std::uint64_t requests = 0;
  std::vector<cluster::Move> moves;  // as told
  std::vector<cluster::ClearedLayer> cleared_layers;
  std::vector<cluster::PrivacyChange> privacies;
  bool all_told = false;
  std::vector<bool> registrations_agree;  // as told

 private:
  void write_log(storage::LogWrite write) override { writes_.push_back(std::move(write)); }
  void write_state(std::shared_ptr<const storage::FrozenOverlay> overlay) override {
    overlays_.push_back(std::move(overlay));
  }
  void wake_at(std::uint64_t monotonic_ms) override { wake_at_ms = monotonic_ms; }
  void gather_soon() override {
    EXPECT_FALSE(gather_asked_) << "one gather is asked for at a time";
    gather_asked_ = true;
  }

  void scan_soon() override { scan_asked_ = true; }
  void tell_moves(std::vector<cluster::Move> told, std::vector<cluster::ClearedLayer> cleared) override {
    moves.insert(moves.end(), told.begin(), told.end());
    cleared_layers.insert(cleared_layers.end(), cleared.begin(), cleared.end());
  }
  void tell_page(std::vector<cluster::Move> told) override {
    tell_moves(std::move(told), {});
    scan_asked_ = true;
  }
  void tell_privacies(std::vector<cluster::PrivacyChange> told) override {
    privacies.insert(privacies.end(), told.begin(), told.end());
  }
  void tell_all_told() override { all_told = true; }
  void send_feed(NodeId /*to*/, actors::FeedTiding /*tiding*/) override {
    ADD_FAILURE() << "a node that is alone feeds nobody";
  }
  void send_to_peer(cluster::PeerMessage /*message*/) override {
    EXPECT_GT(founders.size(), 1u) << "the only voter has nobody to send to";
  }
  void compared(NodeId /*node*/, bool again) override { registrations_agree.push_back(!again); }
  void follows(NodeId /*leader*/, Term /*term*/, NodeId /*asked_by*/) override { ADD_FAILURE() << "it leads"; }
  void send_seed(NodeId /*to*/, std::string /*bytes*/) override { ADD_FAILURE() << "nobody asks for its state"; }
  Result<std::vector<storage::LogEntry>> read_log(LogIndex first, LogIndex last, std::size_t bytes_max) override {
    return store_->read(kShard, first, last, bytes_max);
  }
  void leader_is(NodeId /*leader*/, Term /*term*/) override {}
  bool is_up(NodeId /*node*/) override { return true; }
  void give_back(actors::ShardRequest /*request*/) override { ADD_FAILURE() << "the only voter leads"; }

  std::unique_ptr<storage::Environment> log_environment_;
  std::unique_ptr<storage::Environment> state_environment_;
  std::unique_ptr<storage::LogStore> store_;
  std::unique_ptr<actors::Shard> shard_;
  std::deque<storage::LogWrite> writes_;
  std::deque<std::shared_ptr<const storage::FrozenOverlay>> overlays_;
  bool gather_asked_ = false;
  bool scan_asked_ = false;
};

}  // namespace earshot::tests
