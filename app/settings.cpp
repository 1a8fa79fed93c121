#include "app/settings.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/limits.hpp"

namespace earshot::app {
namespace {

constexpr std::array<std::string_view, 6> kLogLevels{"trace", "debug", "info", "warn", "error", "off"};
constexpr std::array<std::string_view, 2> kAuthModes{"none", "jwt"};  // by AuthMode

const std::array kSettings{
    Setting{"data_dir", "Where the node keeps its data; made when missing.", TextRule{&NodeConfig::data_dir}},
    Setting{"client_address", "The address that clients connect to: IPv4 or IPv6, for example 0.0.0.0 or ::1.",
            TextRule{&NodeConfig::client_address}},
    Setting{"client_port", "The port that clients connect to; 0 picks a free one.",
            NumberRule{&NodeConfig::client_port, 0, 65'535}},
    Setting{"resp", "Serves Redis's geo commands too, in Redis's protocol.", FlagRule{&NodeConfig::resp}},
    Setting{"resp_port", "The port that Redis's clients connect to, at client_address; 0 picks a free one.",
            NumberRule{&NodeConfig::resp_port, 0, 65'535}},
    Setting{"http", "Serves metrics and health over HTTP: /metrics, /healthz, /readyz.", FlagRule{&NodeConfig::http}},
    Setting{"http_address",
            "The address of that port. It asks for no login and knows no TLS: for those who watch only.",
            TextRule{&NodeConfig::http_address}},
    Setting{"http_port", "The port that metrics and health are served on; 0 picks a free one.",
            NumberRule{&NodeConfig::http_port, 0, 65'535}},
    Setting{"tls_certificate",
            "PEM file with the node's certificate, then those between it and the root. Empty: no TLS; then on loopback "
            "addresses only.",
            TextRule{&NodeConfig::tls_certificate, {}, true}},
    Setting{"tls_key", "PEM file with the private key of that certificate, readable by the node alone.",
            TextRule{&NodeConfig::tls_key, {}, true}},
    Setting{"allow_plaintext", "Serves without TLS beyond loopback addresses too, where something else encrypts.",
            FlagRule{&NodeConfig::allow_plaintext}},
    Setting{"auth",
            "How logins are checked. none: a login names its user; on loopback addresses only. jwt: a login brings a "
            "JSON Web Token.",
            AuthRule{}},
    Setting{"jwt_keys", "File with the keys that sign tokens, a JSON Web Key Set; read again when it has changed.",
            TextRule{&NodeConfig::jwt_keys, {}, true}},
    Setting{"jwt_audience", "A token's audience (aud) must be or hold this one. Empty: any.",
            TextRule{&NodeConfig::jwt_audience, {}, true}},
    Setting{"jwt_issuer", "A token's issuer (iss) must be this one. Empty: any.",
            TextRule{&NodeConfig::jwt_issuer, {}, true}},
    Setting{"jwt_require_expiry", "Tokens without an end (exp) are refused.",
            FlagRule{&NodeConfig::jwt_require_expiry}},
    Setting{"jwt_leeway_s", "The clocks of the issuer and of this node may be so far apart, in seconds.",
            NumberRule{&NodeConfig::jwt_leeway_s, 0, limits::kJwtLeewaySMax}},
    Setting{"login_throttle_exempt",
            "Addresses and prefixes, with commas between, that failed logins do not slow down: those of a proxy that "
            "all clients come through. Empty: none.",
            TextRule{&NodeConfig::login_throttle_exempt, {}, true}},
    Setting{"bootstrap",
            "Begins a cluster, with this node as its first; the same command starts it again later. A node without "
            "this and join is a broker of its own, or goes on in the cluster that it is in.",
            FlagRule{&NodeConfig::bootstrap}},
    Setting{"join", "Joins the cluster of these nodes: host:port of their peer ports, with commas between.",
            TextRule{&NodeConfig::join, {}, true}},
    Setting{"replicas", "Nodes that keep a copy of each shard, in a cluster that begins with this node.",
            NumberRule{&NodeConfig::replicas, 1, limits::kReplicasMax}},
    Setting{"peer_address",
            "The address that other nodes of the cluster connect to: IPv4 or IPv6. Empty: they cannot; this node only "
            "connects to them.",
            TextRule{&NodeConfig::peer_address, {}, true}},
    Setting{"peer_port", "The port that other nodes connect to; 0 picks a free one, which a node that joins cannot.",
            NumberRule{&NodeConfig::peer_port, 0, 65'535}},
    Setting{"peer_advertise",
            "Where other nodes find this one, if not at peer_address and peer_port: host:port, with commas between.",
            TextRule{&NodeConfig::peer_advertise, {}, true}},
    Setting{"client_advertise",
            "Where clients of other nodes find this one, if not at client_address and client_port: host:port, with "
            "commas between.",
            TextRule{&NodeConfig::client_advertise, {}, true}},
    Setting{"peer_tls_certificate",
            "PEM file with the certificate that this node shows to other nodes; earshot cert makes it. Empty: no TLS "
            "between nodes; then on loopback addresses only.",
            TextRule{&NodeConfig::peer_tls_certificate, {}, true}},
    Setting{"peer_tls_key", "PEM file with the private key of that certificate, readable by the node alone.",
            TextRule{&NodeConfig::peer_tls_key, {}, true}},
    Setting{"peer_tls_ca", "PEM file with the cluster's authority, which vouches for the certificates of all nodes.",
            TextRule{&NodeConfig::peer_tls_ca, {}, true}},
    Setting{"election_timeout_ms",
            "A shard whose leader is silent for so long elects another one. Smaller: shorter pauses, and more of them "
            "when machines are slow.",
            NumberRule{&NodeConfig::election_timeout_ms, limits::kElectionTimeoutMsMin, limits::kElectionTimeoutMsMax}},
    Setting{"heartbeat_ms", "A leader says so often that it is there; a third of election_timeout_ms or less.",
            NumberRule{&NodeConfig::heartbeat_ms, limits::kHeartbeatMsMin, limits::kElectionTimeoutMsMax / 3}},
    Setting{"shard_count", "Shards of the data, fixed when the data directory is made.",
            NumberRule{&NodeConfig::shard_count, 1, limits::kShardsMax}},
    Setting{"gateway_threads", "Threads that speak with clients.",
            NumberRule{&NodeConfig::gateway_threads, 1, limits::kGatewayThreadsMax}},
    Setting{"connections_max", "Clients that may be connected at once; those beyond are closed at once.",
            NumberRule{&NodeConfig::connections_max, 1, limits::kConnectionsMax}},
    Setting{"scheduler_threads", "Threads that sessions and shards run on; 0: one per core.",
            NumberRule{&NodeConfig::scheduler_threads, 0, limits::kSchedulerThreadsMax}},
    Setting{"log_level", "How much is logged, to standard error.", TextRule{&NodeConfig::log_level, kLogLevels}},
    Setting{"retransmit_first_ms", "An unacked message is sent again after this; the time doubles with every attempt.",
            NumberRule{&NodeConfig::retransmit_first_ms, 1, limits::kRetransmitMsMax}},
    Setting{"retransmit_max_ms", "The longest time between two attempts.",
            NumberRule{&NodeConfig::retransmit_max_ms, 1, limits::kRetransmitMsMax}},
    Setting{"flush_interval_ms", "Applied state is written to its tables at least this often.",
            NumberRule{&NodeConfig::flush_interval_ms, 1, limits::kFlushIntervalMsMax}},
    Setting{"overlay_bytes_max", "Applied state not yet in its tables, in memory; at the limit senders are held back.",
            NumberRule{&NodeConfig::overlay_bytes_max, limits::kOverlayBytesMin, limits::kSettingBytesMax}},
    Setting{"overlay_flush_bytes", "So much of it is written to its tables at once.",
            NumberRule{&NodeConfig::overlay_flush_bytes, limits::kOverlayFlushBytesMin, limits::kSettingBytesMax}},
    Setting{"disk_reserve_bytes", "With less than this free on the disk, messages are refused until there is room.",
            NumberRule{&NodeConfig::disk_reserve_bytes, limits::kDiskReserveBytesMin, limits::kSettingBytesMax}},
};

tl::unexpected<Error> refuse(const Setting& setting, std::string why) {
  return fail(ErrorCode::kInvalidArgument, std::string(setting.key), std::move(why));
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

Status set_number(NodeConfig& config, const Setting& setting, const NumberRule& rule, std::uint64_t number) {
  if (number < rule.min || number > rule.max)
    return refuse(setting, "is " + std::to_string(number) + ", must be " + std::to_string(rule.min) + " to " +
                               std::to_string(rule.max));
  std::visit(
      [&](auto member) { config.*member = static_cast<std::remove_reference_t<decltype(config.*member)>>(number); },
      rule.member);
  return {};
}

Status set_text(NodeConfig& config, const Setting& setting, const TextRule& rule, std::string_view text) {
  if (text.empty() && !rule.optional) return refuse(setting, "must not be empty");
  if (!rule.choices.empty() && std::ranges::find(rule.choices, text) == rule.choices.end()) {
    std::string allowed;
    for (const std::string_view choice : rule.choices) allowed += (allowed.empty() ? "" : ", ") + std::string(choice);
    return refuse(setting, "is " + quoted(text) + ", must be one of " + allowed);
  }
  config.*rule.member = text;
  return {};
}

}  // namespace

std::span<const Setting> settings() { return kSettings; }

const Setting* find_setting(std::string_view key) {
  const auto found = std::ranges::find(kSettings, key, &Setting::key);
  return found == kSettings.end() ? nullptr : &*found;
}

bool is_number(const Setting& setting) { return std::holds_alternative<NumberRule>(setting.rule); }
bool is_flag(const Setting& setting) { return std::holds_alternative<FlagRule>(setting.rule); }

Status set(NodeConfig& config, const Setting& setting, std::string_view text) {
  if (const auto* rule = std::get_if<TextRule>(&setting.rule)) return set_text(config, setting, *rule, text);
  if (const auto* rule = std::get_if<NumberRule>(&setting.rule)) {
    std::uint64_t number = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (status != std::errc{} || end != text.data() + text.size())
      return refuse(setting, "is " + quoted(text) + ", must be a whole number from " + std::to_string(rule->min) +
                                 " to " + std::to_string(rule->max));
    return set_number(config, setting, *rule, number);
  }
  if (is_flag(setting)) {
    if (text != "true" && text != "false") return refuse(setting, "is " + quoted(text) + ", must be true or false");
    return set_flag(config, setting, text == "true");
  }
  const auto mode = std::ranges::find(kAuthModes, text);
  if (mode == kAuthModes.end()) return refuse(setting, "is " + quoted(text) + ", must be one of none, jwt");
  config.auth = static_cast<AuthMode>(mode - kAuthModes.begin());
  return {};
}

Status set(NodeConfig& config, const Setting& setting, std::int64_t number) {
  const auto* rule = std::get_if<NumberRule>(&setting.rule);
  if (rule == nullptr) return refuse(setting, "is a number, must be a text");
  if (number < 0)
    return refuse(setting, "is " + std::to_string(number) + ", must be " + std::to_string(rule->min) + " to " +
                               std::to_string(rule->max));
  return set_number(config, setting, *rule, static_cast<std::uint64_t>(number));
}

Status set_flag(NodeConfig& config, const Setting& setting, bool flag) {
  const auto* rule = std::get_if<FlagRule>(&setting.rule);
  if (rule == nullptr) return refuse(setting, "is true or false, must be something else");
  config.*rule->member = flag;
  return {};
}

std::string value_of(const NodeConfig& config, const Setting& setting) {
  if (const auto* rule = std::get_if<TextRule>(&setting.rule)) return config.*rule->member;
  if (const auto* rule = std::get_if<NumberRule>(&setting.rule))
    return std::visit([&](auto member) { return std::to_string(config.*member); }, rule->member);
  if (const auto* rule = std::get_if<FlagRule>(&setting.rule)) return config.*rule->member ? "true" : "false";
  return std::string(kAuthModes[static_cast<std::size_t>(config.auth)]);
}

}  // namespace earshot::app
