#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include <kj/compat/tls.h>

#include "base/clock.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"

namespace earshot::peers {

// PEM files; all of them, or none.
struct PeerTlsFiles {
  std::string certificate;  // this node's, then those between it and the cluster's
  std::string key;          // its private key, not encrypted
  std::string ca;           // whom the cluster's nodes are vouched for by

  [[nodiscard]] bool empty() const { return certificate.empty() && key.empty() && ca.empty(); }
};

// The DNS name that every certificate of the cluster is for: who is dialled must show one.
inline constexpr const char* kPeerName = "peer.earshot";
// And its subject's common name is one of these: node 3, or any node (for a process that gets its id when it joins).
// The common name, since that is what KJ tells about the other end's certificate.
std::string certificate_name_of(NodeId node);
inline constexpr const char* kAnyNodeName = "node-any.earshot";

// TLS between nodes, mutual, as the files were read last. Connections keep what they began with. Thread-safe.
class PeerTls {
 public:
  // kInvalidArgument(peer_tls_certificate, peer_tls_key, peer_tls_ca) when they cannot be read, do not belong together,
  // or are not for a node of a cluster, or not for this one (0: it has no id yet).
  static Result<std::unique_ptr<PeerTls>> open(PeerTlsFiles files, NodeId node, const Clock& clock);
  // Reads them again; what cannot be used changes nothing.
  Status reload();
  // Says in the log which certificate that is and how long it lasts.
  void tell() const;

  // What a connection that begins now takes, at the one end or at the other. Never null.
  [[nodiscard]] std::shared_ptr<kj::TlsContext> for_dialling() const;
  [[nodiscard]] std::shared_ptr<kj::TlsContext> for_accepting() const;

  // Whether the other end's certificate is of a node at all, and whether of this one.
  static bool is_peer(kj::PeerIdentity& identity);
  static bool may_be(kj::PeerIdentity& identity, NodeId node);

 private:
  PeerTls(PeerTlsFiles files, NodeId node, const Clock& clock) : files_(std::move(files)), node_(node), clock_(clock) {}

  const PeerTlsFiles files_;
  const NodeId node_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::shared_ptr<kj::TlsContext> dialling_;
  std::shared_ptr<kj::TlsContext> accepting_;
  std::string subject_;
  std::int64_t ends_at_s_ = 0;
  bool key_read_by_others_ = false;
};

}  // namespace earshot::peers
