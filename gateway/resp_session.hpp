#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <kj/async.h>
#include <kj/timer.h>

#include "base/byte_budget.hpp"
#include "base/error.hpp"
#include "gateway/bridge.hpp"
#include "gateway/resp_places.hpp"
#include "gateway/session_context.hpp"
#include "gateway/token_expiry.hpp"
#include "resp/command.hpp"
#include "resp/replies.hpp"
#include "resp/request_parser.hpp"

namespace earshot::gateway {

// What a RespSession asks of its connection.
class RespControl {
 public:
  virtual ~RespControl() noexcept(false) = default;
  virtual auth::Origin origin() = 0;      // where it comes from, for logins
  virtual resp::ClientFacts facts() = 0;  // of its addresses and times
  virtual void logged_in() = 0;           // the login timeout no longer applies …
  virtual void logged_out() = 0;          // … and begins anew
  // There are replies to take, or more requests would be.
  virtual void changed() = 0;
};

struct Replies {
  std::string bytes;
  std::vector<ByteLease> leases;  // of the node's memory for answers, until they are written
};

// One client of Redis's protocol: reads its commands, has them done, and puts the replies in their order.
//
// Commands are done as if one after the other, but not one after the other: what changes places is passed on while
// earlier changes are under way, and shares their commits; so are questions behind questions. A question behind changes
// waits for them (see Turn), and then so does all that comes after it.
//
// Bounded: commands under way, replies that nobody has taken, large replies (one at a time), memory for answers. At the
// first three the client is not read on; at the last it gets an error. KJ thread only.
class RespSession final : public EventTarget, private kj::TaskSet::ErrorHandler {
 public:
  RespSession(SessionContext& context, RespControl& control);
  ~RespSession() noexcept(false) override;
  RespSession(const RespSession&) = delete;
  RespSession& operator=(const RespSession&) = delete;

  void feed(std::string_view bytes);
  // Nothing follows: what has come is still done and answered.
  void end_of_input();
  // Whether it takes requests now: else changed() tells when.
  [[nodiscard]] bool takes_more() const;
  // Of a request that has not come whole.
  [[nodiscard]] std::size_t bytes_half_read() const { return parser_.bytes_waiting(); }
  Replies take_replies();
  [[nodiscard]] bool has_replies() const { return !ready_.bytes.empty(); }
  // No more requests are taken; the connection is to be closed once the replies are written.
  [[nodiscard]] bool is_over() const { return is_over_ && slots_.empty(); }
  [[nodiscard]] bool is_logged_in() const { return is_logged_in_; }
  // For logs: a command of the connection, or (0) the connection.
  [[nodiscard]] RequestTag tag(actors::CallId call = 0) const {
    return {context_.node, RequestTag::Door::kRedis, id_, call};
  }

  void handle(ClientEvent event) override;
  void end(Error reason) override;
  // Answers what has waited too long; ends the session when its token has ended.
  void check_times();

 private:
  struct Slot {             // of a command under way
    resp::Command command;  // until the reply is there
    CallKind kind = CallKind::kLayers;
    std::size_t bytes = 0;  // that it takes
    bool is_resp3 = false;
    kj::TimePoint since;
    ByteLease lease;
    std::size_t reply_bytes = 0;       // that it may take, until it is there
    std::optional<std::string> reply;  // once it is there
    CallLog::Clock::time_point called_at = CallLog::Clock::now();
  };
  struct Held {  // a command that waits for its turn
    resp::Command command;
    std::size_t bytes = 0;
    kj::TimePoint since;
  };

  void run();
  // Whether the command may be begun now.
  [[nodiscard]] bool has_turn(const resp::Command& command);
  // Whether the client was told that it would wait for places, and still would.
  [[nodiscard]] bool is_loading(const resp::Command& command);
  void reply_loading();
  [[nodiscard]] bool is_complete();
  void begin(resp::Command command, std::size_t bytes);
  void begin_places(resp::Command command, std::size_t bytes, Turn turn);
  void begin_login(const resp::Auth& auth, std::optional<resp::Hello> hello);
  void judge(const std::string& token, std::optional<resp::Hello> hello);
  void greet(const resp::Hello& hello);
  void log_out();
  resp::ClientFacts client_facts(const resp::Command& command);
  void write_info(const resp::Info& info, std::size_t layers, resp::ReplyWriter& to) const;
  void answer(actors::CallId call, PlacesAnswer answer);
  // Before it is finished.
  void note_answered(actors::CallId call, const Slot& slot, const PlacesAnswer& answer);
  void finish(Slot& slot, std::string reply);
  void flush();
  // Runs `write` with a writer for the client.
  template <class Write>
  void reply(Write write);
  void fail_protocol(const Error& error);
  void taskFailed(kj::Exception&& exception) override;

  SessionContext& context_;
  RespControl& control_;
  const PortId port_;
  const std::uint64_t id_;  // that clients are told: of all threads' connections no other has it
  resp::RequestParser parser_;
  std::deque<Slot> slots_;         // in the order of the commands
  actors::CallId first_call_ = 1;  // of the first slot; the next have the next numbers
  std::optional<Held> held_;
  std::size_t bytes_under_way_ = 0;
  std::size_t bytes_behind_ = 0;  // of replies that wait for earlier ones, or may come
  std::size_t asked_ = 0;         // of the place desk, without an answer
  std::size_t writes_ = 0;        // under way
  std::size_t large_ = 0;         //
  bool is_alone_ = false;         // one is under way that nothing passes
  bool is_judged_ = false;        // a login is under way
  actors::PlaceViews::Waiting waits_for_places_;
  bool was_told_loading_ = false;
  bool is_logged_in_ = false;
  bool has_ended_ = false;  // its input
  bool is_over_ = false;
  bool is_resp3_ = false;
  TokenExpiry expiry_;
  std::string name_;
  Replies ready_;
  kj::TaskSet tasks_;
};

}  // namespace earshot::gateway
