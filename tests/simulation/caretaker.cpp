#include "tests/simulation/caretaker.hpp"

#include <algorithm>
#include <utility>

namespace earshot::simulation {

namespace {

constexpr int kLastRounds = 5;
constexpr std::uint64_t kRoundMsMax = 8'000;

}  // namespace

Caretaker::Caretaker(World& world, History& history, SimDevice& operators_device,
                     std::vector<std::unique_ptr<SimDevice>>& devices, std::vector<UserId> users, Random random)
    : world_(world),
      history_(history),
      operators_device_(operators_device),
      devices_(devices),
      users_(std::move(users)),
      random_(std::move(random)),
      every_ms_(random_.between(300, 5'000)),
      removes_(random_.chance(0.4)),
      lets_park_(random_.chance(0.7)) {}

void Caretaker::start() {
  world_.after(random_.between(1, 2 * every_ms_), [this] {
    if (!busy_) return;
    act();
    start();
  });
}

void Caretaker::calm_down() {
  busy_ = false;
  go_round(kLastRounds);
}

void Caretaker::go_round(int rounds) {
  if (rounds == 0) return;
  world_.after(random_.between(500, kRoundMsMax), [this, rounds] {
    for (const auto& device : devices_) look_after_parked(device->name(), random_.chance(0.5));
    go_round(rounds - 1);
  });
}

SimDevice& Caretaker::desk(const DeviceName& device, bool as_operator) {
  const auto own = std::find_if(devices_.begin(), devices_.end(), [&](const auto& d) { return d->name() == device; });
  return as_operator || own == devices_.end() ? operators_device_ : **own;
}

void Caretaker::act() {
  if (lets_park_) return operators_device_.with_client([this](client::Client& client) { let_park(client); });
  const std::uint64_t what = random_.below(10);
  const DeviceName device = any_device().name();
  const bool as_operator = what < 2 || random_.chance(0.5);
  // An owner may leave the user out.
  const UserId named = as_operator || random_.chance(0.5) ? device.user : UserId();
  if (what >= 2 && what < 6) return look_after_parked(device, as_operator);
  desk(device, as_operator).with_client([this, what, device, named](client::Client& client) {
    if (what < 2) return set_policy(client);
    if (what == 6 && removes_) return remove_device(client, device, named);
    if (what < 8) return explain(client, device.user, named);
    client.devices({named}, [this, user = device.user](const Result<std::vector<DeviceInfo>>& devices) {
      if (devices) history_.listed(user, *devices);
    });
  });
}

void Caretaker::set_policy(client::Client& client) {
  SetPolicyRequest request;
  request.all = random_.chance(0.25);
  if (!request.all) request.user = users_[random_.below(users_.size())];
  if (request.all || random_.chance(0.8)) {
    Policy policy;
    if (random_.chance(0.3)) policy.retention_age_ms = random_.between(3'000, 60'000);
    if (random_.chance(0.4)) policy.retention_messages = random_.between(1, random_.chance(0.5) ? 10 : 200);
    if (random_.chance(0.7)) policy.deliveries_max = static_cast<std::uint32_t>(random_.between(1, 4));
    history_.lives().policy_asked(request.user, policy);
    request.policy = policy;
  }
  world_.note("set policy of " + (request.all ? "all" : request.user.text()));
  client.set_policy(std::move(request), [](const Result<Done>&) {});
}

// The default of all mailboxes, until the node says that it has it.
void Caretaker::let_park(client::Client& client) {
  SetPolicyRequest request;
  request.all = true;
  request.policy.emplace();
  request.policy->deliveries_max = static_cast<std::uint32_t>(random_.between(1, 3));
  history_.lives().policy_asked(request.user, *request.policy);
  client.set_policy(std::move(request), [this](const Result<Done>& done) {
    if (done) lets_park_ = false;
  });
}

void Caretaker::look_after_parked(const DeviceName& device, bool as_operator) {
  const UserId named = as_operator ? device.user : UserId();
  desk(device, as_operator).with_client([this, device, named, as_operator](client::Client& client) {
    client.parked({named, device.device, {}, 0},
                  [this, device, named, as_operator](const Result<std::vector<ParkedMessage>>& parked) {
                    if (!parked) return;
                    for (const ParkedMessage& each : *parked) {
                      if (each.message) history_.check_content(device.user, *each.message);
                    }
                    handle_parked(device, named, as_operator, *parked);
                  });
  });
}

void Caretaker::handle_parked(const DeviceName& device, const UserId& named, bool as_operator,
                              const std::vector<ParkedMessage>& parked) {
  std::vector<Sequence> sequences;
  for (const ParkedMessage& each : parked) {
    if (random_.chance(0.5)) sequences.push_back(each.sequence);
  }
  if (sequences.empty()) return;
  const bool replays = random_.chance(0.7);
  desk(device, as_operator).with_client([this, device, named, sequences, replays](client::Client& client) {
    world_.note((replays ? "replay for " : "drop parked of ") + device.text(), sequences.size());
    if (!replays) return client.drop_parked({named, device.device, sequences}, [](const Result<Done>&) {});
    history_.lives().replay_asked(device.user, sequences);
    client.replay({named, device.device, sequences},
                  [this, user = device.user, sequences](const Result<Replayed>& replayed) {
                    if (replayed) history_.lives().replayed(user, sequences, replayed->sequences);
                  });
  });
}

void Caretaker::remove_device(client::Client& client, const DeviceName& device, const UserId& named) {
  world_.note("remove device " + device.text());
  history_.lives().removal_asked(device);
  client.remove_device({named, device.device}, [](const Result<Done>&) {});
}

void Caretaker::explain(client::Client& client, const UserId& user, const UserId& named) {
  std::uint64_t last = 0;
  for (const auto& [name, device] : history_.devices()) {
    if (name.user == user) last = std::max(last, device.last_received.value);
  }
  client.explain({named, Sequence(random_.between(1, last + 3)), {}}, [this](const Result<Explanation>& explanation) {
    if (explanation) history_.explained(*explanation);
  });
}

}  // namespace earshot::simulation
