#include "app/cluster_text.hpp"

#include <optional>

#include <fmt/format.h>

#include "app/terminal.hpp"

namespace earshot::app {
namespace {

using Json = nlohmann::ordered_json;

// JSON has numbers of 53 bits for many readers: an id is a text.
std::string id_text(std::uint64_t cluster_id) { return fmt::format("{:016x}", cluster_id); }

Json or_null(const std::optional<std::uint64_t>& value) { return value ? Json(*value) : Json(); }
Json or_null(const std::optional<LogIndex>& value) { return value ? Json(value->value) : Json(); }
Json or_null(NodeId node) { return node == NodeId() ? Json() : Json(node.value); }

Json ids(const std::vector<NodeId>& nodes) {
  Json list = Json::array();
  for (const NodeId node : nodes) list.push_back(node.value);
  return list;
}

Json to_json(const ClusterView::Node& node) {
  Json json{{"id", node.id.value},       {"state", earshot::name_of(node.state)},
            {"reached", node.reached},   {"addresses", node.addresses},
            {"sessions", Json()},        {"leads", node.leads},
            {"replicas", node.replicas}, {"lag", or_null(node.lag)}};
  if (node.reached) json["sessions"] = node.sessions;
  if (!node.trouble.empty()) json["trouble"] = printable(node.trouble);
  return json;
}

Json to_json(const ClusterView::Shard& shard) {
  Json replicas = Json::array();
  std::vector<NodeId> voters;
  for (const ClusterView::Replica& replica : shard.replicas) {
    if (replica.voter) voters.push_back(replica.node);
    replicas.push_back({{"node", replica.node.value},
                        {"voter", replica.voter},
                        {"stored", or_null(replica.stored)},
                        {"applied", or_null(replica.applied)},
                        {"lag", or_null(replica.lag)},
                        {"fetching", replica.fetching}});
  }
  return {{"id", shard.id.value},           {"leader", or_null(shard.leader)},
          {"term", shard.term.value},       {"committed", shard.committed.value},
          {"voters", ids(voters)},          {"wanted", ids(shard.wanted)},
          {"replicas", std::move(replicas)}};
}

std::string node_text(NodeId node) { return node == NodeId() ? "-" : std::to_string(node.value); }

std::string joined(const std::vector<std::string>& parts, std::string_view between) {
  return fmt::format("{}", fmt::join(parts, between));
}

// "2", "3 standby -17", "1 applied 88 -2": only what is not as it should be is said.
std::string replica_text(const ClusterView::Replica& replica) {
  std::string text = node_text(replica.node);
  if (!replica.voter) text += " standby";
  if (replica.fetching) text += " fetching";
  text += replica.applied ? fmt::format(" @{}", replica.applied->value) : " @?";
  if (!replica.lag)
    text += " -?";
  else if (*replica.lag > 0)
    text += fmt::format(" -{}", *replica.lag);
  return text;
}

std::string line_of(const ClusterView::Node& node) {
  std::string state(earshot::name_of(node.state));
  if (!node.reached) state += node.trouble.empty() ? ", not reached" : ", not reached: " + printable(node.trouble);
  return fmt::format("{:>5}  {:<22} {:>6} {:>9} {:>9} {:>8}  {}", node.id.value, printable(joined(node.addresses, " ")),
                     node.leads, node.replicas, node.reached ? std::to_string(node.sessions) : "?",
                     node.lag ? std::to_string(*node.lag) : "?", state);
}

std::string line_of(const ClusterView::Shard& shard) {
  std::vector<std::string> replicas;
  for (const ClusterView::Replica& replica : shard.replicas) replicas.push_back(replica_text(replica));
  return fmt::format("{:>5}  {:>6} {:>6} {:>10}  {}", shard.id.value, node_text(shard.leader), shard.term.value,
                     shard.committed.value, joined(replicas, ", "));
}

std::string summary_of(const ClusterView& view) {
  std::size_t reached = 0;
  for (const ClusterView::Node& node : view.nodes) reached += node.reached ? 1 : 0;
  std::size_t led = 0;
  for (const ClusterView::Shard& shard : view.shards) led += shard.leader == NodeId() ? 0 : 1;
  const std::string who =
      view.cluster_id == 0 ? "a node alone" : fmt::format("cluster {}, epoch {}", id_text(view.cluster_id), view.epoch);
  std::string text = fmt::format("{}: {} of {} nodes reached, {} of {} shards have a leader", who, reached,
                                 view.nodes.size(), led, view.shards.size());
  if (view.cluster_id == 0) return text;
  text += fmt::format("; the map is kept by node {}", node_text(view.meta_leader));
  std::vector<std::string> cells;
  for (const NodeId node : view.cell_nodes) cells.push_back(node_text(node));
  return text + "; cells on " + joined(cells, " ");
}

}  // namespace

Json to_json(const ClusterView& view) {
  Json json{{"healthy", view.is_healthy()}, {"cluster", view.cluster_id == 0 ? Json() : Json(id_text(view.cluster_id))},
            {"epoch", view.epoch},          {"metaLeader", or_null(view.meta_leader)},
            {"replicas", view.replicas},    {"cellNodes", ids(view.cell_nodes)}};
  json["nodes"] = Json::array();
  for (const ClusterView::Node& node : view.nodes) json["nodes"].push_back(to_json(node));
  json["shards"] = Json::array();
  for (const ClusterView::Shard& shard : view.shards) json["shards"].push_back(to_json(shard));
  json["unreached"] = Json::array();
  for (const auto& [address, trouble] : view.unreached)
    json["unreached"].push_back({{"address", address}, {"trouble", printable(trouble)}});
  json["notes"] = view.notes;
  return json;
}

std::vector<std::string> to_lines(const ClusterView& view) {
  std::vector<std::string> lines;
  if (view.is_known()) {
    lines.push_back(summary_of(view));
    lines.emplace_back();
    lines.push_back(fmt::format("{:>5}  {:<22} {:>6} {:>9} {:>9} {:>8}  {}", "node", "address", "leads", "replicas",
                                "sessions", "behind", "state"));
    for (const ClusterView::Node& node : view.nodes) lines.push_back(line_of(node));
    lines.emplace_back();
    lines.push_back(fmt::format("{:>5}  {:>6} {:>6} {:>10}  {}", "shard", "leader", "term", "committed",
                                "replicas: node @applied -behind"));
    for (const ClusterView::Shard& shard : view.shards) lines.push_back(line_of(shard));
  }
  for (const auto& [address, trouble] : view.unreached)
    lines.push_back(fmt::format("{} was not reached: {}", printable(address), printable(trouble)));
  for (const std::string& note : view.notes) lines.push_back(printable(note));
  return lines;
}

}  // namespace earshot::app
