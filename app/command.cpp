#include "app/command.hpp"

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "app/terminal.hpp"
#include "client/lmdb_store.hpp"
#include "client/memory_store.hpp"

namespace earshot::app {
namespace {

// The first line of a small file.
Result<std::string> read_token_file(const std::string& path) {
  std::ifstream file(path);
  std::string token(limits::kTokenBytesMax + 2, '\0');
  file.read(token.data(), static_cast<std::streamsize>(token.size()));
  token.resize(static_cast<std::size_t>(file.gcount()));
  token.resize(std::min(token.size(), token.find_first_of("\r\n")));
  if (token.empty()) return fail(ErrorCode::kUnavailable, "token", "cannot read a token from " + path);
  return token;
}

Error no_token() { return Error{ErrorCode::kInvalidArgument, "", "--user is required, or a token"}; }

}  // namespace

Result<std::string> token_of(const ConnectionOptions& options) {
  if (!options.token_file.empty()) return read_token_file(options.token_file);
  if (options.token.empty() && options.user.empty()) return fail(no_token());
  return options.token.empty() ? options.user : options.token;
}

client::TlsOptions tls_of(const ConnectionOptions& options) {
  return {options.tls || !options.ca_file.empty() || !options.tls_name.empty(), options.ca_file, options.tls_name};
}

void add_server_option(CLI::App& command, std::vector<std::string>& servers) {
  command
      .add_option(
          "--server", servers,
          "host:port of a node; of several (a:7400,b:7400, or repeated) one is drawn, and another taken when it "
          "fails")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->envname("EARSHOT_SERVER")
      ->capture_default_str();
}

void add_connection_options(CLI::App& command, ConnectionOptions& options, std::string device) {
  options.device = std::move(device);
  add_server_option(command, options.servers);
  command.add_option("--user", options.user, "who you are (with auth \"none\" the name is enough)")
      ->envname("EARSHOT_USER");
  // A token on the command line can be seen by everybody on the machine: the other two ways are better.
  auto* token = command.add_option("--token", options.token, "the token to log in with (better: --token-file)")
                    ->envname("EARSHOT_TOKEN");
  command.add_option("--token-file", options.token_file, "a file with the token, read at every login")
      ->envname("EARSHOT_TOKEN_FILE")
      ->excludes(token);
  command.add_flag("--tls", options.tls, "connect by TLS and verify the server by the system's certificates");
  command.add_option("--ca", options.ca_file, "a PEM file with the certificates to trust instead; means --tls")
      ->envname("EARSHOT_CA");
  command.add_option("--tls-name", options.tls_name, "the name in the server's certificate, if not its host's");
  command.add_option("--device", options.device, "this device's name; each device has its own place in the mailbox")
      ->capture_default_str();
  command.add_option("--state", options.state, "directory of this device's own database (none: only in memory)");
  command.add_option("--timeout", options.timeout_s, "give up after so many seconds without progress")
      ->capture_default_str()
      ->check(CLI::PositiveNumber);
  command.add_flag("--json", options.json, "one JSON object per line, for scripts");
  command.add_flag("--quiet", options.quiet, "no progress and no messages, only the result");
}

ExitCode complain(ExitCode code, std::string_view text) {
  std::fprintf(stderr, "earshot: %s\n", printable(text).c_str());
  return code;
}

ExitCode complain(const Error& error) { return complain(exit_code_of(error), error.to_string()); }

ExitCode exit_code_of(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kTooLarge: return ExitCode::kUsage;
    case ErrorCode::kUnavailable:
    case ErrorCode::kUnauthenticated:
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kSessionReplaced:
    case ErrorCode::kUnsupportedVersion: return ExitCode::kNotConnected;
    case ErrorCode::kDeadlineExceeded: return ExitCode::kNotInTime;
    default: return ExitCode::kFailed;
  }
}

Result<std::unique_ptr<client::Client>> open_client(const ConnectionOptions& options, client::Options client_options,
                                                    client::Handlers handlers, const WrapStore& wrap) {
  std::shared_ptr<client::Store> store;
  if (options.state.empty()) {
    store = std::make_shared<client::MemoryStore>();
  } else {
    auto opened = client::LmdbStore::open(options.state);
    if (!opened) return fail(std::move(opened.error()));
    store = std::move(*opened);
  }
  if (wrap) store = wrap(std::move(store));
  auto runtime = client::Runtime::start();
  if (!runtime) return fail(std::move(runtime.error()));
  client_options.addresses = options.servers;
  if (options.user.empty() && options.token.empty() && options.token_file.empty()) return fail(no_token());
  if (!options.token_file.empty())
    client_options.token_source = [path = options.token_file](const client::TokenDone& done) {
      done(read_token_file(path));
    };
  else
    client_options.token = options.token.empty() ? options.user : options.token;
  client_options.user = options.user;
  client_options.tls = tls_of(options);
  client_options.device = options.device;
  client_options.call_timeout_ms = options.timeout_ms();
  client_options.agent = "earshot";
  return client::Client::open(std::move(client_options), std::move(store), std::move(handlers), std::move(*runtime));
}

}  // namespace earshot::app
