#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_set>
#include <variant>
#include <vector>

#include <kj/async.h>
#include <kj/io.h>

#include "actors/place_desk.hpp"
#include "actors/ports.hpp"
#include "base/error.hpp"

// The one place where the actors' threads and the KJ threads meet. Actors say something to a connection by putting it
// into the queue of the connection's KJ thread; the other direction is SessionInbox::post(), which is thread-safe by
// itself.
namespace earshot::gateway {

using PortId = std::uint64_t;  // of one session's way back to its connection, unique on its KJ thread

using Answer = std::variant<std::vector<SendAnswer>, Status, Result<Sequence>, Result<Batch>, Result<ManageAnswer>>;

struct LoggedIn {
  Result<Welcome> welcome;
};
struct Answered {
  actors::CallId call = 0;
  Answer answer;
};
struct Closed {
  Error reason;
};

// What a PlaceDesk and its views answer; the last three to users, and what layers show them.
using PlacesAnswer =
    std::variant<Result<actors::PlaceDesk::Outcomes>, Result<std::uint64_t>, Result<std::vector<std::uint64_t>>,
                 Result<actors::NearbyAnswer>, actors::Scores, std::vector<places::ScoredMember>, actors::FoundLayers,
                 actors::ScannedLayers, Result<actors::Scores>, Result<actors::MemberDistance>, LayerPrivacyInfo,
                 Error>;  // there is no answer of any kind
struct PlacesAnswered {
  actors::CallId call = 0;
  PlacesAnswer answer;
};
struct PlacesComplete {};  // the node knows where everybody is

using ClientEvent = std::variant<LoggedIn, Answered, actors::Delivery, Closed, PlacesAnswered, PlacesComplete, GoAway>;

// What a client speaks.
enum class Protocol : std::uint8_t { kRpc, kResp };
struct AcceptedSocket {
  kj::AutoCloseFd fd;
  Protocol protocol = Protocol::kRpc;
};

// The queue of one KJ thread, with a doorbell.
//
//  * Any thread posts; nothing blocks but on the short lock. The KJ thread waits for the bell and takes the whole queue
//  at once,
//    so that a burst costs one wake-up.
//  * The bell is armed only while the queue is empty and rung only by the post that finds it armed, both under the lock
//  that
//    guards the queue: no wake-up is missed and none is made twice.
//  * At most `items_max` events wait. What does not fit is not dropped in silence: its port is remembered (there are no
//  more of
//    them than connections) and its connection is closed, after which the client resumes its streams.
class Bridge {
 public:
  struct Event {
    PortId port = 0;
    ClientEvent event;
  };
  struct Taken {
    std::vector<Event> events;              // in the order in which they were posted
    std::unordered_set<PortId> overflowed;  // ports that missed an event
    std::vector<AcceptedSocket> sockets;    // accepted connections for this thread
    bool actors_wait = false;               // for the thread's help
    bool stopping = false;
  };

  explicit Bridge(std::size_t items_max) : items_max_(items_max) {}
  Bridge(const Bridge&) = delete;
  Bridge& operator=(const Bridge&) = delete;

  // From any thread.
  void post(PortId port, ClientEvent event);
  void post_socket(AcceptedSocket socket);
  void post_stop();
  void post_actors_wait();
  [[nodiscard]] std::size_t waiting() const;  // events

  // From the KJ thread only. wait() resolves when there is something to take; one wait at a time.
  kj::Promise<void> wait();
  // The thread will take what is posted until then: no bell for it.
  void attend();
  Taken take();
  // Drops what is queued and all that is still posted; the KJ thread is about to end.
  void close();

 private:
  using Bell = kj::Own<kj::CrossThreadPromiseFulfiller<void>>;

  template <class Put>
  void put(Put&& put);
  [[nodiscard]] bool idle() const;

  const std::size_t items_max_;
  mutable std::mutex mutex_;
  Taken queue_;
  Bell bell_;  // armed when not null
  bool attended_ = false;
  bool closed_ = false;
};

// A session's way back to its connection: puts what the session says into the bridge.
class BridgePort final : public actors::ClientPort {
 public:
  BridgePort(std::shared_ptr<Bridge> bridge, PortId port) : bridge_(std::move(bridge)), port_(port) {}

  void logged_in(Result<Welcome> welcome) override { bridge_->post(port_, LoggedIn{std::move(welcome)}); }
  void answered(actors::CallId call, std::vector<SendAnswer> answers) override { answer(call, std::move(answers)); }
  void answered(actors::CallId call, Status status) override { answer(call, std::move(status)); }
  void answered(actors::CallId call, Result<Sequence> cursor) override { answer(call, std::move(cursor)); }
  void answered(actors::CallId call, Result<Batch> batch) override { answer(call, std::move(batch)); }
  void answered(actors::CallId call, Result<ManageAnswer> given) override { answer(call, std::move(given)); }
  void deliver(actors::Delivery delivery) override { bridge_->post(port_, std::move(delivery)); }
  void go_away(GoAway request) override { bridge_->post(port_, std::move(request)); }
  void closed(Error reason) override { bridge_->post(port_, Closed{std::move(reason)}); }

 private:
  template <class T>
  void answer(actors::CallId call, T value) {
    bridge_->post(port_, Answered{call, Answer(std::in_place_type<T>, std::move(value))});
  }

  std::shared_ptr<Bridge> bridge_;
  PortId port_;
};

}  // namespace earshot::gateway
