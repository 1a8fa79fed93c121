#include "peers/admission.hpp"

#include <string>

namespace earshot::peers {
namespace {

std::string text_of(const ProtocolRange& range) {
  return range.min == range.max ? std::to_string(range.min)
                                : std::to_string(range.min) + " to " + std::to_string(range.max);
}

Refusal refuse(RefusalReason reason, std::string detail) { return {reason, std::move(detail)}; }

std::string name_of(NodeId node) { return "node " + std::to_string(node.value); }

std::optional<Refusal> judge_cluster(const Self& self, const Hello& hello) {
  if (auto refusal = judge_protocol(self, hello)) return refusal;
  if (hello.cluster_id != self.cluster_id)
    return refuse(RefusalReason::kCluster, name_of(hello.node) + " is of cluster " + std::to_string(hello.cluster_id) +
                                               ", " + name_of(self.node) + " of cluster " +
                                               std::to_string(self.cluster_id));
  if (hello.node == self.node)
    return hello.boot == self.boot
               ? refuse(RefusalReason::kOwnIdentity, name_of(self.node) + " was dialled by itself")
               : refuse(RefusalReason::kOwnIdentity, "two processes say to be " + name_of(self.node));
  return std::nullopt;
}

}  // namespace

std::optional<Refusal> judge_protocol(const Self& self, const Hello& hello) {
  if (hello.protocol.min <= self.protocol.max && self.protocol.min <= hello.protocol.max) return std::nullopt;
  return refuse(RefusalReason::kProtocol, "protocol ranges that do not overlap: " + name_of(hello.node) + " speaks " +
                                              text_of(hello.protocol) + ", " + name_of(self.node) + " speaks " +
                                              text_of(self.protocol));
}

Decision judge_hello(const Self& self, const Hello& hello, const Standing& standing) {
  if (auto refusal = judge_cluster(self, hello)) return *refusal;
  if (standing.was_removed)
    return refuse(RefusalReason::kRemoved, name_of(hello.node) + " was removed from the cluster");
  if (!standing.is_known)
    return refuse(RefusalReason::kUnknownNode,
                  name_of(hello.node) + " is no node of this cluster, as far as " + name_of(self.node) + " knows");
  const bool lower_here = self.node < hello.node;
  const auto duplicate = [&] {
    return refuse(RefusalReason::kDuplicate, name_of(self.node) + " has another connection to " + name_of(hello.node));
  };
  if (standing.up) {
    if (standing.up->boot != hello.boot) return Probe{};
    if (standing.up->dialled_here && lower_here) return duplicate();
    return Admit{.replaces = true};
  }
  if (standing.own_dial_greets && lower_here) return duplicate();
  return Admit{};
}

std::optional<Refusal> judge_welcome(const Self& self, NodeId dialled, const Hello& hello) {
  if (auto refusal = judge_cluster(self, hello)) return refusal;
  if (hello.node != dialled)
    return refuse(RefusalReason::kOtherNode,
                  name_of(hello.node) + " answers where " + name_of(dialled) + " was dialled");
  return std::nullopt;
}

}  // namespace earshot::peers
