#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/error.hpp"
#include "client/client.hpp"

// What the subcommands of `earshot` share.
namespace earshot::app {

// Exit codes, as `earshot --help` lists them.
enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,
  kUsage = 2,
  kNotConnected = 3,  // no server, or it refused the login; data that cannot be opened
  kNotInTime = 4,     // --timeout passed first
  kRefused = 5,       // the broker finally refused some messages
};

// Who and where; one set of options that every command takes.
struct ConnectionOptions {
  std::vector<std::string> servers{"127.0.0.1:7400"};
  std::string user;
  std::string token;       // "": the user's name
  std::string token_file;  // instead: holds the token, and is read at every login
  bool tls = false;
  std::string ca_file;   // either of them means TLS
  std::string tls_name;  //
  std::string device;
  std::string state;  // directory of the device's own database; empty: memory
  double timeout_s = 30;
  bool json = false;
  bool quiet = false;

  [[nodiscard]] std::uint64_t timeout_ms() const { return static_cast<std::uint64_t>(timeout_s * 1000); }
};

// To log in with, as the options name it.
Result<std::string> token_of(const ConnectionOptions& options);
client::TlsOptions tls_of(const ConnectionOptions& options);

// Adds --server, which takes several addresses, with commas between them or one by one.
void add_server_option(CLI::App& command, std::vector<std::string>& servers);

// Adds the shared options; `device` is the default device name.
void add_connection_options(CLI::App& command, ConnectionOptions& options, std::string device);

// Prints "earshot: …" on standard error and returns the code.
ExitCode complain(ExitCode code, std::string_view text);
ExitCode complain(const Error& error);
// The exit code that an error stands for.
ExitCode exit_code_of(const Error& error);

// A client on the store that the options name. `wrap` may put another store around it.
using WrapStore = std::function<std::shared_ptr<client::Store>(std::shared_ptr<client::Store>)>;
Result<std::unique_ptr<client::Client>> open_client(const ConnectionOptions& options, client::Options client_options,
                                                    client::Handlers handlers, const WrapStore& wrap = {});

// Each adds its subcommand; the chosen one's callback puts its exit code into `code`.
void add_send_command(CLI::App& app, ExitCode& code);
void add_listen_command(CLI::App& app, ExitCode& code);
void add_history_command(CLI::App& app, ExitCode& code);
void add_inbox_command(CLI::App& app, ExitCode& code);
void add_bench_command(CLI::App& app, ExitCode& code);
void add_token_command(CLI::App& app, ExitCode& code);
void add_cert_command(CLI::App& app, ExitCode& code);
void add_devices_command(CLI::App& app, ExitCode& code);
void add_parked_command(CLI::App& app, ExitCode& code);
void add_explain_command(CLI::App& app, ExitCode& code);
void add_policy_command(CLI::App& app, ExitCode& code);
void add_verify_command(CLI::App& app, ExitCode& code);
void add_cluster_command(CLI::App& app, ExitCode& code);
void add_locate_command(CLI::App& app, ExitCode& code);
void add_nearby_command(CLI::App& app, ExitCode& code);
void add_layers_command(CLI::App& app, ExitCode& code);

}  // namespace earshot::app
