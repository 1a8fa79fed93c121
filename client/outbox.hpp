#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/backoff.hpp"
#include "base/stream.hpp"
#include "client/client.hpp"
#include "client/store.hpp"

namespace earshot::client {

// What this client has promised to send: lanes, windows, answers. A message goes through
//
//   add() ──► in its lane ──next_call()──► under way ──Stored, Refused──► answered ──removed()──► gone
//                 ▲                            │
//                 └── Held, connection lost ───┘
//
// An answered message leaves its lane only when the store has forgotten it: what we tell the server it may forget
// (answered_below) must not be asked for again after a crash.
//
// Pure logic, one thread. Time comes in as monotonic ms.
class Outbox {
 public:
  struct Limits {
    std::size_t messages_under_way_max = 4'096;
    std::size_t calls_eager = 4;  // so many calls go out however small; more only when they are worth it
    std::size_t call_worth_messages = 64;
    BackoffPolicy held;  // of a lane that was held
  };

  Outbox(Limits limits, Random random) : limits_(limits), random_(random) {}

  // Whether what a store held can be an outbox: kCorrupt otherwise. To be asked before load().
  static Status check(const OutboxHead& head, std::span<const OutboxMessage> messages);
  // Takes over what a store held: unanswered messages, some of which an earlier run may have sent.
  void load(const OutboxHead& head, std::vector<OutboxMessage> messages);
  // Takes a committed message.
  void add(OutboxMessage message);

  // ---- a new connection. plan() says what the welcome changes; then, committed or not, adopt() or abandon(). Between
  // connections, and only when the store has forgotten everything that was answered.

  struct Plan {
    OutboxHead head;
    std::vector<OutboxMessage> changed;  // the uncertain ones first
    std::size_t uncertain = 0;
    bool restart = false;  // new producer: every lane starts anew
  };
  [[nodiscard]] Plan plan(const Welcome& welcome, const OutboxHead& head);
  void adopt(Plan plan);
  void abandon(Plan plan);

  // Calls may be made from here on, from each lane's first unanswered message.
  void connected(const ServerLimits& limits);
  // Calls under way will not be answered.
  void disconnected();

  // ---- sending

  struct Item {
    const OutgoingMessage* message = nullptr;  // valid until the next change of the outbox
    LaneNumber answered_below;
    std::uint64_t ttl_ms = 0;  // what is left of it; 0: it has none
    bool expired = false;      // nothing is left: it goes out in its expired_form()

    // What uses up the number of a message that is not to be stored any more. One that was stored before, under a lost
    // answer, gets that answer again.
    [[nodiscard]] OutgoingMessage expired_form() const;
  };
  struct Call {
    std::uint64_t id = 0;
    std::size_t bytes = 0;
    std::size_t resent = 0;
    std::vector<Item> items;
  };
  // The next call to make, if something is ready and the windows have room. `call` is reused memory.
  // `wall_ms` is this device's clock, by which times to live run here.
  bool next_call(std::uint64_t now_ms, std::uint64_t wall_ms, Call& call);

  // How many messages have to be added before next_call may have something because of them; SIZE_MAX: an answer has to
  // come first. Once it has had nothing.
  [[nodiscard]] std::size_t messages_awaited() const;

  // The answers to a call, one per message. Appends final ones to `reports`; false when they do not fit the call.
  bool answered(std::uint64_t call, std::span<SendAnswer> answers, std::uint64_t now_ms,
                std::vector<SendReport>& reports);

  [[nodiscard]] bool has_calls_under_way() const { return !calls_.empty(); }

  // A lane does not know us any more: log in with producer 0.
  [[nodiscard]] bool needs_new_producer() const { return needs_new_producer_; }
  // When next_call may have something although nothing happened; 0: never.
  [[nodiscard]] std::uint64_t wake_at_ms() const;

  // ---- forgetting

  // Messages handed back uncertain, each given once; to be removed as by give_back() when the application has them.
  std::vector<OutboxMessage> take_uncertain() { return std::exchange(uncertain_, {}); }
  // What to take out of the store, each given once until give_back().
  struct Removals {
    std::vector<Ticket> tickets;
    std::size_t bytes = 0;  // of their bodies
  };
  [[nodiscard]] bool has_removable() const { return !removable_.tickets.empty(); }
  Removals take_removable() { return std::exchange(removable_, {}); }
  void give_back(Removals removals);
  // The store has forgotten them.
  void removed(std::span<const Ticket> tickets);

  [[nodiscard]] std::uint64_t held() const { return held_; }
  [[nodiscard]] std::uint64_t repeats_answered() const { return repeats_answered_; }

 private:
  struct Entry {
    OutboxMessage kept;
    std::uint32_t sends = 0;
    bool answered = false;
    std::uint64_t round = 0;           // of its lane when it was last sent …
    std::uint64_t answered_round = 0;  // … and when it was answered
  };
  struct Lane {
    explicit Lane(LaneNumber first) : stream(SIZE_MAX, 1, first.value) {}
    StreamSender<Entry> stream;  // bounded by the outbox's own limits
    std::uint32_t attempt = 0;   // times held since the last progress
    std::uint64_t resume_at_ms = 0;
    bool queued = false;
  };
  struct Sent {
    ShardId lane;
    LaneNumber number;
  };
  struct Run {  // the part of a call that belongs to one lane
    ShardId lane;
    std::size_t end = 0;
    StreamSender<Entry>::Ticket ticket;
  };
  struct CallUnderWay {
    std::uint64_t id = 0;
    std::size_t bytes = 0;
    std::vector<Sent> items;
    std::vector<Run> runs;
  };

  Lane& lane_of(const OutboxMessage& message);
  void queue(ShardId shard, Lane& lane);
  void wake_resting(std::uint64_t now_ms);
  [[nodiscard]] bool is_at_calls_max() const;
  [[nodiscard]] std::size_t backlog() const;
  bool fill(ShardId shard, Lane& lane, std::uint64_t wall_ms, Call& call, CallUnderWay& under_way) const;
  void answer_one(Sent sent, const StreamSender<Entry>::Ticket& ticket, SendAnswer& answer, std::uint64_t now_ms,
                  std::vector<SendReport>& reports);
  void remove(const OutboxMessage& message);
  void finish(Sent sent, Entry& entry, SendOutcome outcome, std::vector<SendReport>& reports);
  // `last_sent_round`: the lane's round when this message was last sent.
  void hold(Sent sent, std::uint64_t last_sent_round, const StreamSender<Entry>::Ticket& ticket, const Error& error,
            std::uint64_t now_ms);

  const Limits limits_;
  Random random_;
  ServerLimits server_;
  bool connected_ = false;
  bool needs_new_producer_ = false;
  Ticket maybe_sent_through_;                 // of the loaded state
  std::deque<OutboxMessage> waiting_;         // not numbered yet
  std::vector<std::unique_ptr<Lane>> lanes_;  // by shard; made when used
  std::deque<ShardId> ready_;
  std::vector<ShardId> resting_;  // held, until their resume_at_ms
  std::deque<CallUnderWay> calls_;
  std::vector<CallUnderWay> spare_;  // memory of answered calls
  std::vector<OutboxMessage> uncertain_;
  Removals removable_;
  std::deque<std::pair<Ticket, Sent>> answered_;  // not yet forgotten by the store, by when they were answered
  std::uint64_t next_call_ = 1;
  std::size_t numbered_ = 0;   // entries in lanes
  std::size_t under_way_ = 0;  // messages of calls_
  std::size_t under_way_bytes_ = 0;
  std::uint64_t held_ = 0;
  std::uint64_t repeats_answered_ = 0;
};

}  // namespace earshot::client
