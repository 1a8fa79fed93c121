#include "app/command.hpp"

#include <cstdio>

#include "client/lmdb_store.hpp"
#include "client/memory_store.hpp"

namespace earshot::app {

void add_connection_options(CLI::App& command, ConnectionOptions& options, std::string device) {
  options.device = std::move(device);
  command.add_option("--server", options.servers, "host:port of a node; several may be given")
      ->envname("EARSHOT_SERVER")
      ->capture_default_str();
  command.add_option("--user", options.user, "who you are (with auth \"none\" the name is enough)")
      ->envname("EARSHOT_USER")
      ->required();
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
  std::fprintf(stderr, "earshot: %.*s\n", static_cast<int>(text.size()), text.data());
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
  client_options.token = options.user;
  client_options.user = options.user;
  client_options.device = options.device;
  client_options.agent = "earshot";
  return client::Client::open(std::move(client_options), std::move(store), std::move(handlers), std::move(*runtime));
}

}  // namespace earshot::app
