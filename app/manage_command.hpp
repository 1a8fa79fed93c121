#pragma once

#include <utility>

#include "app/command.hpp"

// What the commands that look after mailboxes share.
namespace earshot::app {

// Whose mailbox; empty: that of --user.
void add_of_option(CLI::App& command, std::string& of);

// The user that --of names; none when it is not given.
Result<UserId> user_of(const std::string& of);

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

inline constexpr const char* kManageDevice = "earshot-manage";

}  // namespace earshot::app
