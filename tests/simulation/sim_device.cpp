#include "tests/simulation/sim_device.hpp"

#include <utility>

#include "base/checksum.hpp"
#include "client/runtime.hpp"

namespace earshot::simulation {
SimDevice::SimDevice(World& world, Network& network, History& history, DeviceOptions options, std::vector<UserId> users)
    : world_(world),
      network_(network),
      history_(history),
      options_(std::move(options)),
      users_(std::move(users)),
      random_(world.fork()),
      clock_(world.now_ms()),
      store_(world, history, options_.name) {
  history_.device(options_.name, options_.mode);
  act_later();
}

// ---- life and death

void SimDevice::start() {
  if (client_) return;
  if (process_ && process_->is_used()) {  // the program still waits for its close(): a store serves one at a time
    process_->ended = [this] { start(); };
    return;
  }
  world_.note("device starts: " + options_.name.text(), ++runs_);
  process_ = std::make_shared<Process>(world_, network_, clock_, runs_, Random(random_.next()));
  process_->welcomed = [this](const Welcome& welcome) { history_.welcomed(options_.name, welcome); };
  process_->acked = [this](Sequence cursor) { history_.acked(options_.name, cursor); };
  store_.opened_by(process_);

  client::Options options;
  options.addresses = network_.addresses();
  options.token = options_.name.user.text();
  options.user = options.token;
  options.device = options_.name.device.text();
  options.mode = options_.mode;
  options.window_messages = options_.window_messages;
  options.request_timeout_ms = options_.request_timeout_ms;
  options.report_messages = 16;
  // The library gives its store back when it has ended; ours stays.
  const std::shared_ptr<client::Store> store(std::shared_ptr<void>(), &store_);
  auto client = client::Client::open(options, store, handlers(), std::make_shared<client::Runtime>(process_));
  if (!client) return history_.violation(options_.name.text() + " cannot open: " + client.error().to_string());
  client_ = std::move(*client);
}

void SimDevice::crash(bool power_off) {
  if (!process_) return;
  world_.note("device crashes: " + options_.name.text(), runs_, power_off ? 1 : 0);
  process_->die(power_off);
  client_.reset();
  store_.program_died();
  process_.reset();
}

void SimDevice::close() {
  if (!client_) return;
  world_.note("device closes: " + options_.name.text(), runs_);
  client_->close();
  client_.reset();
}

void SimDevice::pause_until(std::uint64_t time_ms) {
  if (process_) process_->pause_until(time_ms);
}

void SimDevice::with_client(std::function<void(client::Client&)> task) {
  if (!process_) return;
  process_->post([this, task = std::move(task)] {
    if (client_) task(*client_);
  });
}

// ---- the application

void SimDevice::act_later() {
  if (options_.send_every_ms == 0) return;
  world_.after(random_.between(1, 2 * options_.send_every_ms), [this] {
    if (busy_ && process_) process_->post([this] { act(); });
    act_later();
  });
}

void SimDevice::act() {
  if (!client_) return;
  if (random_.chance(options_.reads)) return read();
  send();
}

void SimDevice::send() {
  const std::size_t count = random_.between(1, options_.batch_messages_max);
  std::vector<client::Letter> letters;
  for (std::size_t i = 0; i < count; ++i) {
    client::Letter letter;
    letter.recipient = users_[random_.below(users_.size())];
    letter.options.id = random_.message_id();
    letter.options.copy_to_self = random_.chance(options_.copies);
    if (life_.ttls > 0 && random_.chance(life_.ttls)) letter.options.ttl_ms = random_.between(200, life_.ttl_ms_max);
    letter.body = letter.options.id->to_string();
    letter.body.resize(random_.below(options_.body_bytes_max + 1), '.');
    letters.push_back(std::move(letter));
  }
  const std::vector<client::Letter> sent = letters;
  if (!client_->send(std::move(letters))) return;  // the store refused, or the outbox is full: nothing was promised
  for (const client::Letter& letter : sent) {
    const bool copy = letter.options.copy_to_self && letter.recipient != options_.name.user;
    history_.accepted(*letter.options.id,
                      Accepted{options_.name, letter.recipient, letter.body, copy, letter.options.ttl_ms});
  }
  world_.note("send by " + options_.name.text(), count);
}

void SimDevice::read() {
  const auto limit = static_cast<std::uint32_t>(random_.between(1, 50));
  const Sequence place(random_.below(history_.devices().at(options_.name).last_received.value + 2));
  const bool from_end = !random_.chance(0.5);
  const auto done = [this, asked = history_.asks(options_.name.user, from_end, place)](const Result<Batch>& batch) {
    if (batch) history_.read(options_.name, *batch, asked);
  };
  if (from_end) {
    client_->history(place, limit, done);
  } else {
    client_->fetch(place, limit, done);
  }
}

client::Handlers SimDevice::handlers() {
  client::Handlers handlers;
  // A dead program is not called, whatever its library still does on its way out.
  handlers.on_sent = [this, process = process_.get()](std::span<const client::SendReport> reports) {
    if (!process->alive()) return;
    for (const client::SendReport& report : reports) history_.reported(options_.name, report);
  };
  handlers.on_offer = [this, process = process_.get()](std::span<const IncomingMessage> messages,
                                                       std::vector<client::Rejection>& rejections) {
    if (!process->alive() || !busy_ || (options_.rejects == 0 && life_.refuses_percent == 0)) return;
    for (const IncomingMessage& message : messages) {
      const bool refuses = checksum_of(message.id.to_string()) % 100 < life_.refuses_percent;
      if (!refuses && !random_.chance(options_.rejects)) continue;
      rejections.push_back({message.sequence, static_cast<std::uint32_t>(random_.below(3'000))});
    }
  };
  handlers.on_state = [this, process = process_.get()](const client::ConnectionChange& change) {
    if (!process->alive()) return;
    using Kind = client::ConnectionChange::Kind;
    world_.note(options_.name.text() + (change.kind == Kind::kConnected ? " is connected" : " is not connected"),
                static_cast<std::uint64_t>(change.reason.code), change.retry_in_ms);
    // No other program has this device, and an earlier run of this one, whose login comes late, must not win.
    if (change.kind == Kind::kReplaced || change.kind == Kind::kRefused)
      history_.violation(options_.name.text() + " is turned away: " + change.reason.to_string());
  };
  return handlers;
}

}  // namespace earshot::simulation
