// `earshot cluster status` of a node alone and of three real nodes, of which one dies and then most.
#include <chrono>
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
  cluster.kill({2});
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
