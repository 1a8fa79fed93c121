// The figures of delivery, one line each: "name value unit". Starts real nodes on a real disk and loads them with the
// client library from this process; prints what the bare disk does beside them.
#include <cstdio>
#include <exception>
#include <filesystem>

#include <CLI/CLI.hpp>

#include "app/load.hpp"
#include "delivery_figures.hpp"
#include "disk.hpp"
#include "relay.hpp"

int main(int argc, char** argv) {
  using namespace earshot::bench;
  CLI::App app{"Measures delivery: one line per figure, \"name value unit\", medians of several runs."};
  std::vector<std::string> only;
  int runs = 3;
  bool quick = false;
  std::string directory =
      (std::filesystem::temp_directory_path() / ("earshot-bench-" + std::to_string(::getpid()))).string();
  app.add_option("--only", only, "only figures whose names start so (several may be given)");
  app.add_option("--runs", runs, "measurements per figure")->capture_default_str()->check(CLI::Range(1, 100));
  app.add_option("--directory", directory,
                 "where the nodes keep their data: the disk that is measured; removed at the end");
  app.add_flag("--quick", quick, "a tenth of the sizes, for a first look");
  CLI11_PARSE(app, argc, argv);

  Sizes sizes;
  if (quick) sizes = Sizes{30'000, 1'000, 5'000, 100'000, 1'000, 100'000, 2'000};
  const Report report(std::move(only), runs);
  int code = 0;
  std::filesystem::create_directories(directory);
  try {
    report.medians({{"disk.fdatasync.p50_us", "us"}}, [&] { return std::vector{fdatasync_p50_us(directory)}; });
    report.medians({{"journal.group_commit.rate", "records/s"}},
                   [&] { return std::vector{journal_group_commit_rate(directory)}; });
    report.medians({{"lmdb.group_commit.rate", "records/s"}},
                   [&] { return std::vector{lmdb_group_commit_rate(directory)}; });
    report.medians({{"machine.relay_5k.p50_us", "us"}, {"machine.relay_5k.p99_us", "us"}}, [&] {
      auto times_us = relay_us(directory, sizes.e2e_messages);
      return std::vector{earshot::app::percentile(times_us, 0.5), earshot::app::percentile(times_us, 0.99)};
    });
    measure_commits(report, sizes, directory);
    measure_end_to_end(report, sizes, directory);
    measure_catch_up(report, sizes, directory);
    measure_idle(report, sizes, directory);
    measure_boot(report, sizes, directory);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    code = 1;
  }
  std::filesystem::remove_all(directory);
  return code;
}
