#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "app/manage_command.hpp"

// What the commands about where members are share.
namespace earshot::app {

template <class Options>
CLI::App* add_places_command(CLI::App& app, const char* name, const char* what, Options& options) {
  CLI::App* command = app.add_subcommand(name, what);
  add_connection_options(*command, options.connection, kManageDevice);
  return command;
}

// Empty: the default layer.
Result<LayerId> layer_of(const std::string& name);

// A member in JSON: bytes that are not UTF-8 stand as "memberHex".
void put_member(nlohmann::ordered_json& to, const std::string& member);

}  // namespace earshot::app
