#include "tests/simulation/sim_link.hpp"

#include <utility>

#include "tests/simulation/manage_frames.hpp"
#include "tests/simulation/process.hpp"

namespace earshot::simulation {

SimLink::SimLink(World& world, Network& network, std::shared_ptr<Process> process, client::LinkEvents& events,
                 const client::Options& options, std::string address)
    : world_(world),
      network_(network),
      process_(std::move(process)),
      events_(&events),
      address_(std::move(address)),
      timeout_ms_(options.request_timeout_ms) {}

SimLink::~SimLink() {
  *self_ = nullptr;
  if (!connection_) return;
  if (process_->powered_off()) {
    connection_->vanish_client();
  } else {
    connection_->close_by_client();
  }
}

void SimLink::post(std::function<void(SimLink&)> task) {
  process_->post([self = self_, task = std::move(task)] {
    if (*self != nullptr) task(**self);
  });
}

// ---- calls

SimLink::Call& SimLink::begin_call() {
  Call& call = calls_[++last_call_];
  call.deadline_ms = world_.now_ms() + timeout_ms_;
  watch();
  return call;
}

void SimLink::to_server(Frame frame) {
  if (process_->alive() && connection_) connection_->to_server(std::move(frame));
}

void SimLink::open(LoginRequest request) {
  connection_ = network_.connect(address_);
  if (!connection_)
    return post([](SimLink& self) {
      self.fail_with(Error{ErrorCode::kUnavailable, "", "the connection was refused", 0, 0});
    });
  connection_->client = this;
  begin_call();
  to_server(write_frame<schema::LoginRequest>(FrameKind::kLogin, last_call_, request));
}

void SimLink::subscribe(DeliveryMode mode, std::uint32_t window_messages) {
  begin_call().must_succeed = true;
  to_server(make_frame<schema::Session::SubscribeParams>(FrameKind::kSubscribe, last_call_, [&](auto root) {
    wire::write(SubscribeRequest{mode, window_messages}, root);
  }));
}

void SimLink::send(const client::Outbox::Call& outbox_call) {
  begin_call().send = outbox_call.id;
  to_server(make_frame<schema::Session::SendParams>(FrameKind::kSend, last_call_, [&](auto root) {
    auto messages = root.initMessages(static_cast<capnp::uint>(outbox_call.items.size()));
    for (capnp::uint i = 0; i < messages.size(); ++i) {
      auto to = messages[i];
      const client::Outbox::Item& item = outbox_call.items[i];
      if (item.expired) {
        wire::write(item.expired_form(), to);
      } else {
        wire::write(*item.message, to);
        to.setTtlMs(item.ttl_ms);
      }
      to.setAnsweredBelow(item.answered_below.value);
    }
  }));
}

void SimLink::ack(const AckRequest& request) {
  begin_call();
  to_server(write_frame<schema::Session::AckParams>(FrameKind::kAck, last_call_, request));
}

void SimLink::nack(const NackRequest& request) {
  begin_call();
  to_server(write_frame<schema::Session::NackParams>(FrameKind::kNack, last_call_, request));
}

void SimLink::fetch(Sequence after, std::uint32_t limit, FetchCause cause, client::FetchDone done) {
  begin_call().done = std::move(done);
  to_server(
      write_frame<schema::Session::FetchParams>(FrameKind::kFetch, last_call_, FetchRequest{after, limit, cause}));
}

void SimLink::history(Sequence before, std::uint32_t limit, client::FetchDone done) {
  begin_call().done = std::move(done);
  to_server(
      write_frame<schema::Session::HistoryParams>(FrameKind::kHistory, last_call_, HistoryRequest{before, limit}));
}

void SimLink::manage(const ManageRequest& request, client::Answer<ManageAnswer> done) {
  begin_call().managed = std::move(done);
  to_server(write_manage(last_call_, request));
}

void SimLink::logout(std::function<void()> done) {
  if (!process_->alive()) return done();
  begin_call().logged_out = std::move(done);
  to_server(empty_frame(FrameKind::kLogout, last_call_));
}

void SimLink::detach() {
  events_ = nullptr;
  for (auto& [number, call] : std::exchange(calls_, {})) {
    if (call.done) call.done(fail(ErrorCode::kUnavailable, "", "the connection is lost"));
    if (call.managed) call.managed(fail(ErrorCode::kUnavailable, "", "the connection is lost"));
  }
}

// ---- what comes back

void SimLink::arrived(const Frame& frame) {
  post([frame](SimLink& self) { self.handle(frame); });
}

void SimLink::lost(const std::string& why) {
  post([why](SimLink& self) { self.fail_with(Error{ErrorCode::kUnavailable, "", why, 0, 0}); });
}

void SimLink::handle(const Frame& frame) {
  if (events_ == nullptr) return;
  if (frame.kind == FrameKind::kDelivery) return delivered(frame);
  if (frame.kind == FrameKind::kGoAway)
    return events_->go_away(read_frame<schema::Receiver::GoAwayParams>(frame).value());
  if (frame.kind == FrameKind::kClosed)
    return events_->closed(with_body<schema::Error>(frame, [](auto root) { return wire::read(root); }));
  const auto node = calls_.extract(frame.number);
  if (node.empty()) return;
  const Call& call = node.mapped();
  switch (frame.kind) {
    case FrameKind::kWelcome: {
      auto welcome = read_login_answer(frame);
      if (welcome) process_->welcomed(*welcome);
      return events_->logged_in(std::move(welcome));
    }
    case FrameKind::kAnswers: {
      auto answers = read_answers(frame);
      return events_->sent(call.send, answers);
    }
    case FrameKind::kCursor: {
      const auto cursor = read_frame<schema::AckAnswer>(frame);
      if (cursor) process_->acked(*cursor);
      return events_->acked(cursor ? Status() : Status(fail(cursor.error())));
    }
    case FrameKind::kBatch: {
      auto batch = read_frame<schema::FetchAnswer>(frame);
      if (batch) {
        for (IncomingMessage& message : batch->messages) network_.maybe_flip(message.body);
      }
      return call.done(std::move(batch));
    }
    case FrameKind::kManaged: return call.managed(read_managed(frame));
    case FrameKind::kStatus: {
      if (call.logged_out) return call.logged_out();
      const Status status = read_frame<schema::StatusAnswer>(frame);
      if (!status && call.must_succeed) fail_with(status.error());  // a refused nack changes nothing
      return;
    }
    default: EARSHOT_INVARIANT(false, "a server sends no other frames");
  }
}

void SimLink::delivered(const Frame& frame) {
  auto batch = read_frame<schema::Batch>(frame);
  EARSHOT_INVARIANT(batch.has_value(), "a delivery of the server: " + batch.error().to_string());
  for (IncomingMessage& message : batch->messages) network_.maybe_flip(message.body);
  events_->delivered(std::move(*batch), [self = self_, number = frame.number] {
    if (*self != nullptr) (*self)->to_server(empty_frame(FrameKind::kTaken, number));
  });
}

// ---- deadlines and failures

void SimLink::watch() {
  if (watching_ || calls_.empty() || events_ == nullptr) return;
  watching_ = true;
  const std::uint64_t deadline_ms = calls_.begin()->second.deadline_ms;
  const std::uint64_t now_ms = world_.now_ms();
  process_->after(deadline_ms > now_ms ? deadline_ms - now_ms : 0, [weak = self_] {
    if (*weak == nullptr) return;
    SimLink& self = **weak;
    self.watching_ = false;
    if (!self.calls_.empty() && self.calls_.begin()->second.deadline_ms <= self.world_.now_ms()) {
      self.fail_with(Error{ErrorCode::kDeadlineExceeded, "", "the server does not answer", 0, 0});
    } else {
      self.watch();
    }
  });
}

void SimLink::fail_with(Error reason) {
  if (events_ != nullptr) events_->lost(std::move(reason));
}

}  // namespace earshot::simulation
