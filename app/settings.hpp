#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "base/config.hpp"
#include "base/error.hpp"

// The one table of a node's settings, which the TOML reader, the flags, --help and --print-config all go by.
namespace earshot::app {

struct TextRule {
  std::string NodeConfig::*member;
  std::span<const std::string_view> choices = {};  // empty: any text …
  bool optional = false;                           // … but the empty one, unless it stands for "none"
};

struct FlagRule {
  bool NodeConfig::*member;
};

struct NumberRule {
  std::variant<std::uint16_t NodeConfig::*, std::uint32_t NodeConfig::*, std::uint64_t NodeConfig::*> member;
  std::uint64_t min = 0;
  std::uint64_t max = 0;
};

struct AuthRule {};

struct Setting {
  std::string_view key;   // in TOML; the flag is "--" and the key with dashes
  std::string_view help;  // one sentence
  std::variant<TextRule, NumberRule, FlagRule, AuthRule> rule;
};

std::span<const Setting> settings();
const Setting* find_setting(std::string_view key);

// kInvalidArgument(key), naming what is allowed.
Status set(NodeConfig& config, const Setting& setting, std::string_view text);
Status set(NodeConfig& config, const Setting& setting, std::int64_t number);

Status set_flag(NodeConfig& config, const Setting& setting, bool flag);

bool is_number(const Setting& setting);
bool is_flag(const Setting& setting);
// The value as text, without quotes.
std::string value_of(const NodeConfig& config, const Setting& setting);

}  // namespace earshot::app
