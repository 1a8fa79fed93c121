#include "tests/simulation/server_end.hpp"

#include <string>
#include <utility>

#include "base/limits.hpp"
#include "tests/simulation/manage_frames.hpp"

namespace earshot::simulation {
namespace {

std::vector<SendAnswer> held(std::size_t messages, const Error& error) {
  return std::vector<SendAnswer>(messages, SendAnswer{SendAnswer::Held{error}});
}

std::string text_of(const actors::Delivery& delivery) {
  std::string text = "delivery " + std::to_string(delivery.number) + ":";
  for (const actors::DeliveryItem& item : delivery.items) text += " " + std::to_string(item.message->sequence.value);
  for (const LostRange& range : delivery.lost)
    text += " lost " + std::to_string(range.first.value) + "-" + std::to_string(range.last.value);
  return text;
}

// The client is the product's: what it sends is well formed.
template <class T>
T expect_valid(Result<T> read) {
  EARSHOT_INVARIANT(read.has_value(), "a frame of the client library: " + read.error().to_string());
  return std::move(*read);
}

}  // namespace

void ServerEnd::to_client(Frame frame) {
  if (const auto connection = connection_.lock()) connection->to_client(std::move(frame));
}

void ServerEnd::receive(const Frame& frame) {
  if (frame.kind == FrameKind::kLogin) return login(frame);
  if (!inbox_) return;  // ended: the client will hear so
  const std::uint64_t number = frame.number;
  switch (frame.kind) {
    case FrameKind::kSend: return send(frame);
    case FrameKind::kSubscribe: {
      if (refused({number, FrameKind::kStatus})) return;
      const auto request =
          with_body<schema::Session::SubscribeParams>(frame, [](auto root) { return expect_valid(wire::read(root)); });
      subscribed_ = true;
      return inbox_->post(
          actors::ClientSubscribe{open_call({number, FrameKind::kStatus}), request.mode, request.window_messages});
    }
    case FrameKind::kAck: {
      if (refused({number, FrameKind::kCursor})) return;
      auto request = expect_valid(read_frame<schema::Session::AckParams>(frame));
      world_.trace().say(world_.now_ms(), [&] {
        return device_.text() + " acks up to " + std::to_string(request.up_to.value) + " and " +
               std::to_string(request.above.size());
      });
      return inbox_->post(actors::ClientAck{open_call({number, FrameKind::kCursor}), std::move(request)});
    }
    case FrameKind::kNack: {
      if (refused({number, FrameKind::kStatus})) return;
      auto request = expect_valid(read_frame<schema::Session::NackParams>(frame));
      world_.trace().say(world_.now_ms(), [&] {
        return device_.text() + " nacks " + std::to_string(request.sequences.size()) + " from " +
               std::to_string(request.sequences.front().value);
      });
      return inbox_->post(actors::ClientNack{open_call({number, FrameKind::kStatus}), std::move(request)});
    }
    case FrameKind::kFetch: {
      if (refused({number, FrameKind::kBatch})) return;
      const auto request = expect_valid(read_frame<schema::Session::FetchParams>(frame));
      world_.trace().say(world_.now_ms(),
                         [&] { return device_.text() + " fetches after " + std::to_string(request.after.value); });
      return inbox_->post(
          actors::ClientFetch{open_call({number, FrameKind::kBatch}), request.after, request.limit, request.cause});
    }
    case FrameKind::kHistory: {
      if (refused({number, FrameKind::kBatch})) return;
      const auto request = expect_valid(read_frame<schema::Session::HistoryParams>(frame));
      return inbox_->post(actors::ClientHistory{open_call({number, FrameKind::kBatch}), request.before, request.limit});
    }
    case FrameKind::kManage: {
      const Pending pending{number, FrameKind::kManaged, 0, frame.method};
      if (refused(pending)) return;
      return inbox_->post(actors::ClientManage{open_call(pending), expect_valid(read_manage(frame))});
    }
    case FrameKind::kTaken: return inbox_->post(actors::ClientDelivered{number});
    case FrameKind::kLogout: {
      to_client(empty_frame(FrameKind::kStatus, number));
      return gone();
    }
    default: EARSHOT_INVARIANT(false, "a client sends no other frames");
  }
}

void ServerEnd::login(const Frame& frame) {
  auto request = expect_valid(read_frame<schema::LoginRequest>(frame));
  login_number_ = frame.number;
  const Role role = request.token == kOperator ? Role::kOperator : Role::kUser;
  const Identity identity{UserId::trusted(request.token), role, 0};
  device_ = DeviceName{identity.user, request.device};
  request.token.clear();
  inbox_ = host_.open_session(identity, std::move(request), shared_from_this());
}

void ServerEnd::send(const Frame& frame) {
  std::vector<actors::LaneItem> items;
  with_body<schema::Session::SendParams>(frame, [&](schema::Session::SendParams::Reader root) {
    EARSHOT_INVARIANT(wire::check_size(root.getMessages()).has_value(), "the client library keeps a call's limits");
    for (const auto each : root.getMessages()) {
      OutgoingMessage message = expect_valid(wire::read(each));
      network_.maybe_flip(message.body);
      const ShardId shard = shard_of(message.recipient, shard_count_);
      items.push_back({shard, SendItem{std::move(message), std::nullopt}});
    }
  });
  const Pending pending{frame.number, FrameKind::kAnswers, items.size()};
  if (refused(pending)) return;
  const actors::CallId call = open_call(pending);
  inbox_->post(actors::ClientSend{call, std::move(items)});
}

// ---- calls and their ends

actors::CallId ServerEnd::open_call(const Pending& pending) {
  const actors::CallId call = ++last_call_;
  pending_.emplace(call, pending);
  reads_ += pending.answer == FrameKind::kBatch ? 1 : 0;
  world_.after(limits::kCallTimeoutMs, [weak = weak_from_this(), call] {
    if (const auto self = weak.lock()) self->expire(call);
  });
  return call;
}

bool ServerEnd::refused(const Pending& pending) {
  const bool reads_too_much = pending.answer == FrameKind::kBatch && reads_ >= limits::kFetchesInFlightMax;
  if (pending_.size() < limits::kCallsInFlightMax && !reads_too_much) return false;
  answer_with_error(pending, Error{ErrorCode::kOverloaded, "callsInFlight", "too many calls", limits::kRetryAfterMs});
  return true;
}

void ServerEnd::answer_with_error(const Pending& pending, const Error& error) {
  switch (pending.answer) {
    // Held: the outcome is unknown, and sending again gets the first answer or makes it.
    case FrameKind::kAnswers: return to_client(write_answers(pending.number, held(pending.messages, error)));
    case FrameKind::kCursor:
      return to_client(write_frame<schema::AckAnswer>(pending.answer, pending.number, Result<Sequence>(fail(error))));
    case FrameKind::kBatch:
      return to_client(write_frame<schema::FetchAnswer>(pending.answer, pending.number, Result<Batch>(fail(error))));
    case FrameKind::kManaged: return to_client(write_managed(pending.number, pending.method, fail(error)));
    default: return to_client(write_frame<schema::StatusAnswer>(pending.answer, pending.number, Status(fail(error))));
  }
}

void ServerEnd::expire(actors::CallId call) {
  const auto node = pending_.extract(call);
  if (node.empty()) return;
  reads_ -= node.mapped().answer == FrameKind::kBatch ? 1 : 0;
  answer_with_error(node.mapped(), Error{ErrorCode::kDeadlineExceeded, "", "the session did not answer in time",
                                         limits::kRetryAfterMs});
}

template <class Write>
void ServerEnd::answer(actors::CallId call, Write write) {
  const auto node = pending_.extract(call);
  if (node.empty()) return;  // answered before: it had waited too long
  reads_ -= node.mapped().answer == FrameKind::kBatch ? 1 : 0;
  to_client(write(node.mapped()));
}

// ---- from the session

void ServerEnd::logged_in(Result<Welcome> welcome) {
  if (welcome) shard_count_ = welcome->shard_count;
  to_client(write_login_answer(login_number_, welcome));
  if (!welcome) inbox_.reset();
}

void ServerEnd::answered(actors::CallId call, std::vector<SendAnswer> answers) {
  answer(call, [&](const Pending& pending) {
    EARSHOT_INVARIANT(answers.size() == pending.messages, "every message of a send has one answer");
    for (const SendAnswer& one : answers)
      if (const auto* held = std::get_if<SendAnswer::Held>(&one.value))
        world_.note("held of " + device_.text() + ": " + held->error.to_string());
    return write_answers(pending.number, answers);
  });
}

void ServerEnd::answered(actors::CallId call, Status status) {
  answer(call, [&](const Pending& pending) {
    return write_frame<schema::StatusAnswer>(FrameKind::kStatus, pending.number, status);
  });
}

void ServerEnd::answered(actors::CallId call, Result<Sequence> cursor) {
  answer(call, [&](const Pending& pending) {
    return write_frame<schema::AckAnswer>(FrameKind::kCursor, pending.number, cursor);
  });
}

void ServerEnd::answered(actors::CallId call, Result<Batch> batch) {
  answer(call, [&](const Pending& pending) {
    return write_frame<schema::FetchAnswer>(FrameKind::kBatch, pending.number, batch);
  });
}

void ServerEnd::answered(actors::CallId call, Result<ManageAnswer> managed) {
  answer(call, [&](const Pending& pending) { return write_managed(pending.number, pending.method, managed); });
}

void ServerEnd::deliver(actors::Delivery delivery) {
  EARSHOT_INVARIANT(subscribed_, "only a subscriber gets deliveries");
  for (const actors::DeliveryItem& item : delivery.items) network_.delivered(device_, item.message->sequence);
  world_.trace().say(world_.now_ms(), [&] { return "to " + device_.text() + ": " + text_of(delivery); });
  to_client(write_delivery(delivery));
}

void ServerEnd::go_away(GoAway request) {
  const Error over{ErrorCode::kUnavailable, "", "the node serves this session no longer: log in elsewhere",
                   limits::kRetryAfterMs};
  if (!subscribed_) return end(over);
  world_.after(request.within_ms, [weak = weak_from_this(), over] {
    if (const auto self = weak.lock(); self && self->inbox_) self->end(over);
  });
  to_client(write_frame<schema::Receiver::GoAwayParams>(FrameKind::kGoAway, 0, request));
}

void ServerEnd::closed(Error reason) {
  inbox_.reset();
  for (const auto& [call, pending] : std::exchange(pending_, {})) answer_with_error(pending, reason);
  to_client(write_frame<schema::Error>(FrameKind::kClosed, 0, reason));
  if (const auto connection = connection_.lock()) connection->close_by_server();
}

void ServerEnd::gone() {
  if (inbox_) std::exchange(inbox_, nullptr)->post(actors::ClientGone{});
  pending_.clear();
}

void ServerEnd::end(const Error& reason) {
  if (inbox_) inbox_->post(actors::ClientGone{true});
  closed(reason);
}

void ServerEnd::die() {
  inbox_.reset();
  pending_.clear();
}

}  // namespace earshot::simulation
