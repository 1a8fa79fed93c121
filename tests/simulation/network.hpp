#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/broker.hpp"
#include "client/link.hpp"
#include "tests/simulation/accepted.hpp"
#include "tests/simulation/frames.hpp"
#include "tests/simulation/pipe.hpp"
#include "tests/simulation/world.hpp"

namespace earshot::simulation {

class Process;
class ServerEnd;
class SimLink;

// The node as its network sees it.
class Host : public actors::Broker {
 public:
  // Whether it takes connections.
  [[nodiscard]] virtual bool accepts() const = 0;
  // A suspended node takes nothing from the network before this time.
  [[nodiscard]] virtual const std::uint64_t& sleeps_until_ms() const = 0;
  // As its clients know it.
  [[nodiscard]] virtual std::string address() const = 0;
};

inline std::string address_of(NodeId node) { return "node-" + std::to_string(node.value); }

struct NetworkOptions {
  std::uint64_t delay_ms_max = 5;  // one way
};

// One client's connection to the node. Each end lives as long as somebody holds it; a lost end hears nothing.
struct Connection : std::enable_shared_from_this<Connection> {
  Connection(World& world, const NetworkOptions& options, Host& host);

  void to_server(Frame frame);
  void to_client(Frame frame);
  // Orderly, behind what was sent before.
  void close_by_client();
  // The client's machine is off: the server hears nothing, until keep-alive finds out.
  void vanish_client();
  void close_by_server();

  World& world;
  Host& host;
  Random random;
  const std::shared_ptr<Pipe> up, down;  // to the server, to the client
  std::shared_ptr<ServerEnd> server;     // null: it is gone
  SimLink* client = nullptr;             // null: it is gone
  bool lost = false;

  static const std::uint64_t kAwake;  // a client that is paused keeps its frames by itself
};

// The network between the clients and the nodes, and what can happen to it.
class Network {
 public:
  Network(World& world, NetworkOptions options, std::vector<Host*> hosts)
      : world_(world), options_(options), hosts_(std::move(hosts)) {}
  // The world ends: what is on its way holds its connection, and that its pipes.
  ~Network();
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  std::unique_ptr<client::Link> make_link(std::shared_ptr<Process> process, const client::Options& options,
                                          const std::string& address, client::LinkEvents& events);
  // To the node of this address. Null: refused.
  std::shared_ptr<Connection> connect(const std::string& address);

  // For the checkers: a session has given a message to its connection.
  std::function<void(const DeviceName&, Sequence)> delivered = [](const DeviceName&, Sequence) {};

  // ---- faults
  // The line of one connection is cut; the ends hear of it at different times, at the latest by keep-alive.
  void lose_one(Random& random);
  void stall_one(Random& random, std::uint64_t ms);
  // The next client that connects hears of a loss soon, its login arrives later.
  void delay_next_login() { delays_login_ = true; }
  void delay_no_login() { delays_login_ = false; }
  // Of all nodes.
  [[nodiscard]] std::vector<std::string> addresses() const;

  // The node's machine is gone, or only its program.
  void node_died(const Host& host, Random& random);
  // The node closes all its connections, in order.
  void node_stops(const Host& host);
  // From now on a bit of a body is turned over in so many of 10 000 frames.
  void set_flips(std::uint32_t per_10000) { flips_ = per_10000; }
  [[nodiscard]] std::uint64_t bodies_flipped() const { return bodies_flipped_; }
  // Turns a bit of this body over, or not.
  void maybe_flip(std::string& body);

 private:
  std::vector<std::shared_ptr<Connection>> live();
  void lose(Connection& connection, Random& random, bool server_hears);
  void give_up(Connection& connection);

  World& world_;
  const NetworkOptions options_;
  const std::vector<Host*> hosts_;
  Random flip_random_ = world_.fork();
  std::uint32_t flips_ = 0;
  bool delays_login_ = false;
  std::uint64_t bodies_flipped_ = 0;
  std::vector<std::weak_ptr<Connection>> connections_;
};

}  // namespace earshot::simulation
