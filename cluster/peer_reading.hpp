#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/ids.hpp"

namespace earshot::cluster {

// The links to one other node, in numbers: since the node is one of the cluster as this one knows it, or since the
// start.
struct PeerReading {
  struct Waiting {  // frames of one class that wait for it
    std::string_view frame_class;
    std::uint64_t frames = 0;
    std::uint64_t frames_limit = 0;
    std::uint64_t bytes = 0;
    std::uint64_t bytes_limit = 0;
  };

  NodeId node;
  bool is_up = false;
  std::uint64_t links_up = 0;      // how often one came up
  std::uint64_t links_broken = 0;  // how often one ended against the will of this node
  std::uint64_t frames_sent = 0;
  std::uint64_t bytes_sent = 0;  // on the wire, before TLS
  std::uint64_t frames_received = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t sends_refused = 0;  // no link, or no room
  std::vector<Waiting> waiting;     // by class
};

}  // namespace earshot::cluster
