#include "schema/messages.hpp"

#include <algorithm>

namespace earshot {

Result<std::uint16_t> common_protocol(std::uint16_t peer_min, std::uint16_t peer_max) {
  const std::uint16_t newest = std::min(peer_max, kProtocolMax);
  if (peer_min <= peer_max && newest >= std::max(peer_min, kProtocolMin)) return newest;
  const auto range = [](std::uint16_t low, std::uint16_t high) {
    return std::to_string(low) + ".." + std::to_string(high);
  };
  return fail(ErrorCode::kUnsupportedVersion, "protocol",
              "the peer speaks " + range(peer_min, peer_max) + ", this side " + range(kProtocolMin, kProtocolMax));
}

bool is_address(std::string_view text) {
  return !text.empty() && text.size() <= limits::kAddressBytesMax &&
         std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

std::string_view name_of(DeliveryMode mode) {
  switch (mode) {
    case DeliveryMode::kOrdered: return "ordered";
    case DeliveryMode::kUnordered: return "unordered";
    case DeliveryMode::kSequenceOnly: return "sequenceOnly";
  }
  return "unknown";
}

std::string_view name_of(FetchCause cause) {
  switch (cause) {
    case FetchCause::kUnspecified: return "unspecified";
    case FetchCause::kGap: return "gap";
    case FetchCause::kChecksum: return "checksum";
    case FetchCause::kReconnect: return "reconnect";
    case FetchCause::kCatchUp: return "catchUp";
  }
  return "unknown";
}

std::string_view name_of(LostReason reason) {
  switch (reason) {
    case LostReason::kUnknown: return "unknown";
    case LostReason::kCorrupt: return "corrupt";
    case LostReason::kTrimmed: return "trimmed";
    case LostReason::kExpired: return "expired";
    case LostReason::kParked: return "parked";
  }
  return "unknown";
}

std::string_view name_of(Role role) {
  switch (role) {
    case Role::kUser: return "user";
    case Role::kService: return "service";
    case Role::kOperator: return "operator";
  }
  return "unknown";
}

}  // namespace earshot
