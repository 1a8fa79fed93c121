#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "app/duration.hpp"
#include "app/manage_command.hpp"
#include "app/terminal.hpp"

namespace earshot::app {
namespace {

struct ExplainOptions {
  ConnectionOptions connection;
  std::string of;
  std::string message;
};

// A sequence or, with 32 hexadecimal digits, an id.
Result<ExplainRequest> parse_request(const ExplainOptions& options) {
  auto user = user_of(options.of);
  if (!user) return fail(std::move(user.error()));
  ExplainRequest request{std::move(*user), Sequence(), MessageId()};
  const std::string& text = options.message;
  if (text.size() == 32) {
    auto id = MessageId::parse(text);
    if (!id) return fail(std::move(id.error()));
    request.id = *id;
    return request;
  }
  std::uint64_t sequence = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), sequence);
  if (error != std::errc() || end != text.data() + text.size() || sequence == 0)
    return fail(ErrorCode::kInvalidArgument, "message", "\"" + text + "\" is neither a sequence nor an id (32 digits)");
  request.sequence = Sequence(sequence);
  return request;
}

std::string_view name_of(DeliveryState state) {
  switch (state) {
    case DeliveryState::kWaiting: return "waiting";
    case DeliveryState::kDelivered: return "delivered";
    case DeliveryState::kAcked: return "acked";
    case DeliveryState::kParked: return "parked";
  }
  return "unknown";
}

nlohmann::ordered_json to_json(const DeviceFate& fate) {
  return {{"device", fate.device.text()},
          {"state", name_of(fate.state)},
          {"connected", fate.connected},
          {"ackedAfterMs", fate.acked_after_ms},
          {"ackedByMs", fate.acked_by_ms},
          {"deliveriesInVain", fate.deliveries},
          {"parkedAtMs", fate.parked_at_ms},
          {"attempts", fate.attempts},
          {"firstDeliveredMs", fate.first_delivered_ms},
          {"lastDeliveredMs", fate.last_delivered_ms}};
}

void print_json(const Explanation& explanation) {
  const IncomingMessage& message = explanation.message;
  nlohmann::ordered_json json{{"user", explanation.user.text()},     {"sequence", message.sequence.value},
                              {"id", message.id.to_string()},        {"epoch", explanation.epoch.value},
                              {"shard", explanation.shard.value},    {"node", explanation.node.value},
                              {"sender", message.sender.text()},     {"senderDevice", message.sender_device.text()},
                              {"bodyBytes", explanation.body_bytes}, {"sentAtMs", message.sent_at_ms},
                              {"storedAtMs", message.stored_at_ms},  {"expiresAtMs", message.expires_at_ms},
                              {"replayOf", message.replay_of.value}, {"kept", explanation.kept}};
  if (!explanation.kept) {
    json["endedReason"] = earshot::name_of(explanation.ended_reason);
    json["endedAtMs"] = explanation.ended_at_ms;
  }
  json["devices"] = nlohmann::ordered_json::array();
  for (const DeviceFate& fate : explanation.devices) json["devices"].push_back(to_json(fate));
  print_line(json.dump());
}

// One line of the message's life.
struct Moment {
  std::uint64_t at_ms;
  std::string what;
};

std::string deliveries_text(std::uint32_t count) { return count == 1 ? "once" : std::to_string(count) + " times"; }

// What happened at a device, as far as it has a time; the rest is its summary.
void add_moments(const DeviceFate& fate, bool kept, std::vector<Moment>& moments) {
  const std::string& device = fate.device.text();
  if (fate.first_delivered_ms != 0) moments.push_back({fate.first_delivered_ms, "delivered to " + device});
  if (fate.attempts > 1) {
    moments.push_back({fate.last_delivered_ms,
                       fmt::format("delivered to {} again, {} in all", device, deliveries_text(fate.attempts))});
  }
  if (fate.state == DeliveryState::kAcked && fate.acked_by_ms != 0) {
    moments.push_back(
        {fate.acked_by_ms, std::string(kept ? "" : "passed over or ") + "acked by " + device + " at the latest"});
  }
  if (fate.parked_at_ms != 0) {
    moments.push_back({fate.parked_at_ms,
                       fmt::format("parked for {}: delivered {} in vain", device, deliveries_text(fate.deliveries))});
  }
}

void print_text(const Explanation& explanation) {
  const IncomingMessage& message = explanation.message;
  const bool is_known = !message.sender.empty();
  print_line(fmt::format("message {} of {} (epoch {}, shard {}, node {})", message.sequence.value,
                         explanation.user.text(), explanation.epoch.value, explanation.shard.value,
                         explanation.node.value));
  if (is_known) {
    print_line(fmt::format("  id {}, {} bytes, from {}/{}", message.id.to_string(), explanation.body_bytes,
                           message.sender.text(), message.sender_device.text()));
  }
  if (message.replay_of.value != 0) print_line(fmt::format("  put in again for {}", message.replay_of.value));

  std::vector<Moment> moments;
  if (message.sent_at_ms != 0) moments.push_back({message.sent_at_ms, "sent (by the sender's clock)"});
  if (message.stored_at_ms != 0) moments.push_back({message.stored_at_ms, "stored"});
  for (const DeviceFate& fate : explanation.devices) add_moments(fate, explanation.kept, moments);
  const std::string ended(earshot::name_of(explanation.ended_reason));
  if (!explanation.kept && explanation.ended_at_ms != 0)
    moments.push_back({explanation.ended_at_ms, "ended: " + ended});
  if (explanation.kept && message.expires_at_ms != 0) moments.push_back({message.expires_at_ms, "expires"});
  std::ranges::stable_sort(moments, {}, &Moment::at_ms);
  for (const Moment& moment : moments) {
    const bool is_later = message.stored_at_ms != 0 && moment.at_ms > message.stored_at_ms;
    print_line(fmt::format("  {}  {:>12}  {}", to_time_text(moment.at_ms),
                           is_later ? "+" + to_duration_text(moment.at_ms - message.stored_at_ms) : "", moment.what));
  }
  if (!explanation.kept && explanation.ended_at_ms == 0) print_line("  ended: " + ended + ", when is not known");
  for (const DeviceFate& fate : explanation.devices) {
    std::string line = fmt::format("  {:<24} {}", fate.device.text(), name_of(fate.state));
    // Its place in the mailbox is beyond the message, which it may have been told of as lost.
    if (!explanation.kept && fate.state == DeliveryState::kAcked) line += ", or told that it ended";
    if (fate.state == DeliveryState::kDelivered) line += ", not acked";
    if (fate.state == DeliveryState::kAcked && fate.acked_by_ms > fate.acked_after_ms && fate.acked_after_ms != 0) {
      line += fmt::format(" between {} and {}", to_time_text(fate.acked_after_ms), to_time_text(fate.acked_by_ms));
    }
    if (fate.deliveries > 0 && fate.state != DeliveryState::kParked) {
      line += fmt::format(", {} in vain", deliveries_text(fate.deliveries));
    }
    print_line(line + (fate.connected ? ", connected" : ", not connected"));
  }
}

ExitCode run_explain(const ExplainOptions& options) {
  auto request = parse_request(options);
  if (!request) return complain(request.error());
  return with_client(options.connection, [&](client::Client& client) {
    auto explanation = client.explain(std::move(*request)).get();
    if (!explanation) return complain(explanation.error());
    options.connection.json ? print_json(*explanation) : print_text(*explanation);
    return ExitCode::kDone;
  });
}

}  // namespace

void add_explain_command(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<ExplainOptions>();
  auto* command = add_manage_command(app, "explain", "Show the whole life of one message", *options);
  command->add_option("message", options->message, "its sequence in the mailbox, or its id")->required();
  command->callback([options, &code] { code = run_explain(*options); });
}

}  // namespace earshot::app
