#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "app/duration.hpp"
#include "app/manage_command.hpp"
#include "app/terminal.hpp"

namespace earshot::app {

Result<UserId> user_of(const std::string& of) {
  if (of.empty()) return UserId();
  return UserId::parse(of, "of");
}

namespace {

std::string time_or_dash(std::uint64_t wall_ms) { return wall_ms == 0 ? "-" : to_time_text(wall_ms); }

// ---- devices

struct DevicesOptions {
  ConnectionOptions connection;
  std::string of;
  std::string remove;
};

void print(const std::vector<DeviceInfo>& devices, bool json) {
  if (!json) {
    print_line(fmt::format("{:<24} {:<9} {:>10} {:>10} {:>7}  {}", "device", "connected", "acked to", "unacked",
                           "parked", "last seen"));
  }
  for (const DeviceInfo& one : devices) {
    if (json) {
      print_line(nlohmann::ordered_json{{"device", one.device.text()},
                                        {"connected", one.connected},
                                        {"upTo", one.up_to.value},
                                        {"unacked", one.unacked},
                                        {"parked", one.parked},
                                        {"lastSeenMs", one.last_seen_ms}}
                     .dump());
    } else {
      print_line(fmt::format("{:<24} {:<9} {:>10} {:>10} {:>7}  {}", one.device.text(), one.connected ? "yes" : "no",
                             one.up_to.value, one.unacked, one.parked, time_or_dash(one.last_seen_ms)));
    }
  }
}

ExitCode run_devices(const DevicesOptions& options) {
  auto user = user_of(options.of);
  if (!user) return complain(user.error());
  return with_client(options.connection, [&](client::Client& client) {
    if (options.remove.empty()) {
      auto devices = client.devices(DevicesRequest{*user}).get();
      if (!devices) return complain(devices.error());
      print(*devices, options.connection.json);
      return ExitCode::kDone;
    }
    auto device = DeviceId::parse(options.remove, "remove");
    if (!device) return complain(device.error());
    if (auto removed = client.remove_device(RemoveDeviceRequest{*user, *device}).get(); !removed)
      return complain(removed.error());
    if (options.connection.json) {
      print_line(nlohmann::ordered_json{{"removed", options.remove}}.dump());
    } else if (!options.connection.quiet) {
      print_line(options.remove + " is removed");
    }
    return ExitCode::kDone;
  });
}

// ---- parked

struct ParkedOptions {
  ConnectionOptions connection;
  std::string of;
  std::string device;
  std::vector<std::uint64_t> replay;
  std::vector<std::uint64_t> drop;
};

void print(const ParkedMessage& parked, bool json) {
  if (json) {
    nlohmann::ordered_json line{{"device", parked.device.text()},
                                {"sequence", parked.sequence.value},
                                {"deliveries", parked.deliveries},
                                {"parkedAtMs", parked.parked_at_ms}};
    if (parked.message) line["message"] = to_json(*parked.message);
    return print_line(line.dump());
  }
  print_line(fmt::format("{}  parked {} after {} deliveries", parked.device.text(), time_or_dash(parked.parked_at_ms),
                         parked.deliveries));
  print_line(parked.message ? to_line(*parked.message)
                            : fmt::format("{:>6}  (not in the mailbox any more)", parked.sequence.value));
}

ExitCode list_parked(client::Client& client, ParkedRequest request, bool json) {
  for (;;) {
    auto page = client.parked(request).get();
    if (!page) return complain(page.error());
    if (page->empty()) return ExitCode::kDone;
    for (const ParkedMessage& parked : *page) print(parked, json);
    request.after = page->back().sequence;
  }
}

std::vector<Sequence> to_sequences(const std::vector<std::uint64_t>& numbers) {
  std::vector<Sequence> sequences;
  sequences.reserve(numbers.size());
  for (const std::uint64_t number : numbers) sequences.emplace_back(number);
  return sequences;
}

ExitCode replay(client::Client& client, const UserId& user, const DeviceId& device, const ParkedOptions& options) {
  auto replayed = client.replay(ReplayRequest{user, device, to_sequences(options.replay)}).get();
  if (!replayed) return complain(replayed.error());
  bool is_complete = true;
  for (std::size_t i = 0; i < replayed->sequences.size() && i < options.replay.size(); ++i) {
    const std::uint64_t now = replayed->sequences[i].value;
    is_complete = is_complete && now != 0;
    if (options.connection.json) {
      print_line(nlohmann::ordered_json{{"sequence", options.replay[i]}, {"replayedAs", now}}.dump());
    } else {
      print_line(now != 0 ? fmt::format("{} is in the mailbox again as {}", options.replay[i], now)
                          : fmt::format("{} is not parked, or no longer in the mailbox", options.replay[i]));
    }
  }
  return is_complete ? ExitCode::kDone : ExitCode::kFailed;
}

ExitCode run_parked(const ParkedOptions& options) {
  auto user = user_of(options.of);
  if (!user) return complain(user.error());
  DeviceId device;
  if (!options.device.empty()) {
    auto parsed = DeviceId::parse(options.device, "of-device");
    if (!parsed) return complain(parsed.error());
    device = *parsed;
  } else if (!options.replay.empty() || !options.drop.empty()) {
    return complain(ExitCode::kUsage, "--replay and --drop need --of-device");
  }
  return with_client(options.connection, [&](client::Client& client) {
    if (!options.replay.empty()) return replay(client, *user, device, options);
    if (options.drop.empty()) {
      return list_parked(client, ParkedRequest{*user, device, Sequence(), 0}, options.connection.json);
    }
    if (auto dropped = client.drop_parked(DropParkedRequest{*user, device, to_sequences(options.drop)}).get(); !dropped)
      return complain(dropped.error());
    if (!options.connection.quiet && !options.connection.json) print_line("dropped");
    return ExitCode::kDone;
  });
}

// ---- policy

struct PolicyOptions {
  ConnectionOptions connection;
  std::string of;
  bool all = false;
  bool inherit = false;
  std::string age;
  std::string device_idle;
  std::optional<std::uint64_t> messages;
  std::optional<std::uint32_t> deliveries;

  [[nodiscard]] bool changes() const {
    return inherit || !age.empty() || !device_idle.empty() || messages || deliveries;
  }
};

std::string limit_text(std::uint64_t limit, const std::string& text) { return limit == 0 ? "no limit" : text; }

void print(const PolicyInfo& info, bool all, bool json) {
  const Policy& policy = info.policy;
  if (json) {
    return print_line(nlohmann::ordered_json{
        {"retentionAgeMs", policy.retention_age_ms},
        {"retentionMessages", policy.retention_messages},
        {"deviceIdleMs", policy.device_idle_ms},
        {"deliveriesMax", policy.deliveries_max},
        {"inherited",
         info.inherited}}.dump());
  }
  print_line(all              ? "the default of all mailboxes"
             : info.inherited ? "the default (this mailbox has no policy of its own)"
                              : "this mailbox's own policy");
  print_line("  messages are kept for   " +
             limit_text(policy.retention_age_ms, to_duration_text(policy.retention_age_ms)));
  print_line("  messages kept at most   " +
             limit_text(policy.retention_messages, std::to_string(policy.retention_messages)));
  print_line("  devices away are kept   " + limit_text(policy.device_idle_ms, to_duration_text(policy.device_idle_ms)));
  print_line("  parked after deliveries " + limit_text(policy.deliveries_max, std::to_string(policy.deliveries_max)));
}

// The policy with what the options change.
Result<Policy> changed(Policy policy, const PolicyOptions& options) {
  if (!options.age.empty()) {
    auto age = parse_duration(options.age, "age");
    if (!age) return fail(std::move(age.error()));
    policy.retention_age_ms = *age;
  }
  if (!options.device_idle.empty()) {
    auto idle = parse_duration(options.device_idle, "device-idle");
    if (!idle) return fail(std::move(idle.error()));
    policy.device_idle_ms = *idle;
  }
  policy.retention_messages = options.messages.value_or(policy.retention_messages);
  policy.deliveries_max = options.deliveries.value_or(policy.deliveries_max);
  return policy;
}

ExitCode run_policy(const PolicyOptions& options) {
  auto user = user_of(options.of);
  if (!user) return complain(user.error());
  if (auto valid = changed(Policy(), options); !valid) return complain(valid.error());
  return with_client(options.connection, [&](client::Client& client) {
    const PolicyRequest question{*user, options.all};
    auto now = client.policy(question).get();
    if (!now) return complain(now.error());
    if (options.changes()) {
      SetPolicyRequest request{*user, options.all, std::nullopt};
      if (!options.inherit) request.policy = *changed(now->policy, options);
      if (auto set = client.set_policy(std::move(request)).get(); !set) return complain(set.error());
      now = client.policy(question).get();
      if (!now) return complain(now.error());
    }
    if (!options.connection.quiet || !options.changes()) print(*now, options.all, options.connection.json);
    return ExitCode::kDone;
  });
}

}  // namespace

void add_devices_command(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<DevicesOptions>();
  auto* command = add_manage_command(app, "devices", "Show the devices of a mailbox, or remove one", *options);
  command->add_option("--remove", options->remove, "forget this device, with its place in the mailbox");
  command->callback([options, &code] { code = run_devices(*options); });
}

void add_parked_command(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<ParkedOptions>();
  auto* command =
      add_manage_command(app, "parked", "Show what was given up on for a device; replay or drop it", *options);
  command->add_option("--of-device", options->device, "the device that it is parked for (none: any, without bodies)");
  auto* replay = command->add_option("--replay", options->replay, "put these into the mailbox again, as new messages");
  command->add_option("--drop", options->drop, "take these off the list for good")->excludes(replay);
  command->callback([options, &code] { code = run_parked(*options); });
}

void add_policy_command(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<PolicyOptions>();
  auto* command =
      add_manage_command(app, "policy", "Show or set what ends the messages of a mailbox (0: nothing does)", *options);
  auto* all = command->add_flag("--all", options->all, "the default of all mailboxes");
  all->excludes("--of");
  command->add_option("--age", options->age, "trim messages older than this (30d)");
  command->add_option("--messages", options->messages, "keep so many messages at most");
  command->add_option("--device-idle", options->device_idle, "remove devices that are away for longer (90d)");
  command->add_option("--deliveries", options->deliveries, "park what is unacked after so many deliveries to a device");
  command->add_flag("--inherit", options->inherit, "follow the default again")->excludes(all);
  command->callback([options, &code] { code = run_policy(*options); });
}

}  // namespace earshot::app
