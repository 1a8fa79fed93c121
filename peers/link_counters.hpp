#pragma once

#include "peers/counters.hpp"

namespace earshot::peers {

// Of the links to one node, for as long as it is one of the cluster. Thread-safe, as PeerCounters.
struct LinkCounters {
  using Counter = PeerCounters::Counter;

  Counter frames_sent{0};
  Counter bytes_sent{0};  // on the wire, before TLS
  Counter frames_received{0};
  Counter bytes_received{0};
  Counter sends_refused{0};  // no link, or no room
  Counter links_up{0};       // how often one came up
  Counter links_broken{0};   // how often one ended against the will of this node
};

}  // namespace earshot::peers
