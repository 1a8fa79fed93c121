// Who is near: a node over Redis's protocol, and redis-server beside it under the same load. scripts/bench nearby runs
// it.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <unistd.h>

#include "nearby_figures.hpp"
#include "people.hpp"

int main(int argc, char** argv) {
  using namespace earshot::bench;
  CLI::App app{"Measures who is near: one line per figure, \"name value unit\", medians of several runs in turn."};
  NearbyOptions options;
  std::vector<std::string> only;
  int runs = 3;
  bool quick = false;
  options.directory =
      (std::filesystem::temp_directory_path() / ("earshot-bench-" + std::to_string(::getpid()))).string();
  app.add_flag("--with-redis", options.with_redis, "also redis-server, which keeps everything in memory alone");
  app.add_flag("--redis-synced", options.with_synced_redis, "also redis-server that syncs every write");
  app.add_flag("--rpc", options.with_rpc, "also the node over Cap'n Proto RPC, by the client library");
  app.add_option("--only", only, "only cases whose names start so (several may be given)");
  app.add_option("--runs", runs, "measurements per figure")->capture_default_str()->check(CLI::Range(1, 100));
  app.add_option("--members", options.members, "under each key")
      ->capture_default_str()
      ->check(CLI::Range(std::size_t{1}, kPeopleMax));
  app.add_option("--ours-port", options.ours_port, "measure the empty server at this port instead of a node");
  app.add_option("--directory", options.directory, "where servers keep their data; removed at the end");
  app.add_flag("--quick", quick, "a tenth of the members, a quarter of the time, for a first look");
  CLI11_PARSE(app, argc, argv);

  if (quick) options.members = std::min<std::size_t>(options.members, 100'000), options.run_time /= 4;
  for (std::string& name : only)
    if (!name.starts_with("nearby.")) name.insert(0, "nearby.");
  int code = 0;
  std::filesystem::create_directories(options.directory);
  try {
    measure_nearby(Report(std::move(only), runs), options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    code = 1;
  }
  std::filesystem::remove_all(options.directory);
  return code;
}
