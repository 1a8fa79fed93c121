#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/config.hpp"

namespace earshot::app {

// Exit codes of earshotd, as its --help lists them.
enum class NodeExit : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,         // bad flags or configuration
  kNoData = 3,        // the data cannot be opened
  kNotListening = 4,  // an address cannot be had
  kRemoved = 5        // the cluster has removed the node: starting it again is of no use
};

// What earshotd is asked to do: run with a configuration, or print a text and exit.
struct NodeCommandLine {
  std::optional<NodeConfig> config;  // set: run
  NodeExit exit = NodeExit::kDone;   // when not
  std::string output;                // for standard output
  std::string error;                 // for standard error
};

// The arguments without the program's name. Defaults, then the file of --config, then the flags.
NodeCommandLine read_node_command_line(std::vector<std::string> arguments);

}  // namespace earshot::app
