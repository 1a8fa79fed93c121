#include "gateway/resp_session.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <spdlog/spdlog.h>

#include "base/call_scope.hpp"
#include "base/limits.hpp"
#include "base/version.hpp"
#include "gateway/resp_server_replies.hpp"
#include "resp/command_reader.hpp"
#include "resp/command_table.hpp"

namespace earshot::gateway {
namespace {

constexpr std::size_t kLargeReplyBytes = limits::kBatchBytesMax;  // reckoned with until its size is known

resp::RequestLimits stranger_limits() {
  resp::RequestLimits limits;
  limits.arguments_max = limits::kRespStrangerArgumentsMax;
  limits.argument_bytes_max = limits::kRespStrangerBytesMax;
  limits.request_bytes_max = limits::kRespStrangerBytesMax;  // so that it never needs room for reading
  limits.line_bytes_max = limits::kRespStrangerBytesMax;
  return limits;
}

// What its command takes of memory, in which words are strings.
std::size_t bytes_of(resp::Request request) {
  std::size_t bytes = request.size() * sizeof(std::string);
  for (const std::string_view word : request) bytes += word.size();
  return bytes;
}

// Which commands there are is no secret.
bool needs_login(resp::Request request) {
  const resp::CommandEntry* entry = resp::find_command(request);
  return entry != nullptr && !entry->has(resp::flag::kNoAuth);
}

// What `write` writes with a writer for the client, or an error when that is too long.
template <class Write>
std::string written(bool is_resp3, Write write) {
  std::string text;
  resp::ReplyWriter to(text);
  to.use_resp3(is_resp3);
  write(to);
  if (text.size() > limits::kRespReplyBytesMax) {
    text.clear();
    to.error("ERR the reply has more than " + std::to_string(limits::kRespReplyBytesMax) + " bytes: ask for less");
  }
  return text;
}

// Of an answer of any kind; null: it is none.
struct ErrorOf {
  template <class T>
  const Error* operator()(const Result<T>& result) const {
    return result ? nullptr : &result.error();
  }
  const Error* operator()(const Error& error) const { return &error; }
  template <class T>
  const Error* operator()(const T&) const {
    return nullptr;
  }
};

}  // namespace

RespSession::RespSession(SessionContext& context, RespControl& control)
    : context_(context),
      control_(control),
      port_(++context.last_port),
      id_(++context.counters.resp_connections),
      tasks_(*this) {
  context_.ports.emplace(port_, this);
  // Where there is nothing to prove, everybody is let in.
  is_logged_in_ = !context_.logins.authenticator().keeps_secrets();
  if (!is_logged_in_) parser_.set_limits(stranger_limits());
}

RespSession::~RespSession() noexcept(false) {
  context_.ports.erase(port_);
  context_.calls_in_flight -= asked_;
}

bool RespSession::takes_more() const {
  return !is_over_ && !held_ && !is_judged_ && slots_.size() < limits::kRespCommandsInFlightMax &&
         bytes_under_way_ < limits::kCallBytesInFlightMax &&
         ready_.bytes.size() + bytes_behind_ < limits::kConnectionQueueBytesMax;
}

void RespSession::feed(std::string_view bytes) {
  parser_.feed(bytes);
  run();
}

void RespSession::end_of_input() {
  has_ended_ = true;
  run();
}

void RespSession::run() {
  if (held_ && !is_judged_ && has_turn(held_->command)) {
    Held held = std::move(*held_);
    held_.reset();
    begin(std::move(held.command), held.bytes);
  }
  while (takes_more()) {
    auto request = parser_.next();
    if (!request) return fail_protocol(request.error());
    if (!*request) {
      if (has_ended_) is_over_ = true;
      return;
    }
    count(context_.counters.resp_commands);
    const std::size_t bytes = bytes_of(**request);
    if (!is_logged_in_ && needs_login(**request)) {
      reply([](resp::ReplyWriter& to) { to.error("NOAUTH Authentication required."); });
      continue;
    }
    auto command = resp::read_command(**request);
    if (!command) {
      reply([&](resp::ReplyWriter& to) { to.error(command.error()); });
    } else if (has_turn(*command)) {
      begin(std::move(*command), bytes);
    } else if (is_loading(*command)) {
      reply_loading();
    } else {
      held_ = Held{std::move(*command), bytes, context_.timer.now()};
    }
  }
}

bool RespSession::has_turn(const resp::Command& command) {
  if (is_alone_) return false;
  const Turn turn = turn_of(command);
  if (turn == Turn::kNone) return true;
  if (!std::holds_alternative<resp::Info>(command) && !is_complete()) return false;
  if (turn == Turn::kRead && writes_ > 0) return false;
  if (turn == Turn::kAlone && !slots_.empty()) return false;
  return large_ == 0 || !is_large(command);
}

// A node that has just started does not know yet where everybody is.
bool RespSession::is_complete() {
  actors::PlaceViews& views = context_.desk->views();
  if (views.is_complete()) return true;
  if (!waits_for_places_)
    waits_for_places_ =
        views.when_complete([bridge = context_.bridge, port = port_] { bridge->post(port, PlacesComplete{}); });
  return false;
}

// Once is enough: else each command of a pipeline would have a wait of its own.
bool RespSession::is_loading(const resp::Command& command) {
  return was_told_loading_ && turn_of(command) != Turn::kNone && !is_complete();
}

void RespSession::reply_loading() {
  was_told_loading_ = true;
  reply([](resp::ReplyWriter& to) { to.error("LOADING Earshot is finding out where everybody is"); });
}

void RespSession::begin(resp::Command command, std::size_t bytes) {
  const Turn turn = turn_of(command);
  if (turn != Turn::kNone) return begin_places(std::move(command), bytes, turn);
  if (const auto* auth = std::get_if<resp::Auth>(&command)) return begin_login(*auth, std::nullopt);
  if (auto* hello = std::get_if<resp::Hello>(&command)) {
    if (!hello->auth) return greet(*hello);
    const resp::Auth auth = *hello->auth;
    return begin_login(auth, std::move(*hello));
  }
  if (std::holds_alternative<resp::Quit>(command)) is_over_ = true;
  if (std::holds_alternative<resp::Reset>(command)) {
    is_resp3_ = false;
    name_.clear();
    if (context_.logins.authenticator().keeps_secrets()) log_out();
  }
  if (const auto* name = std::get_if<resp::ClientSetName>(&command)) name_ = name->name;
  reply([&](resp::ReplyWriter& to) { write_server_reply(command, client_facts(command), to); });
}

void RespSession::begin_places(resp::Command command, std::size_t bytes, Turn turn) {
  const bool large = is_large(command);
  if (context_.calls_in_flight >= limits::kBridgeQueueItemsMax / 2 || (large && context_.answers.is_full())) {
    count(context_.counters.answers_refused);
    return reply([](resp::ReplyWriter& to) {
      write_error(
          Error{ErrorCode::kOverloaded, "", "the node has as many answers under way as it may", limits::kRetryAfterMs},
          to);
    });
  }
  const actors::CallId call = first_call_ + slots_.size();
  const std::size_t reply_bytes = reply_bytes_max(command);
  const CallKind kind = kind_of(command);
  slots_.push_back({std::move(command), kind, bytes, is_resp3_, context_.timer.now(),
                    large ? ByteLease(context_.answers, kLargeReplyBytes) : ByteLease(), reply_bytes, std::nullopt});
  ++context_.calls_in_flight;
  ++asked_;
  bytes_under_way_ += bytes;
  bytes_behind_ += reply_bytes;
  if (turn != Turn::kRead) ++writes_;
  if (large) ++large_;
  if (turn == Turn::kAlone) is_alone_ = true;
  const CallScope named(tag(call));
  ask(*context_.desk, slots_.back().command, [bridge = context_.bridge, port = port_, call](PlacesAnswer answer) {
    bridge->post(port, PlacesAnswered{call, std::move(answer)});
  });
}

// ---- logins

void RespSession::begin_login(const resp::Auth& auth, std::optional<resp::Hello> hello) {
  if (!context_.logins.authenticator().keeps_secrets()) {
    if (hello) return greet(*hello);
    if (auth.user) return reply([](resp::ReplyWriter& to) { to.simple("OK"); });
    return reply([](resp::ReplyWriter& to) {
      to.error(
          "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
          "configuration is correct?");
    });
  }
  const auto wait_ms = context_.logins.admit(control_.origin());
  if (!wait_ms) {
    count(context_.counters.logins_refused);
    return reply([&](resp::ReplyWriter& to) { write_error(wait_ms.error(), to); });
  }
  if (*wait_ms == 0) return judge(auth.password, std::move(hello));
  is_judged_ = true;
  tasks_.add(context_.timer.afterDelay(*wait_ms * kj::MILLISECONDS)
                 .then([this, token = auth.password, hello = std::move(hello)]() mutable {
                   is_judged_ = false;
                   if (is_over_) return;
                   judge(token, std::move(hello));
                   run();
                   control_.changed();
                 }));
}

// Whoever sets everybody's places is no user.
void RespSession::judge(const std::string& token, std::optional<resp::Hello> hello) {
  auto identity = context_.logins.judge(token, control_.origin());
  const bool is_trusted = identity && identity->role != Role::kUser;
  if (!is_trusted) {
    count(context_.counters.logins_refused);
    if (spdlog::should_log(spdlog::level::debug))
      spdlog::debug("{}: a login from {} is refused", tag().to_string(), text_of(control_.origin()));
    return reply([&](resp::ReplyWriter& to) {
      to.error(identity ? "NOPERM this token is a user's: Redis's commands need one with the role service or operator"
                        : "WRONGPASS invalid token: " + identity.error().to_string());
    });
  }
  expiry_ = TokenExpiry(identity->expires_at_ms, context_.logins.clock(), context_.timer);
  is_logged_in_ = true;
  if (spdlog::should_log(spdlog::level::debug))
    spdlog::debug("{}: {} has logged in", tag().to_string(), identity->user.text());
  parser_.set_limits({});
  control_.logged_in();
  if (hello) return greet(*hello);
  reply([](resp::ReplyWriter& to) { to.simple("OK"); });
}

void RespSession::log_out() {
  if (!std::exchange(is_logged_in_, false)) return;
  parser_.set_limits(stranger_limits());
  control_.logged_out();
}

void RespSession::greet(const resp::Hello& hello) {
  if (!is_logged_in_) {
    return reply([](resp::ReplyWriter& to) {
      to.error(
          "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> "
          "<pass> option can be used to authenticate the client and select the RESP protocol version at the same time");
    });
  }
  if (hello.protocol) is_resp3_ = *hello.protocol == 3;
  if (hello.name) name_ = *hello.name;
  reply([&](resp::ReplyWriter& to) { resp::write_hello(to, id_); });
}

// ---- replies

template <class Write>
void RespSession::reply(Write write) {
  std::string text = written(is_resp3_, std::move(write));
  if (slots_.empty()) {
    ready_.bytes += text;
    return;
  }
  bytes_behind_ += text.size();
  slots_.push_back({resp::Ok{}, CallKind::kLayers, 0, is_resp3_, context_.timer.now(), {}, 0, std::move(text)});
}

// Its addresses only for whoever asks: to find them out takes longer than most commands.
resp::ClientFacts RespSession::client_facts(const resp::Command& command) {
  resp::ClientFacts facts;
  if (std::holds_alternative<resp::ClientInfo>(command)) facts = control_.facts();
  facts.connection = id_;
  facts.name = name_;
  facts.user = "default";
  return facts;
}

void RespSession::write_info(const resp::Info& info, std::size_t layers, resp::ReplyWriter& to) const {
  resp::InfoFacts facts;
  facts.version = kVersion;
  facts.port = context_.resp_port;
  facts.uptime_s = static_cast<std::uint64_t>((context_.timer.now() - context_.began_at) / kj::SECONDS);
  facts.connections = context_.connections;
  facts.commands_total = context_.counters.resp_commands.load(std::memory_order_relaxed);
  facts.keys = layers;
  facts.memory_bytes = resident_bytes();
  resp::write_info(to, info.sections, facts);
}

void RespSession::handle(ClientEvent event) {
  if (auto* answered = std::get_if<PlacesAnswered>(&event)) {
    answer(answered->call, std::move(answered->answer));
  } else if (std::holds_alternative<PlacesComplete>(event)) {
    waits_for_places_ = nullptr;
  }
  run();
  control_.changed();
}

void RespSession::answer(actors::CallId call, PlacesAnswer answer) {
  if (call < first_call_ || call - first_call_ >= slots_.size()) return;  // answered before: it had waited too long
  Slot& slot = slots_[call - first_call_];
  if (slot.reply) return;
  note_answered(call, slot, answer);
  finish(slot, written(slot.is_resp3, [&](resp::ReplyWriter& to) {
           if (const auto* info = std::get_if<resp::Info>(&slot.command))
             write_info(*info, std::get<Result<std::uint64_t>>(answer).value_or(0), to);
           else
             write_reply(slot.command, std::move(answer), to);
         }));
  flush();
}

void RespSession::note_answered(actors::CallId call, const Slot& slot, const PlacesAnswer& answer) {
  context_.calls.answered(Protocol::kResp, slot.kind, tag(call), slot.called_at);
  if (const Error* why = std::visit(ErrorOf(), answer)) {
    CallStats::count(context_.calls.stats().refused, why->code);
    return context_.calls.refused(tag(call), slot.kind, *why);
  }
  if (!is_place_query(slot.kind)) return;
  const auto* nearby = std::get_if<Result<actors::NearbyAnswer>>(&answer);
  const bool is_partial = nearby != nullptr && (*nearby)->is_partial;
  context_.calls.stats().note_query(slot.kind, is_partial ? Completeness::kPartial : Completeness::kExact);
}

void RespSession::finish(Slot& slot, std::string reply) {
  const Turn turn = turn_of(slot.command);
  if (turn != Turn::kRead) --writes_;
  if (turn == Turn::kAlone) is_alone_ = false;
  if (is_large(slot.command)) {
    --large_;
    slot.lease = ByteLease(context_.answers, reply.size());
  }
  slot.command = resp::Ok{};
  bytes_under_way_ -= std::exchange(slot.bytes, 0);
  bytes_behind_ = bytes_behind_ + reply.size() - slot.reply_bytes;
  --context_.calls_in_flight;
  --asked_;
  slot.reply = std::move(reply);
}

// What is ready and has nothing before it that is not.
void RespSession::flush() {
  while (!slots_.empty() && slots_.front().reply) {
    Slot& slot = slots_.front();
    ready_.bytes += *slot.reply;
    bytes_behind_ -= slot.reply->size();
    if (slot.lease.bytes() > 0) ready_.leases.push_back(std::move(slot.lease));
    slots_.pop_front();
    ++first_call_;
  }
}

Replies RespSession::take_replies() {
  Replies taken = std::exchange(ready_, {});
  run();  // there is room again
  return taken;
}

// ---- ends

// Redis's words; the client cannot be understood any more.
void RespSession::fail_protocol(const Error& error) {
  count(context_.counters.violations);
  reply([&](resp::ReplyWriter& to) { to.error("ERR " + error.detail); });
  is_over_ = true;
}

void RespSession::end(Error reason) {
  if (is_over()) return;
  held_.reset();
  for (Slot& slot : slots_) {
    if (slot.reply) continue;
    finish(slot, written(slot.is_resp3, [&](resp::ReplyWriter& to) {
             write_error(
                 Error{ErrorCode::kUnavailable, "", "the outcome is unknown: " + reason.detail, limits::kRetryAfterMs},
                 to);
           }));
  }
  flush();
  is_over_ = true;
  control_.changed();
}

void RespSession::check_times() {
  const auto oldest_allowed = context_.timer.now() - context_.options.call_timeout_ms * kj::MILLISECONDS;
  // What its own node has not answered in so long leaves the order of all that follows in doubt.
  if (!slots_.empty() && !slots_.front().reply && slots_.front().since < oldest_allowed)
    return end(Error{ErrorCode::kDeadlineExceeded, "", "the node did not answer in time"});
  if (is_over_) return;
  if (expiry_.is_over(context_.logins.clock(), context_.timer)) {
    count(context_.counters.tokens_expired);
    return end(Error{ErrorCode::kUnauthenticated, "token", "it has expired"});
  }
  if (held_ && held_->since < oldest_allowed && slots_.empty()) {
    held_.reset();
    reply_loading();
    run();
    control_.changed();
  }
}

void RespSession::taskFailed(kj::Exception&& exception) {
  spdlog::error("a task of a client's session failed: {}", exception.getDescription().cStr());
}

}  // namespace earshot::gateway
