#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/backoff.hpp"
#include "base/clock.hpp"
#include "base/config.hpp"
#include "base/error.hpp"
#include "cluster/peers.hpp"
#include "peers/counters.hpp"
#include "peers/greeting.hpp"
#include "peers/link_watch.hpp"
#include "peers/peer_tls.hpp"
#include "peers/reception.hpp"
#include "peers/send_queue.hpp"

namespace earshot::peers {

struct PeerLinksOptions {
  std::uint64_t cluster_id = 0;
  NodeId node;                        // this one; 0: it has no identity yet, and only asks
  std::string address = "127.0.0.1";  // where other nodes connect to
  std::optional<std::uint16_t> port;  // 0: the system picks one; nothing: nobody can connect
  PeerTlsFiles tls;                   // empty: plaintext, on loopback only

  // ---- what nobody configures; tests tighten it
  ProtocolRange protocol;
  std::uint64_t boot = 0;  // 0: drawn at random
  QueueBounds queue;
  LinkTimes times;
  ReceptionLimits reception;
  BackoffPolicy dial{limits::kPeerDialFirstMs, limits::kPeerDialMaxMs};
  // Called on the KJ thread when a node says that the cluster has removed this one.
  std::function<void(NodeId by)> removed = nullptr;
  std::uint64_t look_ms = 0;  // how often times are looked at; 0: as often as they need
};

// As the node's settings have it; who the node is comes from its data directory.
PeerLinksOptions options_of(const NodeConfig& config, std::uint64_t cluster_id, NodeId node);

// The links of a node to the others of its cluster: one connection to each, dialled by either end, which carries frames
// both ways; made again when it breaks, for as long as set_nodes() names the node. One KJ thread.
//
//  * A link is up after both ends have agreed on cluster, protocol and identities (admission.hpp). link_up(),
//  received()
//    and link_down() of a node come in order, on the KJ thread; each link_up() has one link_down(), at the latest in
//    stop(). They must not wait.
//  * What waits for a node is bounded (send_queue.hpp); what comes from it is read as fast as received() returns, one
//    frame at a time.
//  * A node that is silent for silence_ms, or takes nothing for stall_ms, is given up and dialled again.
//
// Thread-safe.
class PeerLinks : public cluster::Peers {
 public:
  // What start() would refuse in the options alone.
  static Status check(const PeerLinksOptions& options, const Clock& clock);
  // Listens. `events` and `clock` outlive it; events may come before this returns. kInvalidArgument(peer_address,
  // peer_tls_…), kUnavailable(peer_port) with the system's words.
  static Result<std::unique_ptr<PeerLinks>> start(const PeerLinksOptions& options, cluster::PeerEvents& events,
                                                  const Clock& clock);

  // Which nodes the cluster has removed: they are told so when they come. It must be certain, since they end then.
  virtual void set_removed(std::function<bool(NodeId)> was_removed) = 0;
  // Where it listens: the port that was picked for 0; 0 when it does not.
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  [[nodiscard]] virtual const PeerCounters& counters() const = 0;
  // One question to whatever node answers at "host:port", on a connection of its own, as a process that has no identity
  // yet. `done` is called once, on the KJ thread: with the answer, kTooLarge(request), kUnavailable(peer) with what
  // went wrong, kUnsupportedVersion(peer), or kClosed when this ends first.
  virtual void ask(const std::string& address, std::string request, std::function<void(Result<std::string>)> done) = 0;
  // Reads the certificates again, for connections that begin from now on. What cannot be used stays as it was, and the
  // reason is returned.
  virtual Status reload() = 0;
  // Ends all links, with link_down() for each, and the thread: no event comes afterwards. Idempotent; the destructor
  // calls it. Not from inside an event.
  virtual void stop() = 0;
};

// The same question by a thread of its own, for a process that has nothing else yet: waits for the answer.
Result<std::string> ask_and_wait(const PeerLinksOptions& options, const std::string& address, std::string request,
                                 const Clock& clock);

}  // namespace earshot::peers
