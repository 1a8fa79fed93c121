// The command line: one subcommand per thing that a person or a script wants from a broker.
#include <cstdio>
#include <exception>

#include "app/command.hpp"
#include "base/version.hpp"

namespace earshot::app {
namespace {

int run(int argc, char** argv) {
  CLI::App app{
      "earshot talks to an Earshot broker.\n\n"
      "  earshot listen --user bob\n"
      "  earshot send --user alice --to bob \"Within earshot?\"\n"
      "  earshot history --user bob\n"
      "  earshot locate --user bob 116.4 39.9\n"
      "  earshot nearby --user bob --radius 5km"};
  app.name("earshot");
  app.set_version_flag("--version", std::string("earshot ") + kVersion);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 done, 1 failed, 2 bad usage, 3 no server, login refused or data in use, 4 not in time, 5 messages "
      "refused.\n"
      "EARSHOT_SERVER, EARSHOT_USER, EARSHOT_TOKEN, EARSHOT_TOKEN_FILE and EARSHOT_CA stand for the options of these "
      "names.");
  ExitCode code = ExitCode::kDone;
  add_send_command(app, code);
  add_listen_command(app, code);
  add_history_command(app, code);
  add_inbox_command(app, code);
  add_locate_command(app, code);
  add_nearby_command(app, code);
  add_layers_command(app, code);
  add_devices_command(app, code);
  add_parked_command(app, code);
  add_explain_command(app, code);
  add_policy_command(app, code);
  add_cluster_command(app, code);
  add_bench_command(app, code);
  add_token_command(app, code);
  add_cert_command(app, code);
  add_verify_command(app, code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int result = app.exit(error);
    return result == 0 ? 0 : static_cast<int>(ExitCode::kUsage);
  }
  return static_cast<int>(code);
}

}  // namespace
}  // namespace earshot::app

int main(int argc, char** argv) {
  try {
    return earshot::app::run(argc, argv);
  } catch (const std::exception& error) {  // out of memory, or a library's own
    std::fprintf(stderr, "earshot: %s\n", error.what());
    return static_cast<int>(earshot::app::ExitCode::kFailed);
  }
}
