#include "client/client.hpp"

#include <atomic>

#include "base/checksum.hpp"
#include "client/calls.hpp"
#include "client/engine.hpp"
#include "client/intake.hpp"
#include "client/loop.hpp"
#include "client/tls.hpp"

namespace earshot::client {
namespace {

tl::unexpected<Error> invalid(std::string field, std::string why) {
  return fail(ErrorCode::kInvalidArgument, std::move(field), std::move(why));
}

Status check(const Options& options) {
  if (options.addresses.empty()) return invalid("addresses", "must not be empty");
  if (options.addresses.size() > limits::kNodeAddressesMax)
    return invalid("addresses", "must be at most " + std::to_string(limits::kNodeAddressesMax));
  for (const std::string& address : options.addresses)
    if (!is_address(address))
      return invalid("addresses", "each is host:port, of 1 to " + std::to_string(limits::kAddressBytesMax) +
                                      " characters without spaces");
  if (auto fit = check_tls(options); !fit) return fit;
  if (options.token_source && !options.token.empty()) return invalid("token", "has no effect beside token_source");
  if (!options.token_source && (options.token.empty() || options.token.size() > limits::kTokenBytesMax))
    return invalid("token", "must have 1 to " + std::to_string(limits::kTokenBytesMax) + " bytes");
  if (options.agent.size() > limits::kNameBytesMax) return invalid("agent", "is too long");
  if (options.window_messages == 0) return invalid("window_messages", "must not be 0");
  if (options.send_window_messages == 0) return invalid("send_window_messages", "must not be 0");
  if (options.report_messages == 0) return invalid("report_messages", "must not be 0");
  if (options.connect_timeout_ms == 0) return invalid("connect_timeout_ms", "must not be 0");
  if (options.request_timeout_ms == 0) return invalid("request_timeout_ms", "must not be 0");
  if (options.reconnect.first_ms == 0 || options.reconnect.max_ms < options.reconnect.first_ms)
    return invalid("reconnect", "first_ms must be above 0 and not above max_ms");
  return {};
}

Status check(const Letter& letter) {
  if (letter.recipient.empty()) return invalid("recipient", "must not be empty");
  if (letter.body.size() > limits::kBodyBytesMax)
    return fail(
        ErrorCode::kTooLarge, "body",
        "has " + std::to_string(letter.body.size()) + " bytes, the limit is " + std::to_string(limits::kBodyBytesMax));
  if (letter.options.ttl_ms > limits::kTtlMsMax)
    return invalid("ttl_ms", "must be at most " + std::to_string(limits::kTtlMsMax));
  return {};
}

// Random ids without a lock: each thread has its own source.
MessageId new_id() {
  thread_local Random random = Random::from_system();
  return random.message_id();
}

}  // namespace

class Client::Impl {
 public:
  Impl(std::shared_ptr<Runtime> runtime, std::shared_ptr<Intake> intake, std::shared_ptr<Engine> engine)
      : runtime_(std::move(runtime)), intake_(std::move(intake)), engine_(std::move(engine)) {}

  const std::shared_ptr<Runtime> runtime_;
  const std::shared_ptr<Intake> intake_;
  const std::shared_ptr<Engine> engine_;
  std::atomic<bool> closed_ = false;

  [[nodiscard]] Loop& loop() const { return *runtime_->loop(); }
};

Client::Client(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Client>> Client::open(Options options, std::shared_ptr<Store> store, Handlers handlers,
                                             std::shared_ptr<Runtime> runtime) {
  if (const Status status = check(options); !status) return fail(status.error());
  Result<DeviceId> device = DeviceId::parse(options.device, "device");
  if (!device) return fail(std::move(device.error()));
  Result<StoredState> state = store->load();
  if (!state) return fail(std::move(state.error()));
  if (const Status status = Outbox::check(state->outbox_head, state->outbox); !status) return fail(status.error());
  if (!state->inbox_head.device.empty() && state->inbox_head.device != *device)
    return fail(ErrorCode::kConflict, "device", "this store belongs to device " + state->inbox_head.device.text());
  if (!options.user.empty() && !state->inbox_head.user.empty() && state->inbox_head.user.text() != options.user)
    return fail(ErrorCode::kConflict, "user", "this store belongs to user " + state->inbox_head.user.text());

  const std::shared_ptr<Loop>& loop = runtime->loop();
  auto intake = std::make_shared<Intake>(
      store, *state, Intake::Bounds{options.outbox_messages_max, options.outbox_bytes_max}, loop->thread_id());
  auto engine = std::make_shared<Engine>(options, std::move(*device), std::move(store), std::move(handlers), loop,
                                         intake, std::move(*state));
  const std::weak_ptr<Engine> weak = engine;
  const auto call = [weak, loop](void (Engine::*function)()) {
    loop->post([weak, function] {
      if (const auto strong = weak.lock()) (*strong.*function)();
    });
  };
  intake->on_committed([call] { call(&Engine::take_committed); }, [call] { call(&Engine::go_on); });
  loop->hold();  // until the engine is shut down
  call(&Engine::start);
  return std::unique_ptr<Client>(
      new Client(std::make_unique<Impl>(std::move(runtime), std::move(intake), std::move(engine))));
}

Client::~Client() { close(); }

Result<MessageId> Client::send(UserId recipient, std::string body, SendOptions options) {
  std::vector<Letter> letters;
  letters.push_back(Letter{std::move(recipient), std::move(body), options});
  Result<std::vector<MessageId>> ids = send(std::move(letters));
  if (!ids) return fail(std::move(ids.error()));
  return ids->front();
}

Result<std::vector<MessageId>> Client::send(std::vector<Letter> letters) {
  if (letters.empty()) return std::vector<MessageId>();
  if (letters.size() > limits::kBatchMessagesMax)
    return fail(
        ErrorCode::kTooLarge, "letters",
        "are " + std::to_string(letters.size()) + ", the limit is " + std::to_string(limits::kBatchMessagesMax));
  std::vector<MessageId> ids;
  ids.reserve(letters.size());
  std::vector<OutboxMessage> messages(letters.size());
  const std::uint64_t now_ms = impl_->loop().clock().wall_ms();
  for (std::size_t i = 0; i < letters.size(); ++i) {
    Letter& letter = letters[i];
    if (Status status = check(letter); !status) return fail(std::move(status.error()));
    OutgoingMessage& message = messages[i].message;
    message.recipient = std::move(letter.recipient);
    message.id = letter.options.id.value_or(MessageId());
    if (!letter.options.id) message.id = new_id();
    message.checksum = checksum_of(letter.body);
    message.body = std::move(letter.body);
    message.sent_at_ms = now_ms;
    message.copy_to_self = letter.options.copy_to_self;
    message.ttl_ms = letter.options.ttl_ms;
    ids.push_back(message.id);
  }
  if (Status status = impl_->intake_->add(messages); !status) return fail(std::move(status.error()));
  return ids;
}

Status Client::wait_connected(std::uint64_t timeout_ms) { return impl_->engine_->wait_connected(timeout_ms); }

Status Client::flush(std::uint64_t timeout_ms) { return impl_->intake_->flush(timeout_ms); }

// ---- calls

namespace {

// The answer of this kind among all kinds; null: it is another one.
template <class T, class... Kinds>
T* find(std::variant<Kinds...>& reply) {
  if constexpr ((std::is_same_v<T, Kinds> || ...)) return std::get_if<T>(&reply);
  return nullptr;
}
template <class T>
T* find(CallReply& reply) {
  if constexpr (std::is_same_v<T, Batch>) return std::get_if<Batch>(&reply);
  if (auto* managed = std::get_if<ManageAnswer>(&reply)) return find<T>(*managed);
  if (auto* placed = std::get_if<PlacesReply>(&reply)) return find<T>(*placed);
  return nullptr;
}

// Takes an answer that may be of any kind for `done`, which wants one.
template <class T>
Calls::Done only(Answer<T> done) {
  return [done = std::move(done)](Result<CallReply> given) {
    if (!given) return done(fail(std::move(given.error())));
    if (T* value = find<T>(*given)) return done(std::move(*value));
    done(fail(ErrorCode::kInternal, "answer", "the server answered something else"));
  };
}

// A promise as a callback: for the second form of each call.
template <class T>
struct Future {
  std::shared_ptr<std::promise<Result<T>>> promise = std::make_shared<std::promise<Result<T>>>();
  void operator()(Result<T> answer) const { promise->set_value(std::move(answer)); }
};

template <class T, class Call>
std::future<Result<T>> as_future(Call call) {
  Future<T> future;
  call(future);
  return future.promise->get_future();
}

}  // namespace

template <class T, class Request>
void Client::ask(Request request, Answer<T> done) {
  impl_->loop().post(
      [engine = impl_->engine_, request = std::move(request), done = only<T>(std::move(done))]() mutable {
        engine->ask(CallRequest(std::move(request)), std::move(done));
      });
}

void Client::fetch(Sequence after, std::uint32_t limit, FetchDone done) {
  ask(FetchRequest{after, limit, FetchCause::kCatchUp}, std::move(done));
}
std::future<Result<Batch>> Client::fetch(Sequence after, std::uint32_t limit) {
  return as_future<Batch>([&](auto done) { fetch(after, limit, done); });
}

void Client::history(Sequence before, std::uint32_t limit, FetchDone done) {
  ask(HistoryRequest{before, limit}, std::move(done));
}
std::future<Result<Batch>> Client::history(Sequence before, std::uint32_t limit) {
  return as_future<Batch>([&](auto done) { history(before, limit, done); });
}

// ---- looking after mailboxes

void Client::devices(DevicesRequest request, Answer<std::vector<DeviceInfo>> done) {
  ask(ManageRequest(std::move(request)), std::move(done));
}
std::future<Result<std::vector<DeviceInfo>>> Client::devices(DevicesRequest request) {
  return as_future<std::vector<DeviceInfo>>([&](auto done) { devices(std::move(request), done); });
}

void Client::remove_device(RemoveDeviceRequest request, Answer<earshot::Done> done) {
  ask(ManageRequest(std::move(request)), std::move(done));
}
std::future<Result<earshot::Done>> Client::remove_device(RemoveDeviceRequest request) {
  return as_future<earshot::Done>([&](auto done) { remove_device(std::move(request), done); });
}

void Client::parked(ParkedRequest request, Answer<std::vector<ParkedMessage>> done) {
  ask(ManageRequest(std::move(request)), std::move(done));
}
std::future<Result<std::vector<ParkedMessage>>> Client::parked(ParkedRequest request) {
  return as_future<std::vector<ParkedMessage>>([&](auto done) { parked(std::move(request), done); });
}

void Client::replay(ReplayRequest request, Answer<Replayed> done) {
  ask(ManageRequest(std::move(request)), std::move(done));
}
std::future<Result<Replayed>> Client::replay(ReplayRequest request) {
  return as_future<Replayed>([&](auto done) { replay(std::move(request), done); });
}

void Client::drop_parked(DropParkedRequest request, Answer<earshot::Done> done) {
  ask(ManageRequest(std::move(request)), std::move(done));
}
std::future<Result<earshot::Done>> Client::drop_parked(DropParkedRequest request) {
  return as_future<earshot::Done>([&](auto done) { drop_parked(std::move(request), done); });
}

void Client::explain(ExplainRequest request, Answer<Explanation> done) {
  ask(ManageRequest(std::move(request)), std::move(done));
}
std::future<Result<Explanation>> Client::explain(ExplainRequest request) {
  return as_future<Explanation>([&](auto done) { explain(std::move(request), done); });
}

void Client::policy(PolicyRequest request, Answer<PolicyInfo> done) {
  ask(ManageRequest(std::move(request)), std::move(done));
}
std::future<Result<PolicyInfo>> Client::policy(PolicyRequest request) {
  return as_future<PolicyInfo>([&](auto done) { policy(std::move(request), done); });
}

void Client::set_policy(SetPolicyRequest request, Answer<earshot::Done> done) {
  ask(ManageRequest(std::move(request)), std::move(done));
}
std::future<Result<earshot::Done>> Client::set_policy(SetPolicyRequest request) {
  return as_future<earshot::Done>([&](auto done) { set_policy(std::move(request), done); });
}

// ---- where the members of layers are

void Client::set_positions(SetPositionsRequest request, Answer<PositionOutcomes> done) {
  ask(PlacesRequest(std::move(request)), std::move(done));
}
std::future<Result<PositionOutcomes>> Client::set_positions(SetPositionsRequest request) {
  return as_future<PositionOutcomes>([&](auto done) { set_positions(std::move(request), done); });
}

void Client::clear_positions(ClearPositionsRequest request, Answer<PositionsCleared> done) {
  ask(PlacesRequest(std::move(request)), std::move(done));
}
std::future<Result<PositionsCleared>> Client::clear_positions(ClearPositionsRequest request) {
  return as_future<PositionsCleared>([&](auto done) { clear_positions(std::move(request), done); });
}

void Client::clear_layer(ClearLayerRequest request, Answer<LayerCleared> done) {
  ask(PlacesRequest(std::move(request)), std::move(done));
}
std::future<Result<LayerCleared>> Client::clear_layer(ClearLayerRequest request) {
  return as_future<LayerCleared>([&](auto done) { clear_layer(std::move(request), done); });
}

void Client::nearby(NearbyRequest request, Answer<NearbyFound> done) {
  ask(PlacesRequest(std::move(request)), std::move(done));
}
std::future<Result<NearbyFound>> Client::nearby(NearbyRequest request) {
  return as_future<NearbyFound>([&](auto done) { nearby(std::move(request), done); });
}

void Client::positions(PositionsRequest request, Answer<Positions> done) {
  ask(PlacesRequest(std::move(request)), std::move(done));
}
std::future<Result<Positions>> Client::positions(PositionsRequest request) {
  return as_future<Positions>([&](auto done) { positions(std::move(request), done); });
}

void Client::distance(DistanceRequest request, Answer<Distance> done) {
  ask(PlacesRequest(std::move(request)), std::move(done));
}
std::future<Result<Distance>> Client::distance(DistanceRequest request) {
  return as_future<Distance>([&](auto done) { distance(std::move(request), done); });
}

void Client::layers(LayersRequest request, Answer<LayersPage> done) {
  ask(PlacesRequest(std::move(request)), std::move(done));
}
std::future<Result<LayersPage>> Client::layers(LayersRequest request) {
  return as_future<LayersPage>([&](auto done) { layers(std::move(request), done); });
}

void Client::layer_privacy(LayerPrivacyRequest request, Answer<LayerPrivacyInfo> done) {
  ask(PlacesRequest(std::move(request)), std::move(done));
}
std::future<Result<LayerPrivacyInfo>> Client::layer_privacy(LayerPrivacyRequest request) {
  return as_future<LayerPrivacyInfo>([&](auto done) { layer_privacy(std::move(request), done); });
}

void Client::set_layer_privacy(SetLayerPrivacyRequest request, Answer<earshot::Done> done) {
  ask(PlacesRequest(std::move(request)), std::move(done));
}
std::future<Result<earshot::Done>> Client::set_layer_privacy(SetLayerPrivacyRequest request) {
  return as_future<earshot::Done>([&](auto done) { set_layer_privacy(std::move(request), done); });
}

Stats Client::stats() const {
  Stats stats = impl_->engine_->stats();
  const Intake::Level level = impl_->intake_->level();
  stats.accepted = level.accepted;
  stats.outbox_messages = level.messages, stats.outbox_bytes = level.bytes;
  return stats;
}

void Client::close() {
  if (impl_->closed_.exchange(true)) return;
  impl_->intake_->close();
  const std::shared_ptr<Engine> engine = impl_->engine_;
  if (impl_->loop().is_current_thread()) {
    engine->shut_down([engine] {});  // which keeps the engine until it is done
    engine->close_handlers();
    return;
  }
  auto done = std::make_shared<std::promise<void>>();
  impl_->loop().post([engine, done] { engine->shut_down([done] { done->set_value(); }); });
  done->get_future().wait();
  engine->close_handlers();
}

}  // namespace earshot::client
