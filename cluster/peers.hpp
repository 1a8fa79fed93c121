#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/ids.hpp"
#include "cluster/peer_reading.hpp"
#include "storage/log_types.hpp"

// What a node has of the other nodes of its cluster: a way to each, on which frames go. A frame may get lost, come
// twice, or late, behind others that were sent after it; what it says must be safe under all of that. Real links
// (peers/) keep the order of each topic (of kRaft: within each group, since small frames overtake other groups' large
// ones) and lose only what is on its way when a connection breaks; a simulation's do not.
namespace earshot::cluster {

enum class PeerTopic : std::uint8_t {
  kRaft = 1,       // of a group: cluster/raft_message.hpp
  kCall = 2,       // of a group: a request for its leader
  kAnswer = 3,     // to a call, or to a session
  kSeed = 4,       // of a group: a state on its way to a replica that has none
  kPlaces = 5,     // feeds of positions
  kCluster = 6,    // of the nodes themselves
  kQuestions = 7,  // about members that several nodes have: actors/question_codec.hpp
  kPulses = 8,     // heartbeats of groups that rest, all in one: cluster/pulse.hpp
  kClock = 9,      // the wall clock of the node
};

struct PeerFrame {
  PeerTopic topic = PeerTopic::kRaft;
  storage::GroupId group;  // where the topic is of one
  storage::SharedBytes body;
};

struct PeerNode {
  NodeId node;
  std::vector<std::string> addresses;  // "host:port" of its peer port, in the order in which to try them
  bool operator==(const PeerNode&) const = default;
};

// Thread-safe; nothing waits.
class Peers {
 public:
  virtual ~Peers() = default;
  // False: it does not go. There is no connection, or as much waits for that node as may.
  virtual bool send(NodeId to, PeerFrame frame) = 0;
  [[nodiscard]] virtual bool is_up(NodeId node) const = 0;
  // All nodes that there are, but for this one: links are made to them, and ended to others.
  virtual void set_nodes(std::vector<PeerNode> nodes) = 0;
  // For whoever watches, by id.
  [[nodiscard]] virtual std::vector<PeerReading> readings() const { return {}; }
};

// Where frames come out. Called on threads of the links, one call at a time for each node: it only passes on.
class PeerEvents {
 public:
  virtual ~PeerEvents() = default;
  // What came in at once, in its order; it may be moved from.
  virtual void received(NodeId from, std::span<PeerFrame> frames) = 0;
  virtual void link_up(NodeId node) = 0;
  // What was sent and not answered may be lost.
  virtual void link_down(NodeId node) = 0;
  // A process that wants to join asks something. `answer` may be called once, on any thread, with at most as many bytes
  // as a question has (peer_request_bytes_max); let go without that, it says that there is no answer here.
  virtual void asked(std::string request, std::function<void(std::string)> answer) { (void)request, (void)answer; }
};

}  // namespace earshot::cluster
