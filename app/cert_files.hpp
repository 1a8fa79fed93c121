#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"

// Certificates of a cluster, as files: an authority, and nodes that it vouches for. Each is written beside its place,
// synced and renamed; keys are for their owner alone. Nothing that exists is replaced unless `force`.
namespace earshot::app {

inline constexpr std::uint64_t kAuthorityDaysDefault = 3'650;
inline constexpr std::uint64_t kNodeDaysDefault = 825;
inline constexpr std::uint64_t kCertificateDaysMax = 36'500;

struct AuthorityFiles {
  std::string out;  // the directory: ca.pem, ca.key
  std::string name = "Earshot cluster";
  std::uint64_t days = kAuthorityDaysDefault;
  bool force = false;
};
struct NodeFiles {
  std::string ca;                  // the directory of the authority
  std::string out;                 // the directory: node-3.pem, node-3.key; node.pem, node.key for any node
  std::uint64_t node = 0;          // 0: any, for a process that gets its id when it joins
  std::vector<std::string> hosts;  // names and addresses that clients may know it by
  std::uint64_t days = kNodeDaysDefault;
  bool force = false;
};
struct WrittenFiles {
  std::string certificate;
  std::string key;
};

// kConflict(out): it is there already. kInvalidArgument(days, host, ca), kNotFound(ca), and what the disk says.
Result<WrittenFiles> make_authority(const AuthorityFiles& files);
Result<WrittenFiles> make_node(const NodeFiles& files);
// What a certificate says, in lines.
Result<std::string> show_certificate(const std::string& path);

}  // namespace earshot::app
