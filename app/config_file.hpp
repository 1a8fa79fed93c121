#pragma once

#include <string>
#include <string_view>

#include "base/config.hpp"
#include "base/error.hpp"

// A node's settings as people write them: TOML and text. Every setting of NodeConfig has one key, the name of its
// field; errors name the key, the place and the limit that is broken.
namespace earshot::app {

// Settings from TOML text on top of `defaults`. `source` stands for the text in errors. kInvalidArgument for what is no
// TOML, an unknown key, a wrong type or a value out of range.
Result<NodeConfig> parse_config(std::string_view toml, std::string_view source, NodeConfig defaults = {});

// The same from a file; kNotFound when it cannot be read.
Result<NodeConfig> read_config_file(const std::string& path, NodeConfig defaults = {});

// Sets one setting from text, as a flag gives it. kInvalidArgument(key).
Status set_setting(NodeConfig& config, std::string_view key, std::string_view text);

// The rules between settings; call it once all are set.
Status check_config(const NodeConfig& config);

// TOML with every setting and what it means: a file to start from.
std::string to_toml(const NodeConfig& config);

}  // namespace earshot::app
