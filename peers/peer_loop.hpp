#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <kj/async-io.h>

#include "base/random.hpp"
#include "peers/admission.hpp"
#include "peers/box_table.hpp"
#include "peers/link.hpp"
#include "peers/peer_links.hpp"
#include "peers/question.hpp"
#include "peers/reception.hpp"
#include "peers/task_queue.hpp"
#include "transport/listener.hpp"

namespace earshot::peers {

// What the thread of PeerLinks does: which nodes there are, who is dialled when, which connection becomes whose link.
//
//           set_nodes                dial due                      welcome, start
//   (none) ──────────► down, waits ──────────► down, dials ───────────────────────► up
//                         ▲  ▲                      │ failed, refused                │ broken, replaced
//                         │  └──────────────────────┘                                │
//                         └──────────────────────────────────────────────────────────┘
//   A guest that was welcomed (reception.hpp) leads to `up` as well; while one is, nobody is dialled.
class PeerLoop final : private Link::Owner, private Reception::Host, private kj::TaskSet::ErrorHandler {
 public:
  struct Parts {
    PeerLinksOptions options;  // with a boot number
    cluster::PeerEvents& events;
    const Clock& clock;
    const PeerTls* tls;  // null: plaintext
    std::shared_ptr<TaskQueue> tasks;
    BoxTable& boxes;
    PeerCounters& counters;
    std::optional<transport::Listener> listener;
  };

  PeerLoop(Parts parts, kj::AsyncIoContext& io);

  // Until stop(), which a task of the queue calls.
  kj::Promise<void> run();
  void stop();

  // ---- what other threads ask for, as tasks
  void set_nodes(std::vector<cluster::PeerNode> nodes);
  void set_removed(std::function<bool(NodeId)> was_removed) { was_removed_ = std::move(was_removed); }
  void wake(NodeId node);
  void ask(const std::string& address, std::string request, Question::Done done);

 private:
  struct Dial {
    Line line;
    std::string address;
    bool greets = false;  // hello is said
    kj::Promise<void> running = nullptr;
  };
  struct Waiting {  // a guest whose admission depends on whether the link that stands answers
    Reception::GuestId guest = 0;
    kj::Own<kj::PromiseFulfiller<void>> decide;
  };
  struct Slot {
    cluster::PeerNode peer;
    std::shared_ptr<SendBox> box;
    std::optional<RareLog> log;
    kj::Own<Link> link;  // null: down
    std::uint64_t up_since_ms = 0;
    kj::Own<Dial> dial;
    Reception::GuestId guest = 0;  // that was admitted, and did not start yet
    std::vector<Waiting> waiting;
    bool answered = false;  // the link, since it was probed last
    std::uint32_t attempts = 0;
    std::uint64_t dial_at_ms = 0;
  };

  kj::Promise<void> look_on();
  void look();

  void dial(Slot& slot);
  kj::Promise<void> greet(Slot& slot, Dial& dial);
  kj::Promise<void> greeted(Slot& slot, Dial& dial, const Greeting& greeting);
  void dial_over(Slot& slot, const std::string& why);
  void give_up_dial(Slot& slot);
  void wait_to_dial(Slot& slot);

  [[nodiscard]] Standing standing_of(NodeId node);
  void establish(Slot& slot, Line line, const Hello& hello, bool dialled_here);
  void take_down(Slot& slot, const std::string& why);
  void remove(NodeId node);
  Slot* find(NodeId node);

  // ---- Link::Owner
  void arrived(Link& link, std::span<PeerFrame> frames) override;
  void probe_answered(Link& link) override;
  void broken(Link& link, const std::string& why) override;

  // ---- Reception::Host
  [[nodiscard]] Hello own_hello() const override;
  kj::Promise<std::optional<Refusal>> judge(Reception::Guest& guest) override;
  void started(Reception::Guest& guest) override;
  std::optional<Refusal> judge_joiner(const Reception::Guest& guest) override;
  void asked(Reception::GuestId guest, std::string request) override;
  void gone(const Reception::Guest& guest) override;

  // Destroys it after whatever runs now: a promise must not be destroyed from inside.
  template <class T>
  void bury(kj::Own<T> object);
  void taskFailed(kj::Exception&& exception) override;

  Parts parts_;
  const Self self_;
  Random random_;
  Lines lines_;
  Reception reception_;
  kj::Own<kj::ConnectionReceiver> receiver_;
  std::map<NodeId, kj::Own<Slot>> slots_;
  std::function<bool(NodeId)> was_removed_;
  std::map<std::uint64_t, kj::Own<Question>> questions_;
  std::uint64_t last_question_ = 0;
  bool stopping_ = false;
  kj::Own<kj::PromiseFulfiller<void>> stopped_;
  kj::TaskSet tasks_;  // gone first
};

}  // namespace earshot::peers
