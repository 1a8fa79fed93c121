#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/metrics_text.hpp"
#include "watch/cluster_metrics.hpp"
#include "watch/families.hpp"
#include "watch/gateway_metrics.hpp"
#include "watch/metrics_page.hpp"
#include "watch/node_metrics.hpp"
#include "watch/process_metrics.hpp"

namespace earshot::watch {
namespace {

using tests::MetricsText;

MetricsText text_of(Families& families) {
  MetricsPage page;
  page.add([&] { return families.take(); });
  return MetricsText(page.text());
}

actors::NodeReport report_of_two_shards() {
  actors::NodeReport report;
  report.admitted = {100, 1'000};
  report.overlay = {200, 2'000};
  report.reads = {300, 3'000};
  report.windows = {400, 4'000};
  report.has_disk = true;
  report.disk = {5'000'000'000, 600, 700, 800, true};
  report.state_bytes = 900;
  report.shards = {{ShardId(0), LogIndex(11), 11, 5, 2, 1, NodeId(3), Term(8), 3, 0, {}},
                   {ShardId(1), LogIndex(7), 4, 6, 3, 0, NodeId(2), Term(9), 3, 12, {20, 300, 40, 1}}};
  report.places = {2, 9, 1'000, true};
  report.sessions = 5;
  return report;
}

TEST(Metrics, ANodesNumbersStandUnderTheirNames) {
  actors::SessionCounters counters;
  counters.sends = 10;
  counters.stored = 7;
  counters.repeats = 1;
  counters.refused_of(ErrorCode::kMailboxFull) = 2;
  counters.held_of(ErrorCode::kOverloaded) = 3;
  counters.retransmits_of(actors::RetransmitCause::kWithNew) = 4;
  counters.refetches_of(FetchCause::kGap) = 5;
  auto report = report_of_two_shards();
  report.log_writer.commits.counts[1] = 6;
  report.log_writer.commits.sum = 900;
  report.log_writer.busy_ms = 1'500;
  MetricsPage page;
  page.add([&] { return node_metrics(report, counters); });
  const MetricsText text(page.text());
  EXPECT_EQ(text.at("earshot_messages_received_total"), 10);
  EXPECT_EQ(text.at("earshot_messages_answered_total{answer=\"stored\"}"), 7);
  EXPECT_EQ(text.at("earshot_messages_answered_total{answer=\"repeat\"}"), 1);
  EXPECT_EQ(text.at("earshot_messages_refused_total{at=\"shard\",code=\"mailboxFull\"}"), 2);
  EXPECT_EQ(text.at("earshot_messages_held_total{at=\"shard\",code=\"overloaded\"}"), 3);
  EXPECT_EQ(text.at("earshot_messages_held_total{at=\"shard\",code=\"storageFull\"}"), 0)
      << "a code that has not come yet is there: else nobody would see its first";
  EXPECT_EQ(text.at("earshot_retransmits_total{cause=\"with_new\"}"), 4);
  EXPECT_EQ(text.at("earshot_refetches_total{cause=\"gap\"}"), 5);
  EXPECT_EQ(text.at("earshot_registrations"), 5) << "of all shards";
  EXPECT_EQ(text.at("earshot_entries_applied_total"), 15);
  EXPECT_EQ(text.at("earshot_shard_applied_index{shard=\"1\"}"), 7);
  EXPECT_EQ(text.at("earshot_shard_overlay_bytes{shard=\"1\"}"), 6);
  EXPECT_EQ(text.at("earshot_shard_leader{shard=\"0\"}"), 3);
  EXPECT_EQ(text.at("earshot_shard_term{shard=\"1\"}"), 9);
  EXPECT_EQ(text.at("earshot_shard_voters{shard=\"1\"}"), 3);
  EXPECT_EQ(text.at("earshot_shard_lag_entries{shard=\"1\"}"), 12);
  EXPECT_EQ(text.at("earshot_shard_records{shard=\"1\",kind=\"mailboxes\"}"), 20);
  EXPECT_EQ(text.at("earshot_shard_records{shard=\"1\",kind=\"messages\"}"), 300);
  EXPECT_EQ(text.at("earshot_shard_records{shard=\"1\",kind=\"positions\"}"), 40);
  EXPECT_EQ(text.at("earshot_shard_records{shard=\"1\",kind=\"outbox\"}"), 1);
  EXPECT_EQ(text.at("earshot_queue_bytes{queue=\"windows\"}"), 400);
  EXPECT_EQ(text.at("earshot_queue_limit_bytes{queue=\"windows\"}"), 4'000);
  EXPECT_EQ(text.at("earshot_disk_free_bytes"), 5'000'000'000);
  EXPECT_EQ(text.at("earshot_members"), 1'000);
  EXPECT_EQ(text.at("earshot_commit_duration_seconds_bucket{writer=\"log\",le=\"0.0001\"}"), 0);
  EXPECT_EQ(text.at("earshot_commit_duration_seconds_bucket{writer=\"log\",le=\"0.00025\"}"), 6);
  EXPECT_DOUBLE_EQ(text.at("earshot_commit_duration_seconds_sum{writer=\"log\"}"), 0.0009);
  EXPECT_DOUBLE_EQ(text.at("earshot_commit_under_way_seconds{writer=\"log\"}"), 1.5);
}

TEST(Metrics, EveryCodeHasItsPlaceAndItsName) {
  for (std::size_t code = 0; code < actors::kErrorCodes; ++code)
    EXPECT_NE(name_of(static_cast<ErrorCode>(code)), "unknown") << code;
  EXPECT_EQ(name_of(static_cast<ErrorCode>(actors::kErrorCodes)), "unknown") << "a new code has no counter";
}

TEST(Metrics, EachShardMoreIsTenSamplesMore) {
  const actors::SessionCounters counters;
  auto report = report_of_two_shards();
  const auto size = [&] {
    MetricsPage page;
    page.add([&] { return node_metrics(report, counters); });
    return MetricsText(page.text()).size();
  };
  const std::size_t of_two = size();
  report.shards.resize(limits::kShardsMax);
  for (std::uint16_t i = 0; i < limits::kShardsMax; ++i) report.shards[i].id = ShardId(i);
  EXPECT_EQ(size(), of_two + 10 * (limits::kShardsMax - 2u));
}

TEST(Metrics, LinksAndReplicasOfAClusterStandUnderTheirNames) {
  auto report = report_of_two_shards();
  report.has_peers = true;
  cluster::PeerReading peer{.node = NodeId(3),
                            .is_up = true,
                            .links_up = 4,
                            .links_broken = 3,
                            .frames_sent = 50,
                            .bytes_sent = 60,
                            .frames_received = 70,
                            .bytes_received = 80,
                            .sends_refused = 9,
                            .waiting = {{"calls", 1, 10, 200, 2'000}}};
  report.peers = {peer};
  report.raft = {.candidacies = 1,
                 .leaderships = 2,
                 .leaders_known = 3,
                 .entries_sent = 4,
                 .entries_received = 5,
                 .appends_refused = 6,
                 .appends_unreadable = 15,
                 .snapshots_sent = 7,
                 .states_begun = 8,
                 .states_fetched = 9,
                 .seed_parts_sent = 10,
                 .seed_bytes_sent = 11,
                 .seed_parts_received = 12,
                 .seed_bytes_received = 13};
  report.open_calls = 14;
  report.held_requests = 16;
  report.open_questions = 17;
  report.question_bytes = 18;
  report.shards[1].held_answers = 19;
  MetricsPage page;
  page.add([&] { return cluster_metrics(report); });
  const MetricsText text(page.text());
  EXPECT_EQ(text.at("earshot_peer_up{peer=\"3\"}"), 1);
  EXPECT_EQ(text.at("earshot_peer_links_total{peer=\"3\"}"), 4);
  EXPECT_EQ(text.at("earshot_peer_links_broken_total{peer=\"3\"}"), 3);
  EXPECT_EQ(text.at("earshot_peer_frames_sent_total{peer=\"3\"}"), 50);
  EXPECT_EQ(text.at("earshot_peer_bytes_sent_total{peer=\"3\"}"), 60);
  EXPECT_EQ(text.at("earshot_peer_frames_received_total{peer=\"3\"}"), 70);
  EXPECT_EQ(text.at("earshot_peer_bytes_received_total{peer=\"3\"}"), 80);
  EXPECT_EQ(text.at("earshot_peer_sends_refused_total{peer=\"3\"}"), 9);
  EXPECT_EQ(text.at("earshot_queue_items{queue=\"peer\",peer=\"3\",class=\"calls\"}"), 1);
  EXPECT_EQ(text.at("earshot_queue_limit_items{queue=\"peer\",peer=\"3\",class=\"calls\"}"), 10);
  EXPECT_EQ(text.at("earshot_queue_bytes{queue=\"peer\",peer=\"3\",class=\"calls\"}"), 200);
  EXPECT_EQ(text.at("earshot_queue_limit_bytes{queue=\"peer\",peer=\"3\",class=\"calls\"}"), 2'000);
  EXPECT_EQ(text.at("earshot_raft_candidacies_total"), 1);
  EXPECT_EQ(text.at("earshot_raft_leaderships_total"), 2);
  EXPECT_EQ(text.at("earshot_raft_leader_changes_total"), 3);
  EXPECT_EQ(text.at("earshot_raft_entries_total{direction=\"sent\"}"), 4);
  EXPECT_EQ(text.at("earshot_raft_entries_total{direction=\"received\"}"), 5);
  EXPECT_EQ(text.at("earshot_raft_appends_refused_total"), 6);
  EXPECT_EQ(text.at("earshot_raft_appends_unreadable_total"), 15);
  EXPECT_EQ(text.at("earshot_raft_snapshots_sent_total"), 7);
  EXPECT_EQ(text.at("earshot_states_begun_total"), 8);
  EXPECT_EQ(text.at("earshot_states_fetched_total"), 9);
  EXPECT_EQ(text.at("earshot_seed_parts_total{direction=\"sent\"}"), 10);
  EXPECT_EQ(text.at("earshot_seed_bytes_total{direction=\"sent\"}"), 11);
  EXPECT_EQ(text.at("earshot_seed_parts_total{direction=\"received\"}"), 12);
  EXPECT_EQ(text.at("earshot_seed_bytes_total{direction=\"received\"}"), 13);
  EXPECT_EQ(text.at("earshot_queue_items{queue=\"calls\"}"), 14);
  EXPECT_EQ(text.at("earshot_queue_limit_items{queue=\"calls\"}"), limits::kOpenCallsMax);
  EXPECT_EQ(text.at("earshot_queue_items{queue=\"routes\"}"), 16);
  EXPECT_EQ(text.at("earshot_queue_limit_items{queue=\"routes\"}"), limits::kRouteHeldMax);
  EXPECT_EQ(text.at("earshot_queue_items{queue=\"feeds\"}"), 19) << "of the shard with most";
  EXPECT_EQ(text.at("earshot_queue_limit_items{queue=\"feeds\"}"), limits::kFeedHeldAnswersMax);
  EXPECT_EQ(text.at("earshot_queue_items{queue=\"questions\"}"), 17);
  EXPECT_EQ(text.at("earshot_queue_limit_items{queue=\"questions\"}"), limits::kOpenQuestionsMax);
  EXPECT_EQ(text.at("earshot_queue_bytes{queue=\"questions\"}"), 18);
  EXPECT_EQ(text.at("earshot_queue_limit_bytes{queue=\"questions\"}"), limits::kQuestionBytesMax);
}

TEST(Metrics, ANodeAloneHasNoLinksToTellOf) { EXPECT_TRUE(cluster_metrics(report_of_two_shards()).empty()); }

TEST(Metrics, ADoorsNumbersStandUnderTheirNames) {
  gateway::GatewayCounters counters;
  counters.slow_readers = 2;
  counters.logins_refused = 3;
  gateway::CallStats calls;
  calls.duration(gateway::Protocol::kRpc, gateway::CallKind::kSend).record(300);
  calls.duration(gateway::Protocol::kResp, gateway::CallKind::kNearby).record(20'000'000);
  gateway::CallStats::count(calls.refused, ErrorCode::kPermissionDenied);
  gateway::CallStats::count(calls.messages_held, ErrorCode::kOverloaded, 64);
  calls.note_query(gateway::CallKind::kNearby, Completeness::kTruncated);
  const gateway::GatewayReport report{7, {3, 50'000}, {1, 2}, {{{4, 5}, {6, 7}}, {{8, 5}, {9, 7}}}};
  MetricsPage page;
  page.add([&] { return gateway_metrics(report, counters, calls); });
  const MetricsText text(page.text());
  EXPECT_EQ(text.at("earshot_connections"), 3);
  EXPECT_EQ(text.at("earshot_connections_accepted_total"), 7);
  EXPECT_EQ(text.at("earshot_connections_cut_total{reason=\"slow_reader\"}"), 2);
  EXPECT_EQ(text.at("earshot_logins_failed_total"), 3);
  EXPECT_EQ(text.at("earshot_call_duration_seconds_bucket{call=\"send\",protocol=\"rpc\",le=\"0.0005\"}"), 1);
  EXPECT_EQ(text.at("earshot_call_duration_seconds_bucket{call=\"nearby\",protocol=\"resp\",le=\"10\"}"), 0);
  EXPECT_EQ(text.at("earshot_call_duration_seconds_bucket{call=\"nearby\",protocol=\"resp\",le=\"+Inf\"}"), 1);
  EXPECT_EQ(text.at("earshot_calls_refused_total{code=\"permissionDenied\"}"), 1);
  EXPECT_EQ(text.at("earshot_messages_held_total{at=\"door\",code=\"overloaded\"}"), 64);
  EXPECT_EQ(text.at("earshot_place_queries_total{call=\"nearby\",completeness=\"truncated\"}"), 1);
  EXPECT_EQ(text.at("earshot_queue_items{queue=\"bridge\",thread=\"1\"}"), 8);
  EXPECT_EQ(text.at("earshot_queue_bytes{queue=\"reading\",thread=\"1\"}"), 9);
  EXPECT_FALSE(text.contains("earshot_call_duration_seconds_count{call=\"send\",protocol=\"resp\"}"))
      << "Redis's clients send no messages";
}

TEST(Metrics, FamiliesOfSeveralCollectorsAreOne) {
  const actors::SessionCounters sessions;
  const gateway::GatewayCounters counters;
  const gateway::CallStats calls;
  const auto report = report_of_two_shards();
  MetricsPage page;
  page.add([&] { return node_metrics(report, sessions); });
  page.add([&] { return gateway_metrics({}, counters, calls); });
  // As the cluster will: a queue of its own among all others.
  page.add([] {
    Families families;
    families.gauge(kQueueBytes, kQueueBytesHelp, 12, {{"queue", "peer"}, {"peer", "2"}});
    return families.take();
  });
  const MetricsText text(page.text());
  EXPECT_EQ(text.at("earshot_queue_bytes{queue=\"admitted\"}"), 100);
  EXPECT_EQ(text.at("earshot_queue_bytes{queue=\"answers\"}"), 0);
  EXPECT_EQ(text.at("earshot_queue_bytes{queue=\"peer\",peer=\"2\"}"), 12);
}

TEST(Metrics, LabelsOfAnyContentStayLabels) {
  Families families;
  families.gauge("earshot_test", "A test.", 1, {{"text", "a \"quoted\" \\ back\xE2\x82\xAC{},=#"}});
  families.gauge("earshot_test", "A test.", 2, {{"text", ""}});
  const MetricsText text = text_of(families);
  EXPECT_EQ(text.at("earshot_test{text=\"a \\\"quoted\\\" \\\\ back\xE2\x82\xAC{},=#\"}"), 1);
  EXPECT_EQ(text.at("earshot_test{text=\"\"}"), 2);
}

TEST(Metrics, LargeNumbersAreToldInFull) {
  Families families;
  families.counter("earshot_test_total", "A test.", 9'007'199'254'740'991.0);
  EXPECT_EQ(text_of(families).at("earshot_test_total"), 9'007'199'254'740'991.0);
}

TEST(MetricsDeathTest, ANameThatBreaksTheRulesEndsTheProcess) {
  Families families;
  EXPECT_DEATH(families.gauge("earshot-test", "A test.", 1), "rules");
  EXPECT_DEATH(families.gauge("earshot_test", "A test.", 1, {{"a-label", "x"}}), "rules");
  EXPECT_DEATH(families.counter("earshot_test", "A test.", 1), "counter");
  families.gauge("earshot_same", "A test.", 1);
  EXPECT_DEATH(families.histogram<kBatchBounds>("earshot_same", "A test.", {}, 1), "one type");
}

TEST(Metrics, MemoryIsToldApartByItsKind) {
  ProcessReading reading;
  parse_status(
      "Name:\tRssAnon: 7 kB\nRssAnon:\t    2048 kB\nRssFile:\t    100 kB\nRssShmem:\t      0 kB\nThreads:\t9\n",
      reading);
  EXPECT_EQ(reading.anon_bytes, 2048u << 10) << "not what the process calls itself";
  EXPECT_EQ(reading.file_bytes, 100u << 10);
  EXPECT_EQ(reading.threads, 9u);
  parse_status("RssAnon:", reading);
  EXPECT_EQ(reading.anon_bytes, 0u) << "what cannot be read is 0";
}

TEST(Metrics, ThisProcessHasMemoryDescriptorsAndABeginning) {
  const ProcessReading reading = read_process();
  EXPECT_GT(reading.anon_bytes, 100'000u);
  EXPECT_GE(reading.open_descriptors, 3u);
  EXPECT_GT(reading.cpu_seconds, 0);
  EXPECT_GT(reading.started_at_s, 1.6e9);
  MetricsPage page;
  page.add([&] { return process_metrics(reading, 12.5); });
  page.add([] { return identity_metrics(3); });
  const MetricsText text(page.text());
  EXPECT_EQ(text.at("earshot_node_info{node=\"3\"}"), 1);
  EXPECT_DOUBLE_EQ(text.at("earshot_uptime_seconds"), 12.5);
}

}  // namespace
}  // namespace earshot::watch
