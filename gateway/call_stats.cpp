#include "gateway/call_stats.hpp"

#include <variant>

namespace earshot::gateway {
namespace {

struct KindOfRequest {
  CallKind operator()(const SetPositionsRequest&) const { return CallKind::kSetPositions; }
  CallKind operator()(const ClearPositionsRequest&) const { return CallKind::kClearPositions; }
  CallKind operator()(const ClearLayerRequest&) const { return CallKind::kClearPositions; }
  CallKind operator()(const NearbyRequest&) const { return CallKind::kNearby; }
  CallKind operator()(const PositionsRequest&) const { return CallKind::kPositions; }
  CallKind operator()(const DistanceRequest&) const { return CallKind::kDistance; }
  CallKind operator()(const LayersRequest&) const { return CallKind::kLayers; }
  CallKind operator()(const LayerPrivacyRequest&) const { return CallKind::kPrivacy; }
  CallKind operator()(const SetLayerPrivacyRequest&) const { return CallKind::kPrivacy; }
};

struct KindOfCommand {
  CallKind operator()(const resp::Add&) const { return CallKind::kSetPositions; }
  CallKind operator()(const resp::Remove&) const { return CallKind::kClearPositions; }
  CallKind operator()(const resp::Delete&) const { return CallKind::kClearPositions; }
  CallKind operator()(const resp::DeleteAll&) const { return CallKind::kClearPositions; }
  CallKind operator()(const resp::Search& search) const { return search.store ? CallKind::kStore : CallKind::kNearby; }
  CallKind operator()(const resp::PositionsOf&) const { return CallKind::kPositions; }
  CallKind operator()(const resp::HashesOf&) const { return CallKind::kPositions; }
  CallKind operator()(const resp::ScoreOf&) const { return CallKind::kPositions; }
  CallKind operator()(const resp::DistanceBetween&) const { return CallKind::kDistance; }
  template <class AboutKeys>
  CallKind operator()(const AboutKeys&) const {
    return CallKind::kLayers;
  }
};

}  // namespace

std::string_view name_of(CallKind kind) {
  switch (kind) {
    case CallKind::kLogin: return "login";
    case CallKind::kSend: return "send";
    case CallKind::kSubscribe: return "subscribe";
    case CallKind::kAck: return "ack";
    case CallKind::kNack: return "nack";
    case CallKind::kFetch: return "fetch";
    case CallKind::kHistory: return "history";
    case CallKind::kManage: return "manage";
    case CallKind::kSetPositions: return "set_positions";
    case CallKind::kClearPositions: return "clear_positions";
    case CallKind::kNearby: return "nearby";
    case CallKind::kPositions: return "positions";
    case CallKind::kDistance: return "distance";
    case CallKind::kLayers: return "layers";
    case CallKind::kStore: return "store";
    case CallKind::kPrivacy: return "privacy";
    case CallKind::kCluster: return "cluster";
  }
  return "unknown";
}

bool is_call_of(CallKind kind, Protocol protocol) {
  if (protocol == Protocol::kRpc) return kind != CallKind::kStore;
  return kind >= CallKind::kSetPositions && kind < CallKind::kPrivacy;
}

bool is_place_query(CallKind kind) {
  return kind == CallKind::kNearby || kind == CallKind::kPositions || kind == CallKind::kDistance ||
         kind == CallKind::kLayers;
}

CallKind kind_of(const PlacesRequest& request) { return std::visit(KindOfRequest(), request); }
CallKind kind_of(const resp::Command& command) { return std::visit(KindOfCommand(), command); }

}  // namespace earshot::gateway
