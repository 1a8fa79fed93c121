#include "peers/peer_loop.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/spdlog.h>

#include "peers/greeting_io.hpp"

namespace earshot::peers {
namespace {

constexpr std::uint64_t kLookDialsMs = 20;  // while a node is to be dialled
constexpr std::uint64_t kLookMs = 250;      // while all are up
// The node with the higher id lets the other one dial first, so that they seldom do so at once.
constexpr std::uint64_t kLetOtherDialMs = 100;

kj::Own<kj::ConnectionReceiver> receiver_of(kj::AsyncIoContext& io, std::optional<transport::Listener>& listener) {
  if (!listener) return {};
  constexpr unsigned kFlags =
      kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC | kj::LowLevelAsyncIoProvider::ALREADY_NONBLOCK;
  return io.lowLevelProvider->wrapListenSocketFd(kj::mv(listener->fd), kFlags);
}

}  // namespace

PeerLoop::PeerLoop(Parts parts, kj::AsyncIoContext& io)
    : parts_(std::move(parts)),
      self_{.cluster_id = parts_.options.cluster_id,
            .node = parts_.options.node,
            .boot = parts_.options.boot,
            .protocol = parts_.options.protocol},
      random_(Random::from_system()),
      lines_(io, parts_.tls),
      reception_(lines_, parts_.counters, parts_.clock, parts_.options.reception, *this),
      receiver_(receiver_of(io, parts_.listener)),
      tasks_(*this) {}

kj::Promise<void> PeerLoop::run() {
  auto paf = kj::newPromiseAndFulfiller<void>();
  stopped_ = kj::mv(paf.fulfiller);
  tasks_.add(parts_.tasks->run());
  tasks_.add(look_on());
  if (receiver_.get() != nullptr) tasks_.add(reception_.listen(*receiver_));
  return kj::mv(paf.promise);
}

void PeerLoop::stop() {
  if (std::exchange(stopping_, true)) return;
  for (auto& [node, slot] : slots_) {
    slot->log.reset();  // nobody is at fault
    take_down(*slot, "this node stops");
  }
  stopped_->fulfill();
}

// ---- nodes

PeerLoop::Slot* PeerLoop::find(NodeId node) {
  const auto found = slots_.find(node);
  return found == slots_.end() ? nullptr : found->second.get();
}

void PeerLoop::set_nodes(std::vector<cluster::PeerNode> nodes) {
  if (stopping_) return;
  std::vector<NodeId> left;
  for (const auto& [node, slot] : slots_)
    if (std::ranges::find(nodes, node, &cluster::PeerNode::node) == nodes.end()) left.push_back(node);
  for (const NodeId node : left) remove(node);
  for (cluster::PeerNode& peer : nodes) {
    if (peer.node == self_.node || peer.node.value == 0) continue;
    if (Slot* slot = find(peer.node)) {
      slot->peer = std::move(peer);
      continue;
    }
    auto slot = kj::heap<Slot>();
    slot->box = std::make_shared<SendBox>(parts_.options.queue);
    slot->log.emplace(parts_.clock);
    slot->dial_at_ms = parts_.clock.monotonic_ms() + (peer.node < self_.node ? kLetOtherDialMs : 0);
    slot->peer = std::move(peer);
    parts_.boxes.add(slot->peer.node, slot->box);
    slots_.emplace(slot->peer.node, kj::mv(slot));
  }
  look();
}

void PeerLoop::remove(NodeId node) {
  Slot& slot = *find(node);
  slot.log.reset();
  take_down(slot, "it is no node of this cluster any more");
  give_up_dial(slot);
  if (slot.guest != 0) reception_.drop(slot.guest);
  parts_.boxes.remove(node);
  bury(kj::mv(slots_.find(node)->second));
  slots_.erase(node);
}

void PeerLoop::wake(NodeId node) {
  Slot* slot = find(node);
  if (slot != nullptr && slot->link.get() != nullptr) slot->link->wake();
}

// ---- time

kj::Promise<void> PeerLoop::look_on() {
  const bool dials = std::ranges::any_of(slots_, [](const auto& entry) { return entry.second->link.get() == nullptr; });
  std::uint64_t after_ms =
      std::min(dials ? kLookDialsMs : kLookMs, std::max<std::uint64_t>(parts_.options.times.heartbeat_ms / 4, 1));
  if (parts_.options.look_ms != 0) after_ms = parts_.options.look_ms;
  return lines_.timer().afterDelay(after_ms * kj::MILLISECONDS).then([this] {
    look();
    return look_on();
  });
}

void PeerLoop::look() {
  if (stopping_) return;
  const std::uint64_t now_ms = parts_.clock.monotonic_ms();
  for (auto& [node, slot] : slots_) {
    if (slot->link.get() != nullptr)
      slot->link->look();
    else if (slot->dial.get() == nullptr && slot->guest == 0 && now_ms >= slot->dial_at_ms)
      dial(*slot);
  }
}

// ---- dialling

void PeerLoop::dial(Slot& slot) {
  if (slot.peer.addresses.empty()) return;
  auto owned = kj::heap<Dial>();
  Dial& dial = *owned;
  dial.address = slot.peer.addresses[slot.attempts % slot.peer.addresses.size()];
  slot.dial = kj::mv(owned);
  auto too_late = lines_.timer()
                      .afterDelay(parts_.options.reception.handshake_ms * kj::MILLISECONDS)
                      .then([]() -> kj::Promise<void> { return failure("does not answer in time"); });
  dial.running = greet(slot, dial)
                     .exclusiveJoin(kj::mv(too_late))
                     .catch_([this, &slot](kj::Exception&& exception) { dial_over(slot, text_of(exception)); })
                     .eagerlyEvaluate(nullptr);
}

kj::Promise<void> PeerLoop::greet(Slot& slot, Dial& dial) {
  return lines_.dial(dial.address)
      .then([this, &dial](Line&& line) {
        dial.line = kj::mv(line);
        dial.greets = true;
        return write_greeting(*dial.line.stream, own_hello());
      })
      .then([&dial] { return read_greeting(*dial.line.stream, kGreetingBytesMax); })
      .then([this, &slot, &dial](Greeting&& greeting) { return greeted(slot, dial, greeting); });
}

kj::Promise<void> PeerLoop::greeted(Slot& slot, Dial& dial, const Greeting& greeting) {
  if (const auto* refusal = std::get_if<Refusal>(&greeting)) {
    // No fault: the other connection is about to be the link.
    if (refusal->reason == RefusalReason::kDuplicate) return dial_over(slot, ""), kj::READY_NOW;
    const bool is_told = refusal->reason == RefusalReason::kRemoved && lines_.may_be(dial.line, slot.peer.node);
    if (is_told && parts_.options.removed) parts_.options.removed(slot.peer.node);
    return failure("refuses this node: " + refusal->detail);
  }
  const auto* welcome = std::get_if<Welcome>(&greeting);
  if (welcome == nullptr) return failure("what answers is no welcome");
  auto refusal = judge_welcome(self_, slot.peer.node, welcome->hello);
  if (!refusal && !lines_.may_be(dial.line, slot.peer.node))
    refusal = Refusal{RefusalReason::kCertificate,
                      "its certificate is of another node than " + certificate_name_of(slot.peer.node)};
  if (refusal)
    return write_greeting(*dial.line.stream, *refusal).then([why = refusal->detail]() -> kj::Promise<void> {
      return failure(why);
    });
  return write_greeting(*dial.line.stream, Start{}).then([this, &slot, &dial, hello = welcome->hello] {
    establish(slot, kj::mv(dial.line), hello, true);
  });
}

void PeerLoop::dial_over(Slot& slot, const std::string& why) {
  const std::string address = slot.dial.get() == nullptr ? "" : slot.dial->address;
  give_up_dial(slot);
  wait_to_dial(slot);
  if (why.empty()) return;
  count(parts_.counters.dials_failed);
  if (slot.log && slot.log->due(why)) spdlog::warn("no link to node {} at {}: {}", slot.peer.node.value, address, why);
}

void PeerLoop::give_up_dial(Slot& slot) {
  if (slot.dial.get() != nullptr) bury(kj::mv(slot.dial));
}

void PeerLoop::wait_to_dial(Slot& slot) {
  slot.dial_at_ms = parts_.clock.monotonic_ms() + backoff_ms(parts_.options.dial, ++slot.attempts, random_) +
                    (slot.peer.node < self_.node ? kLetOtherDialMs : 0);
}

// ---- links

Standing PeerLoop::standing_of(NodeId node) {
  const Slot* slot = find(node);
  if (slot == nullptr) return {.was_removed = was_removed_ && was_removed_(node), .up = {}};
  Standing standing{.is_known = true, .up = {}, .own_dial_greets = slot->dial.get() != nullptr && slot->dial->greets};
  if (slot->link.get() != nullptr) standing.up = Standing::Up{slot->link->boot(), slot->link->dialled_here()};
  return standing;
}

void PeerLoop::establish(Slot& slot, Line line, const Hello& hello, bool dialled_here) {
  if (stopping_) return;
  give_up_dial(slot);
  slot.up_since_ms = parts_.clock.monotonic_ms();
  slot.link = kj::heap<Link>(Link::Parts{.stream = kj::mv(line.stream),
                                         .theirs = hello,
                                         .dialled_here = dialled_here,
                                         .box = *slot.box,
                                         .counters = parts_.counters,
                                         .clock = parts_.clock,
                                         .times = parts_.options.times},
                             static_cast<Link::Owner&>(*this));
  slot.box->open();
  count(parts_.counters.links_up);
  count(slot.box->counters().links_up);
  spdlog::info("linked to node {}", slot.peer.node.value);
  parts_.events.link_up(slot.peer.node);
  slot.link->begin();
}

void PeerLoop::take_down(Slot& slot, const std::string& why) {
  if (slot.link.get() == nullptr) return;
  slot.box->close();
  bury(kj::mv(slot.link));
  // Who comes and goes is dialled less and less often.
  if (parts_.clock.monotonic_ms() - slot.up_since_ms >= parts_.options.dial.max_ms) slot.attempts = 0;
  wait_to_dial(slot);
  if (slot.log && slot.log->due(why)) spdlog::warn("the link to node {} is gone: {}", slot.peer.node.value, why);
  parts_.events.link_down(slot.peer.node);
  for (Waiting& waiting : std::exchange(slot.waiting, {})) waiting.decide->fulfill();
}

void PeerLoop::arrived(Link& link, std::span<PeerFrame> frames) { parts_.events.received(link.node(), frames); }

void PeerLoop::broken(Link& link, const std::string& why) {
  Slot* slot = find(link.node());
  if (slot == nullptr || slot->link.get() != &link) return;
  count(parts_.counters.links_broken);
  count(slot->box->counters().links_broken);
  take_down(*slot, why);
}

void PeerLoop::probe_answered(Link& link) {
  Slot* slot = find(link.node());
  if (slot == nullptr || slot->link.get() != &link) return;
  slot->answered = true;
  for (Waiting& waiting : std::exchange(slot->waiting, {})) waiting.decide->fulfill();
}

// ---- guests

Hello PeerLoop::own_hello() const {
  Hello hello;
  hello.protocol = self_.protocol;
  hello.purpose = self_.node.value == 0 ? Purpose::kJoiner : Purpose::kNode;
  hello.cluster_id = self_.cluster_id;
  hello.node = self_.node;
  hello.boot = self_.boot;
  return hello;
}

kj::Promise<std::optional<Refusal>> PeerLoop::judge(Reception::Guest& guest) {
  using Verdict = std::optional<Refusal>;
  const NodeId node = guest.hello.node;
  Decision decision = judge_hello(self_, guest.hello, standing_of(node));
  if (auto* refusal = std::get_if<Refusal>(&decision)) return Verdict(std::move(*refusal));
  if (!lines_.may_be(guest.line, node))
    return Verdict(
        Refusal{RefusalReason::kCertificate, "the certificate is of another node than " + certificate_name_of(node)});
  Slot& slot = *find(node);
  if (std::holds_alternative<Probe>(decision)) {
    auto paf = kj::newPromiseAndFulfiller<void>();
    slot.waiting.push_back({guest.id, kj::mv(paf.fulfiller)});
    slot.answered = false;
    slot.link->probe();
    return paf.promise.then([this, &guest, node]() -> kj::Promise<Verdict> {
      const Slot* now = find(node);
      if (now == nullptr || now->link.get() == nullptr || !now->answered) return judge(guest);
      return Verdict(Refusal{RefusalReason::kTwin,
                             "another process is connected as node " + std::to_string(node.value) + ", and answers"});
    });
  }
  // The later of two that the same node has dialled.
  if (const auto before = std::exchange(slot.guest, guest.id); before != 0 && before != guest.id)
    reception_.drop(before);
  give_up_dial(slot);
  return Verdict();
}

void PeerLoop::started(Reception::Guest& guest) {
  Slot* slot = find(guest.hello.node);
  if (slot == nullptr || slot->guest != guest.id || stopping_) return;
  slot->guest = 0;
  // Meanwhile another connection may have become the link.
  const Decision decision = judge_hello(self_, guest.hello, standing_of(guest.hello.node));
  if (!std::holds_alternative<Admit>(decision)) return;
  take_down(*slot, "it has connected anew");
  establish(*slot, kj::mv(guest.line), guest.hello, false);
}

std::optional<Refusal> PeerLoop::judge_joiner(const Reception::Guest& guest) {
  return judge_protocol(self_, guest.hello);
}

void PeerLoop::gone(const Reception::Guest& guest) {
  Slot* slot = find(guest.hello.node);
  if (slot == nullptr) return;
  if (slot->guest == guest.id) slot->guest = 0;
  std::erase_if(slot->waiting, [&](const Waiting& waiting) { return waiting.guest == guest.id; });
}

// ---- questions

namespace {

// The way back to a joiner; let go without an answer, it says so.
class Reply {
 public:
  Reply(std::shared_ptr<TaskQueue> tasks, std::function<void(std::optional<std::string>)> give)
      : tasks_(std::move(tasks)), give_(std::move(give)) {}
  ~Reply() {
    if (!given_.test_and_set()) tasks_->post([give = give_] { give(std::nullopt); });
  }
  Reply(const Reply&) = delete;
  Reply& operator=(const Reply&) = delete;

  void give(std::string bytes) {
    if (given_.test_and_set()) return;
    tasks_->post([give = give_, bytes = std::move(bytes)]() mutable { give(std::move(bytes)); });
  }

 private:
  const std::shared_ptr<TaskQueue> tasks_;
  const std::function<void(std::optional<std::string>)> give_;
  std::atomic_flag given_;
};

}  // namespace

void PeerLoop::asked(Reception::GuestId guest, std::string request) {
  auto reply = std::make_shared<Reply>(
      parts_.tasks, [this, guest](std::optional<std::string> bytes) { reception_.answer(guest, std::move(bytes)); });
  parts_.events.asked(std::move(request), [reply](std::string bytes) { reply->give(std::move(bytes)); });
}

void PeerLoop::ask(const std::string& address, std::string request, Question::Done done) {
  Hello hello = own_hello();
  hello.purpose = Purpose::kJoiner;
  const std::uint64_t id = ++last_question_;
  auto owned = kj::heap<Question>(lines_, hello, address, std::move(request), std::move(done));
  Question& question = *owned;
  questions_.emplace(id, kj::mv(owned));
  tasks_.add(question.run(parts_.options.reception.request_ms).then([this, id] {
    tasks_.add(kj::evalLater([this, id] { questions_.erase(id); }));
  }));
}

template <class T>
void PeerLoop::bury(kj::Own<T> object) {
  tasks_.add(kj::evalLater([] {}).attach(kj::mv(object)));
}

void PeerLoop::taskFailed(kj::Exception&& exception) {
  spdlog::error("a task of the links between nodes failed: {}", text_of(exception));
}

}  // namespace earshot::peers
