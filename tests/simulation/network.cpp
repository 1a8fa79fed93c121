#include "tests/simulation/network.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"
#include "tests/simulation/process.hpp"
#include "tests/simulation/server_end.hpp"
#include "tests/simulation/sim_link.hpp"

namespace earshot::simulation {
namespace {

// What the real sockets are set to: about a minute for the client, two for the server.
constexpr std::uint64_t kClientNoticesMs = 60'000;
constexpr std::uint64_t kServerNoticesMs =
    1'000ull * (limits::kKeepaliveIdleS + limits::kKeepaliveIntervalS * limits::kKeepaliveProbes);

}  // namespace

const std::uint64_t Connection::kAwake = 0;

Connection::Connection(World& the_world, const NetworkOptions& options, Host& host_of_it)
    : world(the_world),
      host(host_of_it),
      random(the_world.fork()),
      up(std::make_shared<Pipe>(the_world, options.delay_ms_max, host_of_it.sleeps_until_ms())),
      down(std::make_shared<Pipe>(the_world, options.delay_ms_max, kAwake)) {}

void Connection::to_server(Frame frame) {
  up->send([self = shared_from_this(), frame = std::move(frame)] {
    if (const auto server = self->server) server->receive(frame);
  });
}

void Connection::to_client(Frame frame) {
  down->send([self = shared_from_this(), frame = std::move(frame)] {
    if (self->client != nullptr) self->client->arrived(frame);
  });
}

void Connection::close_by_client() {
  client = nullptr;
  up->send([self = shared_from_this()] {
    if (const auto server = std::exchange(self->server, nullptr)) server->gone();
  });
}

void Connection::vanish_client() {
  client = nullptr;
  up->cut(world.now_ms());
  world.after(random.below(kServerNoticesMs), [self = shared_from_this()] {
    if (const auto server = std::exchange(self->server, nullptr)) server->gone();
  });
}

void Connection::close_by_server() {
  server.reset();
  down->send([self = shared_from_this()] {
    if (self->client != nullptr) self->client->lost("the server closed the connection");
  });
}

Network::~Network() {
  for (const auto& each : connections_) {
    const auto connection = each.lock();
    if (!connection) continue;
    connection->up->clear();
    connection->down->clear();
    connection->server.reset();
  }
}

std::unique_ptr<client::Link> Network::make_link(std::shared_ptr<Process> process, const client::Options& options,
                                                 const std::string& address, client::LinkEvents& events) {
  return std::make_unique<SimLink>(world_, *this, std::move(process), events, options, address);
}

std::shared_ptr<Connection> Network::connect(const std::string& address) {
  const auto host = std::ranges::find(hosts_, address, [](const Host* one) { return one->address(); });
  if (host == hosts_.end() || !(*host)->accepts()) return nullptr;
  auto connection = std::make_shared<Connection>(world_, options_, **host);
  connection->server = std::make_shared<ServerEnd>(world_, *this, **host, connection);
  std::erase_if(connections_, [](const auto& each) { return each.expired(); });
  connections_.push_back(connection);
  if (std::exchange(delays_login_, false)) give_up(*connection);
  return connection;
}

void Network::give_up(Connection& connection) {
  connection.lost = true;
  connection.up->stall_until(world_.now_ms() + connection.random.between(1'000, 20'000));
  connection.down->cut(world_.now_ms());
  world_.after(connection.random.between(20, 500), [self = connection.shared_from_this()] {
    if (self->client != nullptr) self->client->lost("the connection was lost");
  });
}

std::vector<std::shared_ptr<Connection>> Network::live() {
  std::vector<std::shared_ptr<Connection>> found;
  for (const auto& each : connections_) {
    if (auto connection = each.lock(); connection && !connection->lost && connection->client != nullptr)
      found.push_back(std::move(connection));
  }
  return found;
}

void Network::lose(Connection& connection, Random& random, bool server_hears) {
  connection.lost = true;
  const std::uint64_t now_ms = world_.now_ms();
  connection.up->cut(now_ms + random.below(20));
  connection.down->cut(now_ms + random.below(20));
  // One end may know at once, or only when nothing has come for long.
  const std::uint64_t client_ms = random.chance(0.6) ? 20 + random.below(500) : random.below(kClientNoticesMs);
  world_.after(client_ms, [self = connection.shared_from_this()] {
    if (self->client != nullptr) self->client->lost("the connection was lost");
  });
  if (!server_hears) return;
  const std::uint64_t server_ms = random.chance(0.5) ? 20 + random.below(500) : random.below(kServerNoticesMs);
  world_.after(server_ms, [self = connection.shared_from_this()] {
    if (const auto server = std::exchange(self->server, nullptr)) server->gone();
  });
}

void Network::lose_one(Random& random) {
  const auto connections = live();
  if (connections.empty()) return;
  lose(*connections[random.below(connections.size())], random, true);
}

void Network::stall_one(Random& random, std::uint64_t ms) {
  const auto connections = live();
  if (connections.empty()) return;
  Connection& connection = *connections[random.below(connections.size())];
  const std::uint64_t until_ms = world_.now_ms() + ms;
  if (random.chance(0.7)) connection.up->stall_until(until_ms);
  if (random.chance(0.7)) connection.down->stall_until(until_ms);
}

std::vector<std::string> Network::addresses() const {
  std::vector<std::string> addresses;
  for (const Host* host : hosts_) addresses.push_back(host->address());
  return addresses;
}

void Network::node_died(const Host& host, Random& random) {
  for (const auto& each : connections_) {
    const auto connection = each.lock();
    if (!connection || &connection->host != &host) continue;
    if (const auto server = std::exchange(connection->server, nullptr)) server->die();
    if (!connection->lost && connection->client != nullptr) lose(*connection, random, false);
  }
}

void Network::node_stops(const Host& host) {
  const Error reason{ErrorCode::kUnavailable, "", "the node is shutting down", limits::kRetryAfterMs, 0};
  for (const auto& each : connections_) {
    const auto connection = each.lock();
    if (connection && &connection->host == &host && connection->server) std::shared_ptr(connection->server)->end(reason);
  }
}

void Network::maybe_flip(std::string& body) {
  if (flips_ == 0 || body.empty() || flip_random_.below(10'000) >= flips_) return;
  const std::uint64_t bit = flip_random_.below(body.size() * 8);
  body[bit / 8] = static_cast<char>(body[bit / 8] ^ (1 << (bit % 8)));
  ++bodies_flipped_;
  world_.note("flip of a body on the wire", bit);
}

}  // namespace earshot::simulation
