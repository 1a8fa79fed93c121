#include "app/node_command_line.hpp"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "app/config_file.hpp"
#include "app/settings.hpp"
#include "base/limits.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::app {
namespace {

TEST(NodeCommandLine, WithoutFlagsTheDefaultsRun) {
  const auto command = read_node_command_line({});
  ASSERT_TRUE(command.config);
  EXPECT_EQ(to_toml(*command.config), to_toml(NodeConfig{}));
}

TEST(NodeCommandLine, AFlagWinsOverTheFileAndTheFileOverTheDefault) {
  const tests::TemporaryDirectory directory;
  std::ofstream(directory / "node.toml") << "client_port = 1111\nshard_count = 16\n";
  const auto command =
      read_node_command_line({"--config", directory / "node.toml", "--client-port", "2222", "--data", "/srv/x"});
  ASSERT_TRUE(command.config) << command.error;
  EXPECT_EQ(command.config->client_port, 2222);
  EXPECT_EQ(command.config->shard_count, 16);
  EXPECT_EQ(command.config->data_dir, "/srv/x");
  EXPECT_EQ(command.config->gateway_threads, 1u);
}

TEST(NodeCommandLine, EverySettingHasAFlag) {
  for (const Setting& setting : settings()) {
    std::string flag = "--" + std::string(setting.key);
    std::ranges::replace(flag, '_', '-');
    const auto command = read_node_command_line({flag, value_of(NodeConfig{}, setting)});
    EXPECT_TRUE(command.config) << flag << ": " << command.error;
  }
}

TEST(NodeCommandLine, AFlagAloneIsOn) {
  EXPECT_TRUE(read_node_command_line({"--bootstrap"}).config.value().bootstrap);
  EXPECT_TRUE(read_node_command_line({"--bootstrap", "--log-level", "warn"}).config.value().bootstrap);
  EXPECT_FALSE(read_node_command_line({"--bootstrap", "false"}).config.value().bootstrap);
}

TEST(NodeCommandLine, BadUsageIsNamedOnStandardErrorWithItsExitCode) {
  const tests::TemporaryDirectory directory;
  std::ofstream(directory / "bad.toml") << "nonsense = 1\n";
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"--no-such-flag"}, "--no-such-flag"},
      {{"stray"}, "stray"},
      {{"--client-port", "70000"}, "0 to 65535"},
      {{"--client-port", "seven"}, "client_port"},
      {{"--client-port=-1"}, "client_port"},
      {{"--auth", "magic"}, "auth"},
      {{"--retransmit-first-ms", "5000", "--retransmit-max-ms", "1000"}, "retransmit_first_ms"},
      {{"--config", directory / "bad.toml"}, "bad.toml:1"},
      {{"--config", directory / "none.toml"}, "none.toml"},
  };
  for (const auto& [arguments, expected] : cases) {
    const auto command = read_node_command_line(arguments);
    EXPECT_FALSE(command.config) << expected;
    EXPECT_EQ(command.exit, NodeExit::kUsage) << expected;
    EXPECT_NE(command.error.find(expected), std::string::npos) << command.error;
    EXPECT_TRUE(command.output.empty());
  }
}

TEST(NodeCommandLine, NumbersStandAtTheirLimitsAndNotBeyond) {
  const struct {
    std::string flag, field;
    std::uint64_t good, bad;
    std::vector<std::string> more = {};
  } cases[] = {
      {"--jwt-leeway-s", "jwt_leeway_s", limits::kJwtLeewaySMax, limits::kJwtLeewaySMax + 1},
      {"--disk-reserve-bytes", "disk_reserve_bytes", limits::kDiskReserveBytesMin, limits::kDiskReserveBytesMin - 1},
      {"--gateway-threads", "gateway_threads", limits::kGatewayThreadsMax, limits::kGatewayThreadsMax + 1},
      {"--connections-max", "connections_max", limits::kConnectionsMax, limits::kConnectionsMax + 1},
      {"--shard-count", "shard_count", limits::kShardsMax, limits::kShardsMax + 1},
      {"--scheduler-threads", "scheduler_threads", limits::kSchedulerThreadsMax, limits::kSchedulerThreadsMax + 1},
      {"--retransmit-first-ms",
       "retransmit_first_ms",
       limits::kRetransmitMsMax,
       limits::kRetransmitMsMax + 1,
       {"--retransmit-max-ms", std::to_string(limits::kRetransmitMsMax)}},
      {"--retransmit-max-ms", "retransmit_max_ms", limits::kRetransmitMsMax, limits::kRetransmitMsMax + 1},
      {"--replicas", "replicas", limits::kReplicasMax, limits::kReplicasMax + 1},
      {"--election-timeout-ms", "election_timeout_ms", limits::kElectionTimeoutMsMax,
       limits::kElectionTimeoutMsMax + 1},
      {"--election-timeout-ms",
       "election_timeout_ms",
       limits::kElectionTimeoutMsMin,
       limits::kElectionTimeoutMsMin - 1,
       {"--heartbeat-ms", std::to_string(limits::kHeartbeatMsMin)}},
      {"--heartbeat-ms", "heartbeat_ms", limits::kHeartbeatMsMin, limits::kHeartbeatMsMin - 1},
      {"--flush-interval-ms", "flush_interval_ms", limits::kFlushIntervalMsMax, limits::kFlushIntervalMsMax + 1},
      {"--overlay-bytes-max",
       "overlay_bytes_max",
       limits::kOverlayBytesMin,
       limits::kOverlayBytesMin - 1,
       {"--overlay-flush-bytes", std::to_string(limits::kOverlayFlushBytesMin)}},
      {"--overlay-bytes-max", "overlay_bytes_max", limits::kSettingBytesMax, limits::kSettingBytesMax + 1},
      {"--overlay-flush-bytes", "overlay_flush_bytes", limits::kOverlayFlushBytesMin,
       limits::kOverlayFlushBytesMin - 1},
      {"--overlay-flush-bytes",
       "overlay_flush_bytes",
       limits::kSettingBytesMax,
       limits::kSettingBytesMax + 1,
       {"--overlay-bytes-max", std::to_string(limits::kSettingBytesMax)}},
      {"--disk-reserve-bytes", "disk_reserve_bytes", limits::kSettingBytesMax, limits::kSettingBytesMax + 1},
  };
  const auto read = [](std::vector<std::string> arguments, const std::string& flag, std::uint64_t value) {
    arguments.insert(arguments.end(), {flag, std::to_string(value)});
    return read_node_command_line(std::move(arguments));
  };
  for (const auto& [flag, field, good, bad, more] : cases) {
    const auto at = read(more, flag, good);
    EXPECT_TRUE(at.config) << at.error;
    const auto beyond = read(more, flag, bad);
    EXPECT_FALSE(beyond.config) << flag;
    EXPECT_EQ(beyond.exit, NodeExit::kUsage) << flag;
    EXPECT_NE(beyond.error.find(field), std::string::npos) << beyond.error;
    EXPECT_NE(beyond.error.find(std::to_string(good)), std::string::npos) << "names the limit: " << beyond.error;
  }
}

TEST(NodeCommandLine, HelpVersionAndSettingsArePrintedAndNothingRuns) {
  const auto help = read_node_command_line({"--help"});
  EXPECT_FALSE(help.config);
  EXPECT_EQ(help.exit, NodeExit::kDone);
  for (const char* expected : {"--data", "--config", "Exit codes", "--client-port", "7400"})
    EXPECT_NE(help.output.find(expected), std::string::npos) << expected << "\n" << help.output;
  const auto version = read_node_command_line({"--version"});
  EXPECT_EQ(version.exit, NodeExit::kDone);
  EXPECT_NE(version.output.find("earshotd"), std::string::npos);
  const auto printed = read_node_command_line({"--print-config", "--client-port", "5"});
  EXPECT_FALSE(printed.config);
  const auto read = parse_config(printed.output, "printed");
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(read->client_port, 5);
}

}  // namespace
}  // namespace earshot::app
