#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/child_process.hpp"

namespace earshot::tests {

// A network of the test's own: a namespace for each node, all on one bridge in a namespace of its own. Nothing of it is
// seen by the machine's other programs, and it lives as long as the object. What happens on the way between two nodes
// is told by rules of nftables in the nodes' namespaces; a node's loopback is left alone, so that its clients, who come
// in there, see nothing of it. Nodes count from 1.
class NetworkLab {
 public:
  explicit NetworkLab(std::size_t nodes);

  // Why there is no such network on this machine; "" when there is.
  [[nodiscard]] const std::string& problem() const { return problem_; }
  [[nodiscard]] std::string address(std::size_t node) const { return "10.77.0." + std::to_string(node); }
  // What a command is prefixed with to be started as that node.
  [[nodiscard]] std::vector<std::string> wrapper(std::size_t node) const;
  // Takes the calling thread into the node's namespace, for good.
  void enter(std::size_t node) const;
  // Does something from there, on a thread of its own, and waits for it.
  void inside(std::size_t node, const std::function<void()>& what) const;

  // The node neither hears the others nor is heard.
  void cut(std::size_t node) { set_rules(node, {kHears + "drop", kSays + "drop"}); }
  // The two do not hear each other; others hear both.
  void cut_between(std::size_t one, std::size_t other) {
    set_rules(one, {kHears + "ip saddr " + address(other) + " drop", kSays + "ip daddr " + address(other) + " drop"});
  }
  // It hears nothing, and is heard.
  void deafen(std::size_t node) { set_rules(node, {kHears + "drop"}); }
  // It hears, and is not heard.
  void mute(std::size_t node) { set_rules(node, {kSays + "drop"}); }
  // Of what it should hear, so much gets lost.
  void lose(std::size_t node, unsigned percent) {
    set_rules(node, {kHears + "numgen random mod 100 < " + std::to_string(percent) + " drop"});
  }
  void heal(std::size_t node) { set_rules(node, {}); }
  void heal_all();

 private:
  inline static const std::string kHears = "add rule inet faults hears iifname eth0 ";
  inline static const std::string kSays = "add rule inet faults says oifname eth0 ";

  bool make();
  void set_rules(std::size_t node, const std::vector<std::string>& rules);
  [[nodiscard]] std::string namespace_of(const ChildProcess& holder) const;
  bool run(const ChildProcess& where, const std::string& command) const;

  std::string problem_;
  std::unique_ptr<ChildProcess> bridge_;
  std::vector<std::unique_ptr<ChildProcess>> nodes_;
};

}  // namespace earshot::tests
