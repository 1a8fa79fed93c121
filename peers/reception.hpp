#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include <kj/async-io.h>

#include "peers/counters.hpp"
#include "peers/greeting.hpp"
#include "peers/lines.hpp"
#include "peers/rare_log.hpp"

namespace earshot::peers {

struct ReceptionLimits {
  std::size_t strangers_max = limits::kPeerStrangersMax;
  std::uint64_t handshake_ms = limits::kPeerHandshakeMs;
  std::size_t requests_max = limits::kPeerRequestsMax;
  std::uint64_t request_ms = limits::kPeerRequestMs;
};

// Whoever has connected to this node and is no link yet: is asked who it is, and welcomed or refused. Holds a bounded
// number of them, each with little memory and not for long; one too many takes the place of the one that has waited
// longest. KJ thread only.
class Reception final : private kj::TaskSet::ErrorHandler {
 public:
  using GuestId = std::uint64_t;

  struct Guest {
    GuestId id = 0;
    std::string address;
    Line line;
    Hello hello;
    bool asks = false;                                  // a joiner, whose request is being answered
    kj::Own<kj::PromiseFulfiller<std::string>> answer;  // for it …
    kj::Promise<std::string> answered = nullptr;        // … and what comes of it
    kj::Promise<void> serving = nullptr;
  };

  class Host {
   public:
    virtual ~Host() noexcept(false) = default;
    [[nodiscard]] virtual Hello own_hello() const = 0;
    // A node has said hello. Resolves when it is known whether it is refused.
    virtual kj::Promise<std::optional<Refusal>> judge(Guest& guest) = 0;
    // It was welcomed, and starts: the host may take its line, or leave it.
    virtual void started(Guest& guest) = 0;
    // A joiner's question, to be answered by answer().
    virtual std::optional<Refusal> judge_joiner(const Guest& guest) = 0;
    virtual void asked(GuestId guest, std::string request) = 0;
    // Nothing more will come of it.
    virtual void gone(const Guest& guest) = 0;
  };

  Reception(Lines& lines, PeerCounters& counters, const Clock& clock, const ReceptionLimits& limits, Host& host);

  // Serves until dropped.
  kj::Promise<void> listen(kj::ConnectionReceiver& receiver);
  // Nothing: there is none. The guest may be gone.
  void answer(GuestId guest, std::optional<std::string> bytes);
  void drop(GuestId guest);
  [[nodiscard]] std::size_t guests() const { return guests_.size(); }

 private:
  void let_in(kj::Own<kj::AsyncIoStream> stream);
  void make_room();
  kj::Promise<void> greet(Guest& guest);
  kj::Promise<void> greeted(Guest& guest, const Greeting& greeting);
  kj::Promise<void> welcome(Guest& guest);
  kj::Promise<void> take_request(Guest& guest);
  kj::Promise<void> answer_request(Guest& guest);
  kj::Promise<void> refuse(Guest& guest, Refusal refusal);
  kj::Promise<void> wait_for_end(Guest& guest);
  kj::Promise<void> too_late(std::uint64_t after_ms);
  void failed(const Guest& guest, const std::string& why);
  void over(GuestId guest);
  void taskFailed(kj::Exception&& exception) override;

  Lines& lines_;
  PeerCounters& counters_;
  const ReceptionLimits limits_;
  Host& host_;
  RareLog log_;
  GuestId last_ = 0;
  std::size_t asking_ = 0;
  std::map<GuestId, kj::Own<Guest>> guests_;  // the oldest first
  kj::TaskSet tasks_;
};

}  // namespace earshot::peers
