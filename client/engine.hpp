#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "client/ack_queue.hpp"
#include "client/announcer.hpp"
#include "client/calls.hpp"
#include "client/client.hpp"
#include "client/counters.hpp"
#include "client/inbox.hpp"
#include "client/intake.hpp"
#include "client/link.hpp"
#include "client/loop.hpp"
#include "client/outbox.hpp"
#include "client/reconnector.hpp"

namespace earshot::client {

// One client's life on the loop: moves events between the link, the store, the application and the classes that
// know what they mean (Outbox, Inbox, AckQueue, Calls, Reconnector).
//
//   kWaiting ──delay──► kConnecting ──logged in──► kWelcoming ──committed──► kOpen ──asked to go──► kLeaving
//      ▲                    │                         │                       │                        │
//      └────────────────────┴───────── lost ──────────┴───────────────────────┼──── logged out ────────┘
//                                                                             ▼
//                            kStopped ◄── replaced, refused, closed ──────────┘
//
// kConnecting commits, the first time, that another run has begun. kWelcoming waits until no other transaction is under
// way, then commits what the welcome changes, alone. Asked to go, the client stays kOpen for a time drawn at random,
// begins nothing new until what is under way is answered, and logs out.
//
// Thread safety: the loop's thread; stats() and wait_connected() from any.
class Engine final : public std::enable_shared_from_this<Engine>, private LinkEvents {
 public:
  Engine(const Options& options, DeviceId device, std::shared_ptr<Store> store, Handlers handlers,
         std::shared_ptr<Loop> loop, std::shared_ptr<Intake> intake, StoredState state);

  void start();
  // The intake has committed messages, or can be reserved again.
  void take_committed();
  void fill_outbox();
  void go_on();
  // A call of the application.
  void ask(CallRequest request, Calls::Done done);
  // Logs out and calls `done` when the store has nothing more to do for this client.
  void shut_down(std::function<void()> done);

  [[nodiscard]] Stats stats() const { return counters_.snapshot(); }
  Status wait_connected(std::uint64_t timeout_ms);
  // From any thread.
  void close_handlers() { announcer_.close(); }

 private:
  enum class State : std::uint8_t { kWaiting, kConnecting, kWelcoming, kOpen, kLeaving, kStopped };

  // A batch on its way: judged, offered, stored, acked, shown, taken.
  struct Work {
    Batch batch;
    bool fetched = false;
    std::uint64_t generation = 0;  // the connection that it came by
    std::function<void()> taken;   // moved to taken_ when its turn comes: it must die on the loop
    Inbox::Judgement judgement;
    InboxHead head;
    std::vector<Rejection> rejections;
  };

  // ---- engine.cpp: the life of connections
  void logged_in(Result<Welcome> welcome) override;
  void closed(Error reason) override;
  void lost(Error reason) override;
  void connect();
  void begin_run();
  void run_stored(const Status& status);
  void ask_token();
  void token_given(std::uint64_t generation, Result<std::string> token);
  void open_link(std::string token);
  void try_welcome();
  void welcome_stored(std::uint64_t generation, Outbox::Plan plan, InboxHead head, Status status);
  void open_session();
  void drop_connection();
  // The attempt or the connection has failed for a reason that no other address would change.
  void put_off(Error reason);
  bool wants_another_opinion();
  void wait_and_reconnect(ConnectionChange change, std::uint64_t wait_ms);
  void stop(ConnectionChange::Kind kind, Error reason);
  void finish_shut_down();
  void check_shut_down();
  void announce(ConnectionChange change);
  void arm();

  // ---- engine_leaving.cpp: to another node, at this one's wish
  void go_away(GoAway request) override;
  [[nodiscard]] std::vector<std::string> usable(std::vector<std::string> addresses) const;
  // Nothing new is begun on this connection.
  [[nodiscard]] bool is_leaving() const { return leave_at_ms_ != 0 && leave_at_ms_ <= now_ms(); }
  void pump_leaving();
  void log_out();
  void left();

  // ---- engine_calls.cpp
  void pump_calls();
  void expire_calls();
  void put_on_wire(const Calls::Next& next);
  void call_answered(Calls::Ticket ticket, Result<CallReply> answer);
  // In a turn of their own.
  void tell(std::vector<Calls::Finished> finished);

  // ---- engine_sending.cpp
  void sent(std::uint64_t call, std::span<SendAnswer> answers) override;
  void acked(Status status) override;
  void pump();
  void pump_sends();
  void pump_removals();
  void removal_done(Outbox::Removals removals, Status status);
  void hand_over_uncertain();
  void report(std::vector<SendReport> reports);

  // ---- engine_receiving.cpp
  void delivered(Batch batch, std::function<void()> taken) override;
  void process_next();
  void offer(std::shared_ptr<Work> work);
  void store(std::shared_ptr<Work> work);
  void stored(std::shared_ptr<Work> work, Status status);
  void show(std::shared_ptr<Work> work);
  void finish(const std::shared_ptr<Work>& work);
  void nack(Work& work);
  void begin_repair(const Inbox::Repair& repair, bool in_haste);
  [[nodiscard]] bool can_repair() const { return repair_ && !fetching_ && !working_ && work_.empty(); }
  void pump_repair();
  void repair_fetched(std::uint64_t generation, Result<Batch> batch);

  // Runs task(engine) on the loop: now when this is its thread, else later. The engine goes along: what calls back from
  // another thread must not end up as its last owner, since the engine owns the store, which cannot end on a thread of
  // its own.
  template <class Task>
  static void on_loop(std::shared_ptr<Engine>& self, Task task) {
    const std::shared_ptr<Loop> loop = self->loop_;
    auto run = [self = std::move(self), task = std::move(task)]() mutable { task(*self); };
    if (loop->is_current_thread()) {
      run();
    } else {
      loop->post(std::move(run));
    }
  }
  [[nodiscard]] std::uint64_t now_ms() const { return loop_->clock().monotonic_ms(); }

  const Options options_;
  const DeviceId device_;
  const std::shared_ptr<Store> store_;
  const std::shared_ptr<Loop> loop_;
  const std::shared_ptr<Intake> intake_;
  Announcer announcer_;
  Random random_;
  Outbox outbox_;
  Inbox inbox_;
  AckQueue acks_;
  Calls calls_;
  Reconnector reconnector_;
  Counters counters_;

  State state_ = State::kWaiting;
  std::unique_ptr<Link> link_;
  std::uint64_t generation_ = 0;  // counts connections
  bool token_refused_ = false;    // the one that the token source gave last
  bool login_refused_ = false;    // by one node, for good: another is asked, too
  std::optional<GoAway> asked_to_go_;
  std::uint64_t leave_at_ms_ = 0;  // asked to go: begin nothing new from here on; 0: not asked
  std::uint64_t leave_by_ms_ = 0;  // and log out by then, whatever is under way
  std::optional<Welcome> welcome_;
  bool run_begun_ = false;      // the store has counted this run
  bool renames_store_ = false;  // it is a copy, whose number of runs says nothing
  bool beginning_ = false;      // Store::add is under way, to count this run
  bool planning_ = false;       // Store::welcome is under way
  std::uint64_t armed_at_ms_ = 0;

  Outbox::Call call_;  // reused memory
  bool pumping_ = false;
  bool pump_again_ = false;
  bool removing_ = false;  // Store::remove is under way
  std::uint32_t remove_failures_ = 0;
  std::uint64_t remove_retry_at_ms_ = 0;

  std::deque<std::shared_ptr<Work>> work_;
  bool working_ = false;               // on the batch taken from work_
  std::function<void()> taken_;        // of that batch
  bool storing_ = false;               // Store::receive is under way
  std::shared_ptr<Work> store_again_;  // the store refused it
  std::uint64_t store_retry_at_ms_ = 0;
  std::uint32_t receive_failures_ = 0;

  std::optional<Inbox::Repair> repair_;
  bool fetching_ = false;
  std::uint32_t repair_attempts_ = 0;
  std::uint64_t repair_at_ms_ = 0;

  std::function<void()> shut_down_done_;
  bool shutting_down_ = false;

  std::mutex status_mutex_;
  std::condition_variable status_changed_;
  bool connected_ = false;
  std::optional<Error> stopped_;
  Error last_loss_;
};

}  // namespace earshot::client
