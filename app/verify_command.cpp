#include <memory>
#include <string>

#include <fmt/format.h>

#include "app/command.hpp"
#include "app/terminal.hpp"
#include "app/verify_run.hpp"
#include "storage/data_directory.hpp"

namespace earshot::app {
namespace {

struct VerifyOptions {
  std::string data;
  bool json = false;
  bool no_progress = false;
  bool accept_loss = false;
};

void print(const storage::Finding& finding, bool json) {
  if (json) {
    const nlohmann::ordered_json line{{"finding", name_of(finding.kind)},
                                      {"file", finding.file},
                                      {"table", finding.table},
                                      {"where", finding.where},
                                      {"lost", finding.lost}};
    return print_line(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  }
  print_line(fmt::format("{}: {} in {}: {}\n    {}", name_of(finding.kind), finding.table, finding.file, finding.where,
                         finding.lost));
}

void print_summary(const VerifyReport& report, const storage::NodeIdentity& identity, bool json) {
  if (json) {
    nlohmann::ordered_json counts = nlohmann::ordered_json::object();
    for (const auto& [kind, count] : report.counts) counts[std::string(name_of(kind))] = count;
    nlohmann::ordered_json fetching = nlohmann::ordered_json::array();
    for (const ShardId shard : report.fetching) fetching.push_back(shard.value);
    const nlohmann::ordered_json line{{"sound", report.is_sound()}, {"records", report.records},
                                      {"bytes", report.bytes},      {"shards", identity.shard_count},
                                      {"fetching", fetching},       {"findings", counts}};
    return print_line(line.dump());
  }
  for (const ShardId shard : report.fetching) {
    print_line(fmt::format("shard {}: its state is being fetched from another node; there is nothing to verify yet",
                           shard.value));
  }
  for (const auto& [kind, count] : report.counts) {
    if (count <= limits::kFindingsPerKindMax) continue;
    print_line(fmt::format("{}: {} more like these", name_of(kind), count - limits::kFindingsPerKindMax));
  }
  std::string outcome = "sound";
  if (!report.is_sound()) {
    outcome = "DAMAGED:";
    for (const auto& [kind, count] : report.counts) outcome += fmt::format(" {} {}", count, name_of(kind));
  }
  print_line(fmt::format("{} records, {:.1f} MB, {} shards: {}", report.records,
                         static_cast<double>(report.bytes) / 1e6, identity.shard_count, outcome));
}

ExitCode exit_code_of_opening(const VerifyOptions& options, const Error& error) {
  if (error.code == ErrorCode::kCorrupt) {
    print({storage::Finding::Kind::kDamaged, "identity", "identity", "the whole file",
           error.detail + ": the node refuses to start; without it the rest cannot be judged", true},
          options.json);
    return ExitCode::kFailed;
  }
  if (error.code == ErrorCode::kConflict) {
    return complain(ExitCode::kNotConnected, options.data + " is in use: stop the node first, or verify a copy");
  }
  return complain(error.code == ErrorCode::kInvalidArgument ? ExitCode::kUsage : ExitCode::kNotConnected,
                  error.to_string());
}

ExitCode run_verify(const VerifyOptions& options) {
  auto directory = storage::DataDirectory::open_identity(options.data);
  if (!directory) return exit_code_of_opening(options, directory.error());
  std::unique_ptr<ProgressBar> bar;
  const auto progress = [&](std::uint64_t done, std::uint64_t total) {
    if (!bar && total > 0) bar = std::make_unique<ProgressBar>("verifying", total, !options.no_progress);
    if (bar) bar->update(done);
  };
  const auto report = VerifyRun::run(options.data, directory->identity, progress);
  bar.reset();
  if (!report) return complain(ExitCode::kNotConnected, report.error().to_string());
  for (const auto& finding : report->findings) print(finding, options.json);
  print_summary(*report, directory->identity, options.json);
  if (report->is_sound()) return ExitCode::kDone;
  if (!options.accept_loss) return ExitCode::kFailed;
  bar = std::make_unique<ProgressBar>("counting", report->records, !options.no_progress);
  const auto accepted = accept_loss(options.data, directory->identity, progress);
  bar.reset();
  if (!accepted) return complain(accepted.error());
  if (report->keeps_from_starting) {
    return complain(ExitCode::kFailed,
                    "what is left was counted anew, but a node does not start with it: other things are damaged, too");
  }
  if (!options.json) print_line("accepted: what is left was counted anew, and is what a node starts with");
  return ExitCode::kDone;
}

}  // namespace

void add_verify_command(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<VerifyOptions>();
  auto* command = app.add_subcommand("verify", "Look at all that a stopped node has on disk, and say what is lost");
  command->add_option("--data", options->data, "the node's data directory, or a copy of it")->required();
  command->add_flag("--json", options->json, "one JSON object per finding, then one that sums up");
  command->add_flag("--no-progress", options->no_progress, "no progress bar");
  command->add_flag("--accept-loss", options->accept_loss,
                    "afterwards count what is left anew, so that a node starts although records are missing");
  command->callback([options, &code] { code = run_verify(*options); });
}

}  // namespace earshot::app
