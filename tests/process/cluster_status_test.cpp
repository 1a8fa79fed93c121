// `earshot cluster status`, once and as a watch: of a node alone, and of three real ones, of which one dies, then most.
#include <chrono>
#include <csignal>
#include <cstddef>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/child_process.hpp"
#include "tests/support/cluster_process.hpp"
#include "tests/support/free_port.hpp"
#include "tests/support/metrics_text.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot {
namespace {

using Json = nlohmann::json;

struct Output {
  int code = 0;
  std::string text;
};

Output status(const std::string& server, const std::vector<std::string>& more = {}) {
  std::vector<std::string> command{tests::earshot_path(), "cluster", "status", "--user", "olga", "--server", server};
  command.insert(command.end(), more.begin(), more.end());
  tests::ChildProcess earshot(command);
  Output output;
  output.text = earshot.read_all();
  output.code = earshot.wait();
  return output;
}

tests::ChildProcess start_watch(const std::string& server) {
  return tests::ChildProcess({tests::earshot_path(), "cluster", "status", "--user", "olga", "--server", server,
                              "--watch", "--interval", "0.2"});
}

// The next line of a watch that says this; "" when none does within a minute.
std::string next_line(tests::ChildProcess& watch, const std::string& what) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  std::string line;
  while (std::chrono::steady_clock::now() < end && watch.read_line(line))
    if (line.find(what) != std::string::npos) return line;
  return "";
}

Json json_of(const std::string& server) { return Json::parse(status(server, {"--json"}).text); }

// Until it is so, for a minute; the last document.
Json wait_for(const std::string& server, const std::function<bool(const Json&)>& is_so) {
  Json json;
  for (int tries = 0; tries < 120; ++tries) {
    json = json_of(server);
    if (is_so(json)) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  return json;
}

TEST(ClusterStatus, ANodeAloneIsShownWithItsShards) {
  const tests::TemporaryDirectory directory;
  tests::NodeOptions options;
  options.data = directory / "data";
  tests::NodeProcess node(options);
  const Json json = json_of(node.address());
  EXPECT_EQ(json["healthy"], true) << json.dump(1);
  EXPECT_TRUE(json["cluster"].is_null());
  ASSERT_EQ(json["nodes"].size(), 1u);
  EXPECT_EQ(json["nodes"][0]["leads"], 64);
  EXPECT_EQ(json["shards"].size(), 64u);
  const Output text = status(node.address());
  EXPECT_EQ(text.code, 0);
  EXPECT_NE(text.text.find("a node alone: 1 of 1 nodes reached, 64 of 64 shards have a leader"), std::string::npos)
      << text.text;
}

TEST(ClusterStatus, WhereNobodyListensItSaysSoAndFails) {
  const std::string nowhere = "127.0.0.1:" + std::to_string(tests::free_port());
  const Output output = status(nowhere);
  EXPECT_EQ(output.code, 3);
  EXPECT_NE(output.text.find(nowhere + " was not reached"), std::string::npos) << output.text;
}

TEST(ClusterStatus, AWatchIsDrawnAgainUntilASignalEndsIt) {
  const tests::TemporaryDirectory directory;
  tests::NodeOptions options;
  options.data = directory / "data";
  tests::NodeProcess node(options);
  const auto began = std::chrono::steady_clock::now();
  tests::ChildProcess watch = start_watch(node.address());
  for (int table = 1; table <= 3; ++table) {
    const std::string summary = next_line(watch, "nodes reached");
    EXPECT_EQ(summary.find("a node alone: 1 of 1 nodes reached"), 0u) << "table " << table << ": " << summary;
    EXPECT_NE(next_line(watch, "   63  "), "") << "the last shard of table " << table;
  }
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(400)) << "two intervals";
  // Not SIGINT: it is ignored by whatever a shell without job control has started in the background.
  watch.signal(SIGTERM);
  EXPECT_EQ(watch.wait(), 128 + SIGTERM);
}

TEST(ClusterStatus, AnyNodeTellsOfAllAndWhoIsDeadIsNamed) {
  const tests::TemporaryDirectory directory;
  tests::ClusterOptions options;
  options.directory = directory.path();
  tests::ClusterProcess cluster(options);
  for (std::size_t node = 1; node <= 3; ++node) {
    const Json json = wait_for(cluster.node(node).address(), [](const Json& now) { return now["healthy"] == true; });
    ASSERT_EQ(json["healthy"], true) << json.dump(1);
    EXPECT_EQ(json["nodes"].size(), 3u);
    for (const Json& shard : json["shards"]) {
      EXPECT_EQ(shard["voters"], (std::vector<int>{1, 2, 3}));
      EXPECT_EQ(shard["replicas"].size(), 3u);
    }
  }
  tests::ChildProcess watch = start_watch(cluster.node(2).address());
  EXPECT_NE(next_line(watch, "3 of 3 nodes reached"), "");
  cluster.kill({2});
  EXPECT_NE(next_line(watch, "2 of 3 nodes reached"), "") << "begun at the node that died, it goes on at the others";
  const std::string first = cluster.node(1).address();
  const Json after = wait_for(first, [](const Json& now) {
    for (const Json& shard : now["shards"])
      if (shard["leader"].is_null() || shard["leader"] == 2) return false;
    return true;
  });
  EXPECT_EQ(after["healthy"], false) << after.dump(1);
  EXPECT_EQ(after["nodes"][1]["reached"], false);
  EXPECT_NE(after["nodes"][1]["trouble"].get<std::string>().find("refused"), std::string::npos) << after.dump(1);
  EXPECT_EQ(after["nodes"][1]["leads"], 0);
  // Nobody can log in any more: no shard has a majority. What is left tells all the same.
  cluster.kill({3});
  const Output text = status(first);
  EXPECT_EQ(text.code, 0);
  EXPECT_NE(text.text.find("1 of 3 nodes reached"), std::string::npos) << text.text;
}

}  // namespace
}  // namespace earshot
