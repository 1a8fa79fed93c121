#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/backoff.hpp"
#include "base/error.hpp"
#include "base/limits.hpp"
#include "base/random.hpp"
#include "client/repeats.hpp"

namespace earshot::client {

// What the application has asked and waits for: on a connection, or for one. A call goes through
//
//   add() ──► waiting ──next()──► on the wire ──answered()──► finished
//                ▲                     │
//                └── "not now", lost ──┘        and from everywhere, at its deadline, ──► finished
//
// so that its caller sees a pause where a node dies, and an answer. What may be made again, and what must keep its
// turn, is told by repeats.hpp.
//
// Pure logic, one thread. Time comes in as monotonic ms. Who is to be told is returned, never called from here.
class Calls {
 public:
  struct Limits {
    std::uint64_t timeout_ms = 30'000;  // 0: nothing waits or is made again
    BackoffPolicy backoff;
    std::size_t calls_max = limits::kClientCallsMax;
    bool renews_token = false;  // a token that has ended is followed by another
  };
  using Done = std::function<void(Result<CallReply>)>;
  struct Finished {
    Done done;
    Result<CallReply> answer;
    void tell() { done(std::move(answer)); }
  };

  Calls(Limits limits, Random random) : limits_(limits), random_(random) {}

  // kUnavailable when nothing may wait and there is no connection, kOverloaded(calls) when too many wait.
  std::optional<Finished> add(CallRequest request, Done done, std::uint64_t now_ms);

  // ---- the connection

  void connected(std::uint32_t calls_in_flight_max);
  // What was on the wire will not be answered.
  std::vector<Finished> disconnected();
  // There will be no connection any more.
  std::vector<Finished> stop(const Error& reason);

  // One attempt at one call.
  struct Ticket {
    std::uint64_t call = 0;
    std::uint64_t attempt = 0;
  };
  struct Next {
    Ticket ticket;
    const CallRequest* request = nullptr;  // until the next change
  };
  // The next call to make; it is on the wire from here on.
  std::optional<Next> next(std::uint64_t now_ms);
  // Null when it is not on the wire any more.
  [[nodiscard]] const CallRequest* request_of(Ticket ticket) const;
  std::optional<Finished> answered(Ticket ticket, Result<CallReply> answer, std::uint64_t now_ms);
  // Those whose time is over. `trouble`: why there is no connection, "" when there is one.
  [[nodiscard]] bool has_expired(std::uint64_t now_ms) const;
  std::vector<Finished> expire(std::uint64_t now_ms, const std::string& trouble);

  [[nodiscard]] bool has_on_wire() const { return !on_wire_.empty(); }
  // When expire() has something; 0: never.
  [[nodiscard]] std::uint64_t deadline_ms() const;
  // When next() may have something although nothing happened; 0: never.
  [[nodiscard]] std::uint64_t due_ms() const;

 private:
  struct Call {
    CallRequest request;
    Done done;                        // null: its deadline has passed while it was on the wire
    std::uint64_t number = 0;         // in the order of asking
    std::uint64_t deadline_ms = 0;    // 0: none
    std::uint64_t due_ms = 0;         // not before
    std::uint64_t attempt = 0;        // the newest
    std::uint32_t attempts = 0;       //
    bool may_have_been_made = false;  // by an attempt without an answer
    std::string turn;
    Error last;  // why it was not answered yet
  };
  struct Turn {
    std::size_t calls = 0;       // that are not finished
    std::uint64_t answered = 0;  // the latest call that was made
  };

  [[nodiscard]] bool is_overtaken(const Call& call) const;
  [[nodiscard]] bool may_repeat(const Call& call, const Error& error) const;
  void wait(Call call);
  Finished finish(Call call, Result<CallReply> answer);
  Finished expired(Call& call, const std::string& trouble) const;

  Limits limits_;
  Random random_;
  bool connected_ = false;
  std::size_t on_wire_max_ = 1;
  std::uint64_t last_number_ = 0;
  std::uint64_t last_attempt_ = 0;
  std::map<std::uint64_t, Call> waiting_, on_wire_;  // by number
  std::unordered_map<std::string, Turn> turns_;
  std::uint64_t nothing_until_ms_ = 0;  // next() has nothing before, unless something happens
};

}  // namespace earshot::client
