#include "actors/session_login.hpp"

#include <algorithm>
#include <string>

namespace earshot::actors {

Status check_protocol(const LoginRequest& request) {
  if (request.protocol_max >= kProtocolMin && request.protocol_min <= kProtocolMax) return {};
  const std::string range = std::to_string(kProtocolMin) + ".." + std::to_string(kProtocolMax);
  return fail(ErrorCode::kUnsupportedVersion, "protocolMax", "this server speaks " + range);
}

Welcome welcome_of(const SessionOptions& options, const LoginOutcome& login, std::uint16_t shard_count) {
  Welcome welcome;
  welcome.protocol = std::min(options.request.protocol_max, kProtocolMax);
  welcome.user = options.user;
  welcome.shard_count = shard_count;
  welcome.login = login;
  welcome.node = options.node;
  welcome.role = options.role;
  if (options.addresses) welcome.addresses = *options.addresses;
  return welcome;
}

}  // namespace earshot::actors
