#pragma once

#include <cstdint>
#include <string>

#include "base/limits.hpp"

namespace earshot {

enum class AuthMode : std::uint8_t {
  kNone,  // the login names its user; loopback only
  kJwt,   // the login brings a JSON Web Token, signed by one of the keys in jwt_keys
};

// Every setting of a node, with its default. Read from TOML and flags in app/; handed down by value.
struct NodeConfig {
  std::string data_dir = "earshot-data";
  std::string client_address = "127.0.0.1";
  std::uint16_t client_port = 7400;  // 0: pick a free port, printed at start
  bool resp = true;                  // serves Redis's geo commands too, at client_address …
  std::uint16_t resp_port = 7479;    // … and this port; 0 as above
  bool http = true;                  // serves metrics and health, in plaintext …
  std::string http_address = "127.0.0.1";
  std::uint16_t http_port = 7480;  // … 0 as above
  std::string tls_certificate;     // PEM file: the node's certificate, then those between it and the root; "": no TLS
  std::string tls_key;             // PEM file: its private key, not encrypted
  bool allow_plaintext = false;    // without a certificate also beyond loopback addresses
  AuthMode auth = AuthMode::kNone;
  std::string jwt_keys;      // JSON file: a JSON Web Key Set
  std::string jwt_audience;  // "": any
  std::string jwt_issuer;    // "": any
  bool jwt_require_expiry = true;
  std::uint32_t jwt_leeway_s = limits::kJwtLeewaySDefault;
  std::string login_throttle_exempt;                  // origins whose failed logins slow nobody down; "": none
  bool bootstrap = false;                             // begins a cluster, as its first node
  std::string join;                                   // "host:port" of nodes of the cluster to join, with commas
  std::uint32_t replicas = limits::kReplicasDefault;  // of each shard; of a cluster that begins
  std::string peer_address = "127.0.0.1";             // where other nodes connect to; "": they cannot
  std::uint16_t peer_port = 7401;                     // 0: pick a free port
  std::string peer_advertise;                         // "host:port" that others are told of instead, with commas …
  std::string client_advertise;                       // … and that clients of other nodes are
  std::string peer_tls_certificate;                   // PEM files: the certificate that other nodes are shown …
  std::string peer_tls_key;                           // … its key …
  std::string peer_tls_ca;                            // … and whom theirs are vouched for by; all, or none: no TLS
  std::uint32_t election_timeout_ms = limits::kElectionTimeoutMs;  // a leader that is silent for so long is replaced
  std::uint32_t heartbeat_ms = limits::kHeartbeatMs;               // a leader is never silent for longer
  std::uint16_t shard_count = limits::kShardsDefault;              // fixed when the data directory is created
  std::uint32_t gateway_threads = 1;
  std::uint64_t connections_max = limits::kConnectionsMax;
  std::uint32_t scheduler_threads = 0;  // 0: one per core
  std::string log_level = "info";       // trace, debug, info, warn, error, off
  std::uint64_t retransmit_first_ms = limits::kRetransmitFirstMs;
  std::uint64_t retransmit_max_ms = limits::kRetransmitMaxMs;
  std::uint64_t flush_interval_ms = limits::kFlushIntervalMs;
  std::uint64_t overlay_bytes_max = limits::kOverlayBytesMax;
  std::uint64_t overlay_flush_bytes = limits::kOverlayFlushBytes;
  std::uint64_t disk_reserve_bytes = limits::kDiskReserveBytesDefault;
};

}  // namespace earshot
