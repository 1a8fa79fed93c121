// A node of a cluster is gone for good, with its disk: it is removed, and another one takes its place.
#include <csignal>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/cluster_test.hpp"
#include "tests/support/free_port.hpp"

namespace earshot {
namespace {

using Json = nlohmann::json;
using tests::ChildProcess;
using tests::NodeProcess;

constexpr std::size_t kGone = 2;
constexpr int kRemovedExit = 5;

struct Output {
  int code = 0;
  std::string text;
};

class ClusterRemoval : public tests::ClusterTest {
 protected:
  Output ask(std::vector<std::string> command, std::size_t node) {
    command.insert(command.begin(), {tests::earshot_path(), "cluster"});
    command.insert(command.end(), {"--user", "olga", "--server", cluster_->node(node).address(), "--json"});
    // What it complains of is on standard error.
    command.insert(command.begin(), {"/bin/sh", "-c", "exec \"$@\" 2>&1", "sh"});
    ChildProcess earshot(command);
    Output output;
    output.text = earshot.read_all();
    output.code = earshot.wait();
    return output;
  }
  Output remove(std::uint64_t id, std::size_t asked = 1) {
    return ask({"remove", "--node", std::to_string(id), "--timeout", "20"}, asked);
  }
  // Until the status is so, for a minute; what is amiss then.
  std::string wait_for_status(const std::function<bool(const Json&)>& is_so) {
    std::string last;
    for (int tries = 0; tries < 240; ++tries) {
      last = ask({"status"}, 1).text;
      if (const Json json = Json::parse(last, nullptr, false); !json.is_discarded() && is_so(json)) return "";
      sleep_ms(250);
    }
    return last;
  }
  // With new ports and a new directory.
  tests::NodeOptions newcomer() const {
    tests::NodeOptions options;
    options.data = directory_ / "newcomer";
    options.port = tests::free_port();  // known beforehand, so that the cluster can be told
    options.wrapper = tests::with_log(directory_ / "log-newcomer");
    options.more = {"--peer-port", std::to_string(tests::free_port()),
                    "--join",      "127.0.0.1:" + std::to_string(cluster_->peer_port(1)),
                    "--resp",      "false"};
    return options;
  }
};

bool has_voters(const Json& status, const std::set<int>& voters) {
  for (const Json& shard : status["shards"])
    if (shard["leader"].is_null() || shard["voters"].get<std::set<int>>() != voters) return false;
  return status["healthy"] == true;
}

TEST_F(ClusterRemoval, ANodeThatHasLostItsDiskIsReplacedUnderLoadAndItsIdentityIsRefused) {
  namespace fs = std::filesystem;
  start_cluster();
  auto load = usual_load();
  load.messages_per_s = 500;
  start_load(load);
  const Output early = remove(kGone);
  EXPECT_EQ(early.code, 1) << early.text;
  EXPECT_NE(early.text.find("conflict(node)"), std::string::npos) << early.text;
  EXPECT_NE(early.text.find("stop it"), std::string::npos) << early.text;

  cluster_->kill({kGone});
  const fs::path data = directory_ / "nodes/node-2", aside = directory_ / "aside";
  fs::rename(data, aside);
  Output removed;
  for (int tries = 0; tries < 40; ++tries) {  // it must have been silent for some seconds
    removed = remove(kGone, 3);
    if (removed.code == 0) break;
    sleep_ms(250);
  }
  ASSERT_EQ(removed.code, 0) << removed.text << cluster_->logs();
  EXPECT_EQ(Json::parse(removed.text), Json({{"node", kGone}, {"removed", true}, {"wasBefore", false}}));
  EXPECT_EQ(wait_for_status([](const Json& now) { return has_voters(now, {1, 3}); }), "") << cluster_->logs();
  EXPECT_EQ(Json::parse(remove(kGone).text)["wasBefore"], true);
  EXPECT_NE(remove(9).text.find("notFound(node)"), std::string::npos);

  NodeProcess fourth(newcomer());
  EXPECT_EQ(wait_for_status([](const Json& now) { return has_voters(now, {1, 3, 4}); }), "") << cluster_->logs();
  load_->wait_for_answers(500, 5'000);

  // The one that was thought lost turns up with all that it had.
  fs::rename(aside, data);
  cluster_->node(kGone).launch();
  EXPECT_EQ(cluster_->node(kGone).wait_end(30'000), kRemovedExit) << cluster_->logs();
  EXPECT_NE(cluster_->logs().find("the cluster has removed node 2"), std::string::npos) << cluster_->logs();
  EXPECT_NE(cluster_->logs().find("is refused: node 2 was removed from the cluster"), std::string::npos)
      << cluster_->logs();

  EXPECT_THAT(load_->judge(), testing::IsEmpty());
  std::cout << load_->stored() << " messages stored" << std::endl;
  for (NodeProcess* node : {&cluster_->node(1), &cluster_->node(3), &fourth}) EXPECT_EQ(node->stop(), 0);
}

// It runs on where nobody hears it, and learns of it when it is heard again.
TEST_F(ClusterRemoval, ANodeThatIsRemovedWhileItSleepsEndsWhenItWakes) {
  start_cluster();
  cluster_->node(3).signal(SIGSTOP);
  Output removed;
  for (int tries = 0; tries < 40; ++tries) {
    removed = remove(3);
    if (removed.code == 0) break;
    sleep_ms(250);
  }
  ASSERT_EQ(removed.code, 0) << removed.text << cluster_->logs();
  EXPECT_EQ(wait_for_status([](const Json& now) { return has_voters(now, {1, 2}); }), "") << cluster_->logs();
  cluster_->node(3).signal(SIGCONT);
  EXPECT_EQ(cluster_->node(3).wait_end(30'000), kRemovedExit) << cluster_->logs();
}

}  // namespace
}  // namespace earshot
