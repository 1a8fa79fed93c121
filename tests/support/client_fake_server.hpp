#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include "base/checksum.hpp"
#include "base/stream.hpp"
#include "schema/broker.capnp.h"
#include "schema/wire.hpp"

namespace earshot::tests {

// A server over loopback that keeps one mailbox and the lanes of its senders in memory, does by default what a node
// does, and misbehaves on request. It knows the schema and nothing of the client library.
//
// Thread safety: any thread; the script is read when a call comes in.
class FakeServer {
 public:
  // What the next calls meet. Counts go down as they are used.
  struct Script {
    bool listening = true;
    int drop_before_storing = 0;  // send calls: the connection breaks, nothing is stored
    int drop_after_storing = 0;   // send calls: stored, then the connection breaks before the answer
    int hold = 0;                 // send calls: every message is held …
    Error hold_error{ErrorCode::kOverloaded, "", "", 20, 0};  // … with this
    int reset_producer = 0;                                   // send calls: producerReset
    int refuse = 0;                                           // send calls: every message is finally refused
    int alter = 0;                                            // delivered messages: the body is altered
    std::string fail;                                         // send and subscribe calls: the RPC fails with this text
    std::optional<Error> refuse_login;
    bool new_producer = false;  // the next login gets a new producer
    Epoch epoch{1};
    Sequence restored_up_to;
    std::uint16_t shard_count = 4;
    bool deliver = true;                 // push what is in the mailbox after a subscribe
    bool answer_sends = true;            // false: send calls wait for ever
    bool answer_acks = true;             // false: acks are taken, their answers do not come
    std::vector<std::string> addresses;  // that the welcome tells
    int fail_reads = 0;                  // fetch and history calls: answered with …
    Error read_error{ErrorCode::kUnavailable, "", "no leader", 0, 0};  // … this
    int drop_reads = 0;                                                // history calls: the connection breaks
    // What calls about places are answered, of the call's kind; nothing: they wait for ever.
    std::optional<Result<PlacesReply>> places;
  };

  struct StoredMessage {
    OutgoingMessage message;
    std::uint64_t producer = 0;
    ShardId lane;
  };
  struct Seen {  // what clients did, in order of arrival
    int logins = 0;
    int subscribes = 0;
    std::vector<LoginRequest> login_requests;
    std::vector<std::uint64_t> acks;
    std::vector<std::vector<std::uint64_t>> acks_above;
    std::vector<std::pair<std::uint64_t, FetchCause>> fetches;
    std::vector<std::vector<std::uint64_t>> nacks;
    std::vector<std::uint32_t> nack_delays_ms;
    std::vector<std::size_t> send_sizes;
    int out_of_order = 0;
    int repeats = 0;
    int logouts = 0;
    int histories = 0;
    int delivers_returned = 0;
    std::vector<PlacesRequest> places;
  };

  FakeServer() {
    std::promise<std::uint16_t> port;
    auto future = port.get_future();
    thread_ = std::thread([this, &port] { run(port); });
    port_ = future.get();
  }
  ~FakeServer() noexcept {
    on_thread([this] { stop_->fulfill(); });
    thread_.join();
  }
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::uint16_t port() const { return port_; }

  void script(const std::function<void(Script&)>& change) {
    const std::lock_guard lock(mutex_);
    change(script_);
  }
  [[nodiscard]] Seen seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }
  [[nodiscard]] std::vector<StoredMessage> stored() const {
    const std::lock_guard lock(mutex_);
    return stored_;
  }
  [[nodiscard]] std::size_t stored_count() const {
    const std::lock_guard lock(mutex_);
    return stored_.size();
  }

  // Puts a message into the mailbox without telling anyone.
  void put(const std::string& body) {
    const std::lock_guard lock(mutex_);
    IncomingMessage message;
    message.sequence = Sequence(mailbox_.size() + 1);
    message.sender = UserId::trusted("bob");
    message.sender_device = DeviceId::trusted("phone");
    message.id = MessageId{7, message.sequence.value};
    message.body = body;
    message.checksum = checksum_of(body);
    mailbox_.push_back(std::move(message));
  }
  // Delivers these sequences of the mailbox as one batch to the connected client.
  void push(const std::vector<std::uint64_t>& sequences, std::vector<LostRange> lost = {}) {
    on_thread([this, sequences, lost] {
      if (!receiver_) return;
      Batch batch;
      {
        const std::lock_guard lock(mutex_);
        for (const std::uint64_t s : sequences) batch.messages.push_back(mailbox_.at(s - 1));
        batch.lost = lost;
        finish_batch(batch);
      }
      deliver(batch);
    });
  }
  // Ends the session with a reason.
  void close_session(Error reason) {
    on_thread([this, reason] {
      if (!receiver_) return;
      auto request = receiver_->closedRequest();
      wire::write(reason, request.initReason());
      tasks_->add(request.send().ignoreResult());
    });
  }
  // Asks the client to log in elsewhere.
  void ask_to_go(GoAway request) {
    on_thread([this, request] {
      if (!receiver_) return;
      auto call = receiver_->goAwayRequest();
      wire::write(request, call);
      tasks_->add(call.send().ignoreResult());
    });
  }
  // Breaks every connection.
  void disconnect() {
    on_thread([this] { drop_connections(); });
  }

 private:
  struct Connection {
    kj::Own<kj::AsyncIoStream> stream;
    kj::Own<capnp::TwoPartyVatNetwork> network;
    kj::Own<capnp::RpcSystem<capnp::rpc::twoparty::VatId>> rpc;
  };
  class SessionServer;
  class BrokerServer;
  struct IgnoreErrors final : kj::TaskSet::ErrorHandler {
    void taskFailed(kj::Exception&&) override {}
  };

  void run(std::promise<std::uint16_t>& port);
  void accept(kj::Own<kj::AsyncIoStream> stream);
  void drop_connections() {
    receiver_ = std::nullopt;
    for (auto& connection : connections_) {
      // One that the client has closed already refuses.
      kj::runCatchingExceptions([&] { connection->stream->shutdownWrite(); });
      kj::runCatchingExceptions([&] { connection->stream->abortRead(); });
    }
    // They may be on the stack of one of their own calls: they go in a later turn.
    auto dead = kj::heap<std::vector<kj::Own<Connection>>>(std::move(connections_));
    connections_.clear();
    tasks_->add(kj::evalLast([] {}).attach(kj::mv(dead)));
  }
  void on_thread(std::function<void()> task) {
    const std::lock_guard lock(executor_mutex_);
    executor_->executeSync([&] { task(); });
  }
  void finish_batch(Batch& batch) {  // with the lock held
    batch.epoch = script_.epoch;
    batch.last_sequence = Sequence(mailbox_.size());
    for (IncomingMessage& message : batch.messages) {
      if (script_.alter == 0) continue;
      --script_.alter;
      message.body.empty() ? message.body.push_back('!') : void(message.body[0] ^= 1);
    }
  }
  void deliver(const Batch& batch) {
    auto request = receiver_->deliverRequest();
    wire::write(batch, request.initBatch());
    tasks_->add(request.send().ignoreResult().then([this] {
      const std::lock_guard lock(mutex_);
      ++seen_.delivers_returned;
    }));
  }
  SendAnswer take(std::uint64_t producer, OutgoingMessage message);

  std::thread thread_;
  std::uint16_t port_ = 0;
  std::mutex executor_mutex_;
  const kj::Executor* executor_ = nullptr;
  kj::Own<kj::PromiseFulfiller<void>> stop_;

  // On the server's thread only.
  kj::TaskSet* tasks_ = nullptr;
  std::vector<kj::Own<Connection>> connections_;
  std::optional<schema::Receiver::Client> receiver_;

  mutable std::mutex mutex_;
  Script script_;
  Seen seen_;
  std::vector<IncomingMessage> mailbox_;
  std::vector<StoredMessage> stored_;
  std::map<std::pair<std::uint64_t, std::uint16_t>, StreamReceiver<MessageId, SendAnswer>> lanes_;
  std::uint64_t next_producer_ = 100;
  std::uint64_t cursor_ = 0;
};

class FakeServer::SessionServer final : public schema::Session::Server {
 public:
  SessionServer(FakeServer& server, std::uint64_t producer) : server_(server), producer_(producer) {}

  kj::Promise<void> send(SendContext context) override {
    std::vector<SendAnswer> answers;
    bool drop = false, wait = false;
    {
      const std::lock_guard lock(server_.mutex_);
      Script& script = server_.script_;
      auto messages = context.getParams().getMessages();
      server_.seen_.send_sizes.push_back(messages.size());
      const auto use = [](int& count) { return count > 0 && count-- > 0; };
      wait = !script.answer_sends;
      if (!script.fail.empty()) return failure(script);
      if (use(script.drop_before_storing)) {
        drop = true;
      } else if (use(script.hold)) {
        for (auto message : messages) (void)message, answers.push_back({SendAnswer::Held{script.hold_error}});
      } else if (use(script.reset_producer)) {
        const Error error{ErrorCode::kProducerReset, "", "", 0, 0};
        for (auto message : messages) (void)message, answers.push_back({SendAnswer::Refused{error}});
      } else {
        const bool refuse = use(script.refuse);
        for (auto message : messages) {
          auto read = wire::read(message);
          if (!read) throw KJ_EXCEPTION(FAILED, "a malformed message", read.error().to_string().c_str());
          answers.push_back(refuse ? SendAnswer{SendAnswer::Refused{Error{ErrorCode::kMailboxFull, "", "", 0, 0}}}
                                   : server_.take(producer_, std::move(*read)));
        }
        drop = use(script.drop_after_storing);
      }
    }
    if (drop) {
      server_.drop_connections();
      return kj::NEVER_DONE;
    }
    if (wait) return kj::NEVER_DONE;
    auto list = context.getResults().initAnswers(static_cast<capnp::uint>(answers.size()));
    for (capnp::uint i = 0; i < list.size(); ++i) wire::write(answers[i], list[i]);
    return kj::READY_NOW;
  }

  kj::Promise<void> subscribe(SubscribeContext context) override {
    server_.receiver_ = context.getParams().getReceiver();
    context.getResults().setOk();
    Batch batch;
    {
      const std::lock_guard lock(server_.mutex_);
      ++server_.seen_.subscribes;
      if (!server_.script_.fail.empty()) return failure(server_.script_);
      if (!server_.script_.deliver) return kj::READY_NOW;
      for (std::size_t i = server_.cursor_; i < server_.mailbox_.size(); ++i)
        batch.messages.push_back(server_.mailbox_[i]);
      server_.finish_batch(batch);
    }
    if (!batch.messages.empty()) server_.deliver(batch);
    return kj::READY_NOW;
  }

  kj::Promise<void> ack(AckContext context) override {
    const std::lock_guard lock(server_.mutex_);
    const std::uint64_t up_to = context.getParams().getUpTo();
    server_.seen_.acks.push_back(up_to);
    std::vector<std::uint64_t> above;
    for (const std::uint64_t s : context.getParams().getAbove()) above.push_back(s);
    server_.seen_.acks_above.push_back(above);
    server_.cursor_ = std::max(server_.cursor_, up_to);
    context.getResults().setCursor(server_.cursor_);
    if (!server_.script_.answer_acks) return kj::NEVER_DONE;
    return kj::READY_NOW;
  }

  kj::Promise<void> nack(NackContext context) override {
    const std::lock_guard lock(server_.mutex_);
    std::vector<std::uint64_t> sequences;
    for (const std::uint64_t s : context.getParams().getSequences()) sequences.push_back(s);
    server_.seen_.nacks.push_back(sequences);
    server_.seen_.nack_delays_ms.push_back(context.getParams().getDelayMs());
    context.getResults().setOk();
    return kj::READY_NOW;
  }

  kj::Promise<void> fetch(FetchContext context) override {
    const std::lock_guard lock(server_.mutex_);
    const auto params = context.getParams();
    if (server_.script_.fail_reads > 0) return fail_read(context.getResults());
    server_.seen_.fetches.emplace_back(params.getAfter(), static_cast<FetchCause>(params.getCause()));
    Batch batch;
    for (std::uint64_t s = params.getAfter(); s < server_.mailbox_.size() && batch.messages.size() < params.getLimit();
         ++s)
      batch.messages.push_back(server_.mailbox_[s]);
    server_.finish_batch(batch);
    wire::write(batch, context.getResults().initBatch());
    return kj::READY_NOW;
  }

  kj::Promise<void> history(HistoryContext context) override {
    const std::lock_guard lock(server_.mutex_);
    ++server_.seen_.histories;
    if (server_.script_.drop_reads > 0) {
      --server_.script_.drop_reads;
      server_.drop_connections();
      return kj::NEVER_DONE;
    }
    if (server_.script_.fail_reads > 0) return fail_read(context.getResults());
    Batch batch;
    batch.messages = server_.mailbox_;
    server_.finish_batch(batch);
    wire::write(batch, context.getResults().initBatch());
    return kj::READY_NOW;
  }

  // The whole mailbox, as if all of it were parked.
  kj::Promise<void> parked(ParkedContext context) override {
    const std::lock_guard lock(server_.mutex_);
    const bool of_all = context.getParams().getDevice().size() == 0;
    Batch batch;
    batch.messages = server_.mailbox_;
    server_.finish_batch(batch);
    std::vector<ParkedMessage> parked;
    for (IncomingMessage& message : batch.messages) {
      if (of_all) message.body.clear();
      parked.push_back({DeviceId::trusted("phone"), message.sequence, 1, 1, std::move(message)});
    }
    wire::write(Result<std::vector<ParkedMessage>>(std::move(parked)), context.getResults());
    return kj::READY_NOW;
  }

  kj::Promise<void> setPositions(SetPositionsContext context) override { return places<PositionOutcomes>(context); }
  kj::Promise<void> clearPositions(ClearPositionsContext context) override { return places<PositionsCleared>(context); }
  kj::Promise<void> clearLayer(ClearLayerContext context) override { return places<LayerCleared>(context); }
  kj::Promise<void> nearby(NearbyContext context) override { return places<NearbyFound>(context); }
  kj::Promise<void> positions(PositionsContext context) override { return places<Positions>(context); }
  kj::Promise<void> distance(DistanceContext context) override { return places<Distance>(context); }
  kj::Promise<void> layers(LayersContext context) override { return places<LayersPage>(context); }

  kj::Promise<void> logout(LogoutContext) override {
    const std::lock_guard lock(server_.mutex_);
    ++server_.seen_.logouts;
    return kj::READY_NOW;
  }

 private:
  kj::Promise<void> fail_read(schema::FetchAnswer::Builder answer) {  // with the lock held
    --server_.script_.fail_reads;
    wire::write(Result<Batch>(fail(server_.script_.read_error)), answer);
    return kj::READY_NOW;
  }
  template <class Value, class Context>
  kj::Promise<void> places(Context context) {
    const std::lock_guard lock(server_.mutex_);
    server_.seen_.places.emplace_back(wire::read(context.getParams()).value());
    if (!server_.script_.places) return kj::NEVER_DONE;
    wire::write(server_.script_.places->map([](const PlacesReply& reply) { return std::get<Value>(reply); }),
                context.getResults());
    return kj::READY_NOW;
  }
  static kj::Exception failure(const Script& script) {
    return {kj::Exception::Type::FAILED, __FILE__, __LINE__, kj::heapString(script.fail.c_str())};
  }

  FakeServer& server_;
  const std::uint64_t producer_;
};

class FakeServer::BrokerServer final : public schema::Broker::Server {
 public:
  explicit BrokerServer(FakeServer& server) : server_(server) {}

  kj::Promise<void> login(LoginContext context) override {
    const std::lock_guard lock(server_.mutex_);
    auto request = wire::read(context.getParams());
    if (!request) {
      wire::write(request.error(), context.getResults().initError());
      return kj::READY_NOW;
    }
    Script& script = server_.script_;
    ++server_.seen_.logins;
    server_.seen_.login_requests.push_back(*request);
    if (script.refuse_login) {
      wire::write(*script.refuse_login, context.getResults().initError());
      return kj::READY_NOW;
    }
    Welcome welcome;
    welcome.user = UserId::trusted(request->token);
    welcome.shard_count = script.shard_count;
    welcome.login.new_producer = request->producer.value == 0 || script.new_producer;
    script.new_producer = false;
    welcome.login.producer = welcome.login.new_producer ? ProducerId(server_.next_producer_++) : request->producer;
    welcome.login.epoch = script.epoch;
    welcome.login.restored_up_to = script.restored_up_to;
    if (script.epoch > Epoch(1)) server_.cursor_ = std::min(server_.cursor_, script.restored_up_to.value);
    welcome.login.cursor = Sequence(server_.cursor_);
    welcome.login.last_sequence = Sequence(server_.mailbox_.size());
    welcome.node = NodeId(1);
    welcome.addresses = script.addresses;
    auto ok = context.getResults().initOk();
    wire::write(welcome, ok.initWelcome());
    ok.setSession(kj::heap<SessionServer>(server_, welcome.login.producer.value));
    return kj::READY_NOW;
  }

 private:
  FakeServer& server_;
};

// The lane rules of design.md, with the lock held.
inline SendAnswer FakeServer::take(std::uint64_t producer, OutgoingMessage message) {
  if (checksum_of(message.body) != message.checksum)
    return {SendAnswer::Held{Error{ErrorCode::kChecksumMismatch, "checksum", "", 0, 0}}};
  const ShardId shard = shard_of(message.recipient, script_.shard_count);
  auto& lane = lanes_.try_emplace({producer, shard.value}, 4096).first->second;
  lane.forget_below(message.answered_below.value);
  switch (lane.judge(message.number.value, message.id)) {
    case StreamVerdict::kOutOfOrder:
      ++seen_.out_of_order;
      return {SendAnswer::Held{Error{ErrorCode::kOutOfOrder, "number", "", 0, lane.expected()}}};
    case StreamVerdict::kReset: return {SendAnswer::Refused{Error{ErrorCode::kProducerReset, "", "", 0, 0}}};
    case StreamVerdict::kRepeat: ++seen_.repeats; return lane.find(message.number.value)->answer;
    case StreamVerdict::kAccept: break;
  }
  const SendAnswer answer{Stored{Sequence(stored_.size() + 1), Epoch(1)}};
  lane.record(message.id, answer);
  stored_.push_back(StoredMessage{std::move(message), producer, shard});
  return answer;
}

inline void FakeServer::accept(kj::Own<kj::AsyncIoStream> stream) {
  {
    const std::lock_guard lock(mutex_);
    if (!script_.listening) return;  // closes it
  }
  auto connection = kj::heap<Connection>();
  connection->stream = kj::mv(stream);
  connection->network = kj::heap<capnp::TwoPartyVatNetwork>(*connection->stream, capnp::rpc::twoparty::Side::SERVER);
  connection->rpc = kj::heap<capnp::RpcSystem<capnp::rpc::twoparty::VatId>>(
      capnp::makeRpcServer(*connection->network, kj::heap<BrokerServer>(*this)));
  connections_.push_back(kj::mv(connection));
}

inline void FakeServer::run(std::promise<std::uint16_t>& port) {
  auto io = kj::setupAsyncIo();
  IgnoreErrors ignore;
  kj::TaskSet tasks(ignore);
  tasks_ = &tasks;
  executor_ = &kj::getCurrentThreadExecutor();
  auto stop = kj::newPromiseAndFulfiller<void>();
  stop_ = kj::mv(stop.fulfiller);
  auto address = io.provider->getNetwork().parseAddress("127.0.0.1", 0).wait(io.waitScope);
  auto listener = address->listen();
  std::function<kj::Promise<void>()> accept_next = [&]() -> kj::Promise<void> {
    return listener->accept().then([&](kj::Own<kj::AsyncIoStream> stream) {
      accept(kj::mv(stream));
      return accept_next();
    });
  };
  tasks.add(accept_next());
  port.set_value(static_cast<std::uint16_t>(listener->getPort()));
  stop.promise.wait(io.waitScope);
  receiver_ = std::nullopt;
  connections_.clear();
}

}  // namespace earshot::tests
