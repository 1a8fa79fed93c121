#include "app/command.hpp"
#include "app/load.hpp"
#include "app/terminal.hpp"

namespace earshot::app {
namespace {

struct BenchOptions {
  LoadOptions load;
  bool json = false;
  bool quiet = false;
};

ExitCode run_bench(BenchOptions options) {
  LoadResult result;
  {
    ProgressBar bar("sending", options.load.messages, !options.json && !options.quiet);
    options.load.progress = [&](std::uint64_t answered) { bar.update(answered); };
    auto outcome = run_load(options.load);
    if (!outcome) return complain(outcome.error());
    result = *outcome;
  }
  if (options.json) {
    print_line(nlohmann::ordered_json{{"stored", result.stored},
                                      {"refused", result.refused},
                                      {"resent", result.resent},
                                      {"seconds", result.seconds},
                                      {"ratePerSecond", result.rate()},
                                      {"p50Us", result.p50_us},
                                      {"p99Us", result.p99_us}}
                   .dump());
  } else {
    std::printf("%llu messages stored in %.2f s: %.0f/s, answer after %.0f µs (p50), %.0f µs (p99)\n",
                static_cast<unsigned long long>(result.stored), result.seconds, result.rate(), result.p50_us,
                result.p99_us);
  }
  if (result.refused > 0) return complain(ExitCode::kRefused, std::to_string(result.refused) + " refused");
  return ExitCode::kDone;
}

}  // namespace

void add_bench_command(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<BenchOptions>();
  auto* command = app.add_subcommand("bench", "Send a load to a running node and measure it (it stores what it sends)");
  add_server_option(*command, options->load.servers);
  command->add_option("--name", options->load.name, "users are NAME-1 …, recipients NAME-to-1 …")
      ->capture_default_str();
  command->add_option("--connections", options->load.connections, "senders")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000));
  command->add_option("--window", options->load.window, "unanswered messages of one sender")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  command->add_option("--messages", options->load.messages, "how many in all")
      ->capture_default_str()
      ->check(CLI::Range(std::uint64_t{1}, std::uint64_t{100'000'000}));
  command->add_option("--body-bytes", options->load.body_bytes, "size of each message")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{0}, limits::kBodyBytesMax));
  command->add_option("--recipients", options->load.recipients, "drawn at random from so many")
      ->capture_default_str()
      ->check(CLI::Range(1, 10'000'000));
  command->add_flag("--json", options->json, "the result as one JSON object");
  command->add_flag("--quiet", options->quiet, "no progress bar");
  command->callback([options, &code] { code = run_bench(*options); });
}

}  // namespace earshot::app
