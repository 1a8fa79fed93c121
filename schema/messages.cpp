#include "schema/messages.hpp"

namespace earshot {

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
  }
  return "unknown";
}

}  // namespace earshot
