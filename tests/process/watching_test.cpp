// The http port of a real node: what it says moves with what clients do, and with what the node goes through.
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/client_eventually.hpp"
#include "tests/support/http_client.hpp"
#include "tests/support/metrics_text.hpp"
#include "tests/support/process_client.hpp"
#include "tests/support/redis_client.hpp"
#include "tests/support/small_disk.hpp"

namespace earshot {
namespace {

using tests::Device;
using tests::HttpClient;
using tests::MetricsText;

class Watching : public tests::ProcessTest {
 protected:
  tests::HttpReply get(const std::string& path) { return HttpClient(node().http_port()).get(path); }
  MetricsText metrics() { return MetricsText(get("/metrics").body); }
};

TEST_F(Watching, NumbersMoveAsMessagesAreSentDeliveredAndAcked) {
  start_node();
  const MetricsText before = metrics();
  EXPECT_EQ(before.at("earshot_messages_answered_total{answer=\"stored\"}"), 0);
  EXPECT_EQ(before.at("earshot_shards"), 64);
  EXPECT_EQ(before.at("earshot_node_info{node=\"1\"}"), 1);
  EXPECT_GT(before.at("earshot_disk_free_bytes"), 0);
  EXPECT_EQ(before.at("earshot_disk_full"), 0);
  send("alice", "bob", tests::numbered(100));
  const auto bob = open(options("bob"), std::make_shared<client::MemoryStore>());
  ASSERT_TRUE(bob->wait_for(100));
  const auto has_all = [&] {
    const MetricsText now = metrics();
    return now.at("earshot_messages_delivered_total") >= 100 && now.at("earshot_acks_total") >= 1;
  };
  ASSERT_TRUE(tests::eventually(has_all));
  const MetricsText after = metrics();
  EXPECT_EQ(after.at("earshot_messages_received_total"), 100);
  EXPECT_EQ(after.at("earshot_messages_answered_total{answer=\"stored\"}"), 100);
  EXPECT_EQ(after.at("earshot_messages_answered_total{answer=\"repeat\"}"), 0);
  EXPECT_GE(after.at("earshot_logins_total"), 2);
  EXPECT_GE(after.at("earshot_sessions"), 1);
  EXPECT_EQ(after.at("earshot_registrations"), after.at("earshot_sessions"));
  EXPECT_GE(after.at("earshot_call_duration_seconds_count{call=\"send\",protocol=\"rpc\"}"), 1);
  EXPECT_GT(after.at("earshot_call_duration_seconds_sum{call=\"send\",protocol=\"rpc\"}"), 0);
  EXPECT_GT(after.at("earshot_commit_duration_seconds_count{writer=\"log\"}"),
            before.at("earshot_commit_duration_seconds_count{writer=\"log\"}"));
  EXPECT_GT(after.at("earshot_entries_applied_total"), before.at("earshot_entries_applied_total"));
  EXPECT_GT(after.at("process_cpu_seconds_total"), before.at("process_cpu_seconds_total"));
  EXPECT_GT(after.at("earshot_resident_anon_bytes"), 1 << 20);
}

TEST_F(Watching, QuestionsAboutPlacesAndMembersAreCounted) {
  start_node();
  tests::RedisClient redis(node().resp_port());
  ASSERT_EQ(redis.command({"GEOADD", "people", "1", "1", "ada", "1", "1.001", "bob"}).integer, 2);
  redis.command({"GEOSEARCH", "people", "FROMMEMBER", "ada", "BYRADIUS", "1", "km"});
  const auto is_counted = [&] {
    const MetricsText now = metrics();
    return now.at("earshot_members") == 2 && now.at("earshot_layers") == 1 && now.at("earshot_cells") >= 1 &&
           now.at("earshot_place_queries_total{call=\"nearby\",completeness=\"exact\"}") == 1 &&
           now.at("earshot_call_duration_seconds_count{call=\"set_positions\",protocol=\"resp\"}") == 1;
  };
  EXPECT_TRUE(tests::eventually(is_counted)) << get("/metrics").body;
  redis.command({"DEL", "people"});
  EXPECT_TRUE(tests::eventually([&] { return metrics().at("earshot_members") == 0; }));
}

TEST_F(Watching, ANodeIsAliveAndReadyUntilItStops) {
  start_node();
  EXPECT_TRUE(tests::eventually([&] { return get("/readyz").status == 200; }));
  EXPECT_EQ(get("/readyz").body, R"({"ready":true,"missing":[]})");
  EXPECT_EQ(get("/healthz").body, R"({"alive":true})");
  EXPECT_EQ(get("/").status, 404);
  EXPECT_EQ(node().stop(), 0);
}

TEST_F(Watching, AFullDiskIsSeenAndThenIsOver) {
  constexpr std::uint64_t kReserve = 8 << 20;
  tests::SmallDisk disk(directory_ / "disk", 64);
  if (!disk.is_there()) GTEST_SKIP() << "this system does not let the test mount a small file system (root may)";
  start_node_on(directory_ / "disk/node", {"--disk-reserve-bytes", std::to_string(kReserve)}, disk.wrapper());
  EXPECT_TRUE(tests::eventually([&] { return get("/readyz").status == 200; }));
  EXPECT_EQ(metrics().at("earshot_disk_reserve_bytes"), kReserve);
  const auto alice = open_sender("alice");
  const auto carol = open_sender("carol");
  disk.take();
  post(*alice, "bob", std::vector<std::string>(300, std::string(64 << 10, 'x')));
  disk.take();  // and the ballast, if it was given up
  const auto is_full = [&] {
    const auto reply = get("/readyz");
    return reply.status == 503 && reply.body.find("\"what\":\"disk\"") != std::string::npos;
  };
  EXPECT_TRUE(tests::eventually([&] {
    disk.take();
    return is_full();
  }));
  const MetricsText full = metrics();
  EXPECT_EQ(full.at("earshot_disk_full"), 1);
  EXPECT_EQ(full.at("earshot_disk_tight"), 1);
  EXPECT_EQ(get("/healthz").status, 200) << "to start it again would mend nothing";
  post(*carol, "bob", {"late"});  // what alice sent was taken before the disk was full, and waits for it
  EXPECT_TRUE(tests::eventually(
      [&] { return metrics().at("earshot_messages_held_total{at=\"shard\",code=\"storageFull\"}") > 0; }));
  disk.free();
  flush(*alice);
  flush(*carol);
  EXPECT_TRUE(tests::eventually([&] { return get("/readyz").status == 200; }));
  const MetricsText after = metrics();  // whichever of the two needed another page
  EXPECT_GT(after.at("earshot_commits_failed_total{writer=\"log\"}") +
                after.at("earshot_commits_failed_total{writer=\"state\"}"),
            0);
}

TEST_F(Watching, HttpCanBeLeftOut) {
  start_node({"--http", "false"});
  EXPECT_EQ(node().http_port(), 0);
}

}  // namespace
}  // namespace earshot
