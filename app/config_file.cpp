#include "app/config_file.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>
#include <utility>

#include <toml++/toml.h>

#include "app/settings.hpp"

namespace earshot::app {
namespace {

std::string place_of(std::string_view source, const toml::source_region& region) {
  return std::string(source) + ":" + std::to_string(region.begin.line) + ": ";
}

Status set_from(NodeConfig& config, const Setting& setting, const toml::node& node) {
  if (is_number(setting)) {
    if (const auto number = node.value_exact<std::int64_t>()) return set(config, setting, *number);
    return fail(ErrorCode::kInvalidArgument, std::string(setting.key), "must be a whole number");
  }
  if (is_flag(setting)) {
    if (const auto flag = node.value_exact<bool>()) return set_flag(config, setting, *flag);
    return fail(ErrorCode::kInvalidArgument, std::string(setting.key), "must be true or false");
  }
  if (const auto text = node.value_exact<std::string>()) return set(config, setting, *text);
  return fail(ErrorCode::kInvalidArgument, std::string(setting.key), "must be a text in quotes");
}

std::string quoted_toml(std::string_view text) {
  std::ostringstream out;
  out << toml::value<std::string>(std::string(text));
  return out.str();
}

// What is set must have an effect: a setting of security that is silently ignored is worse than none.
Status check_security(const NodeConfig& config) {
  const auto refuse = [](const char* key, const char* why) -> Status {
    return fail(ErrorCode::kInvalidArgument, key, why);
  };
  if (config.tls_certificate.empty() != config.tls_key.empty())
    return refuse(config.tls_key.empty() ? "tls_key" : "tls_certificate",
                  "is missing: tls_certificate and tls_key go together");
  const std::array<std::pair<const char*, const std::string&>, 3> peer_files{
      {{"peer_tls_certificate", config.peer_tls_certificate},
       {"peer_tls_key", config.peer_tls_key},
       {"peer_tls_ca", config.peer_tls_ca}}};
  const bool peer_tls = std::ranges::any_of(peer_files, [](const auto& file) { return !file.second.empty(); });
  for (const auto& [key, path] : peer_files)
    if (peer_tls && path.empty())
      return refuse(key, "is missing: peer_tls_certificate, peer_tls_key and peer_tls_ca go together");
  if (config.auth == AuthMode::kJwt && config.jwt_keys.empty())
    return refuse("jwt_keys", "is missing: with auth = \"jwt\" it names the file with the keys");
  if (config.auth != AuthMode::kJwt) {
    if (!config.jwt_keys.empty()) return refuse("jwt_keys", "has no effect without auth = \"jwt\"");
    if (!config.jwt_audience.empty()) return refuse("jwt_audience", "has no effect without auth = \"jwt\"");
    if (!config.jwt_issuer.empty()) return refuse("jwt_issuer", "has no effect without auth = \"jwt\"");
    if (!config.login_throttle_exempt.empty())
      return refuse("login_throttle_exempt", "has no effect without auth = \"jwt\"");
  }
  return {};
}

}  // namespace

Result<NodeConfig> parse_config(std::string_view text, std::string_view source, NodeConfig config) {
  toml::table table;
  try {
    table = toml::parse(text, source);
  } catch (const toml::parse_error& error) {
    return fail(ErrorCode::kInvalidArgument, "config",
                place_of(source, error.source()) + std::string(error.description()));
  }
  for (const auto& [key, node] : table) {
    const std::string name(key.str());
    const Setting* setting = find_setting(name);
    if (setting == nullptr)
      return fail(ErrorCode::kInvalidArgument, name, place_of(source, key.source()) + "there is no such setting");
    if (auto done = set_from(config, *setting, node); !done) {
      done.error().detail = place_of(source, node.source()) + done.error().detail;
      return fail(std::move(done.error()));
    }
  }
  return config;
}

Result<NodeConfig> read_config_file(const std::string& path, NodeConfig defaults) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  // An empty file fails the insertion too, but leaves the stream good; a directory opens and fails the reading.
  if (file.is_open() && file.peek() != std::ifstream::traits_type::eof()) text << file.rdbuf();
  if (!file.is_open() || file.bad() || text.bad())
    return fail(ErrorCode::kNotFound, "config", "cannot read " + path + ": " + std::generic_category().message(errno));
  return parse_config(text.str(), path, std::move(defaults));
}

Status set_setting(NodeConfig& config, std::string_view key, std::string_view text) {
  const Setting* setting = find_setting(key);
  if (setting == nullptr) return fail(ErrorCode::kInvalidArgument, std::string(key), "there is no such setting");
  return set(config, *setting, text);
}

Status check_config(const NodeConfig& config) {
  const auto at_most = [](std::uint64_t smaller, const char* smaller_key, std::uint64_t larger,
                          const char* larger_key) -> Status {
    if (smaller <= larger) return {};
    return fail(
        ErrorCode::kInvalidArgument, smaller_key,
        "is " + std::to_string(smaller) + ", must not exceed " + larger_key + " (" + std::to_string(larger) + ")");
  };
  if (config.bootstrap && !config.join.empty())
    return fail(ErrorCode::kInvalidArgument, "join", "a node begins a cluster (bootstrap) or joins one, not both");
  if (config.heartbeat_ms > config.election_timeout_ms / 3)
    return fail(ErrorCode::kInvalidArgument, "heartbeat_ms",
                "is " + std::to_string(config.heartbeat_ms) + ", must be at most a third of election_timeout_ms (" +
                    std::to_string(config.election_timeout_ms) + ")");
  if (auto fits =
          at_most(config.retransmit_first_ms, "retransmit_first_ms", config.retransmit_max_ms, "retransmit_max_ms");
      !fits)
    return fits;
  if (auto fits = check_security(config); !fits) return fits;
  return at_most(config.overlay_flush_bytes, "overlay_flush_bytes", config.overlay_bytes_max, "overlay_bytes_max");
}

std::string to_toml(const NodeConfig& config) {
  std::string text;
  for (const Setting& setting : settings()) {
    const std::string value = value_of(config, setting);
    text += "# " + std::string(setting.help) + "\n";
    const bool bare = is_number(setting) || is_flag(setting);
    text += std::string(setting.key) + " = " + (bare ? value : quoted_toml(value)) + "\n\n";
  }
  if (!text.empty()) text.pop_back();
  return text;
}

}  // namespace earshot::app
