#include "tests/support/network_lab.hpp"

#include <stdexcept>
#include <thread>

#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace earshot::tests {
namespace {

std::unique_ptr<ChildProcess> hold_namespace() {
  auto holder = std::make_unique<ChildProcess>(
      std::vector<std::string>{"/usr/bin/unshare", "--net", "/bin/sh", "-c", "echo made && exec sleep infinity"});
  std::string line;
  if (!holder->read_line(line) || line != "made") return nullptr;
  return holder;
}

}  // namespace

NetworkLab::NetworkLab(std::size_t nodes) {
  bridge_ = hold_namespace();
  for (std::size_t i = 0; i < nodes; ++i) nodes_.push_back(hold_namespace());
  if (!bridge_ || !nodes_.back()) {
    problem_ = "this machine does not let the test have network namespaces (root may)";
  } else if (!make()) {
    problem_ = "this machine does not let the test make links and nftables rules";
  }
}

bool NetworkLab::make() {
  if (!run(*bridge_, "ip link add bridge type bridge && ip link set bridge up")) return false;
  for (std::size_t node = 1; node <= nodes_.size(); ++node) {
    const std::string port = "port" + std::to_string(node);
    const ChildProcess& holder = *nodes_[node - 1];
    if (!run(*bridge_, "ip link add " + port + " type veth peer name eth0 netns " + std::to_string(holder.pid()) +
                           " && ip link set " + port + " master bridge up") ||
        !run(holder, "ip link set lo up && ip addr add " + address(node) + "/24 dev eth0 && ip link set eth0 up") ||
        !run(holder,
             "nft 'add table inet faults; add chain inet faults hears { type filter hook input priority 0; };"
             "add chain inet faults says { type filter hook output priority 0; }'"))
      return false;
  }
  return true;
}

std::string NetworkLab::namespace_of(const ChildProcess& holder) const {
  return "/proc/" + std::to_string(holder.pid()) + "/ns/net";
}

std::vector<std::string> NetworkLab::wrapper(std::size_t node) const {
  return {"/usr/bin/nsenter", "--net=" + namespace_of(*nodes_.at(node - 1))};
}

bool NetworkLab::run(const ChildProcess& where, const std::string& command) const {
  // ip and nft live where only root looks for programs.
  ChildProcess running(
      {"/usr/bin/nsenter", "--net=" + namespace_of(where), "/bin/sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; " + command});
  return running.wait() == 0;
}

void NetworkLab::set_rules(std::size_t node, const std::vector<std::string>& rules) {
  std::string all = "flush table inet faults";
  for (const auto& rule : rules) all += "; " + rule;
  if (!run(*nodes_.at(node - 1), "nft '" + all + "'")) throw std::runtime_error("nft does not take: " + all);
}

void NetworkLab::heal_all() {
  for (std::size_t node = 1; node <= nodes_.size(); ++node) heal(node);
}

void NetworkLab::enter(std::size_t node) const {
  const int file = ::open(namespace_of(*nodes_.at(node - 1)).c_str(), O_RDONLY | O_CLOEXEC);
  const bool entered = file >= 0 && ::setns(file, CLONE_NEWNET) == 0;
  if (file >= 0) ::close(file);
  if (!entered) throw std::runtime_error("cannot enter a node's network");
}

void NetworkLab::inside(std::size_t node, const std::function<void()>& what) const {
  std::thread([&] {
    enter(node);
    what();
  }).join();
}

}  // namespace earshot::tests
