#pragma once

#include <utility>

#include "app/command.hpp"

// What the commands that look after mailboxes share.
namespace earshot::app {

// The user that --of names; none, which means that of --user, when it is not given.
Result<UserId> user_of(const std::string& of);

inline constexpr const char* kManageDevice = "earshot-manage";

// A command with the options that all of these have: how to connect, and whose mailbox it is about.
template <class Options>
CLI::App* add_manage_command(CLI::App& app, const char* name, const char* what, Options& options) {
  CLI::App* command = app.add_subcommand(name, what);
  add_connection_options(*command, options.connection, kManageDevice);
  command->add_option("--of", options.of, "whose mailbox (another one than --user's needs the role for it)");
  return command;
}

// Runs `task(client)` on a connected client that receives nothing. The device that every such command logs in as is one
// and the same, so that they leave no more than one behind.
template <class Task>
ExitCode with_client(const ConnectionOptions& options, Task task) {
  client::Options client_options;
  client_options.receive = false;
  client_options.start_at = StartAt::kNewest;
  auto client = open_client(options, std::move(client_options), {});
  if (!client) return complain(client.error());
  if (auto connected = (*client)->wait_connected(options.timeout_ms()); !connected)
    return complain(ExitCode::kNotConnected, connected.error().to_string());
  const ExitCode code = task(**client);
  (*client)->close();
  return code;
}

}  // namespace earshot::app
