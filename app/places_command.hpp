#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "app/manage_command.hpp"
#include "base/clock.hpp"

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

// Waits before the same is asked again; false when there is no use in it, or no time left.
bool wait_to_ask_again(const Error& error, std::uint64_t give_up_at_ms);

// What `ask` gets, which is asked again, up to --timeout, while the node is only busy or starting.
template <class Ask>
auto ask_patiently(const ConnectionOptions& options, Ask ask) {
  const std::uint64_t give_up_at_ms = SystemClock().monotonic_ms() + options.timeout_ms();
  for (;;) {
    auto answer = ask().get();
    if (answer || !wait_to_ask_again(answer.error(), give_up_at_ms)) return answer;
  }
}

// A member in JSON: bytes that are not UTF-8 stand as "memberHex".
void put_member(nlohmann::ordered_json& to, const std::string& member);

}  // namespace earshot::app
