#include "watch/cluster_metrics.hpp"

#include <algorithm>
#include <string>

#include "base/limits.hpp"
#include "watch/families.hpp"

namespace earshot::watch {
namespace {

double number(std::uint64_t value) { return static_cast<double>(value); }

void tell_waiting(Families& to, const std::string& peer, const cluster::PeerReading::Waiting& waiting) {
  const Labels labels{{"queue", "peer"}, {"peer", peer}, {"class", std::string(waiting.frame_class)}};
  to.gauge(kQueueItems, kQueueItemsHelp, number(waiting.frames), labels);
  to.gauge(kQueueLimitItems, kQueueLimitItemsHelp, number(waiting.frames_limit), labels);
  to.gauge(kQueueBytes, kQueueBytesHelp, number(waiting.bytes), labels);
  to.gauge(kQueueLimitBytes, kQueueLimitBytesHelp, number(waiting.bytes_limit), labels);
}

void tell_peer(Families& to, const cluster::PeerReading& reading) {
  const std::string peer = std::to_string(reading.node.value);
  const Labels labels{{"peer", peer}};
  to.gauge("earshot_peer_up", "1: there is a link to the node.", reading.is_up ? 1 : 0, labels);
  to.counter("earshot_peer_links_total", "How often a link to the node came up.", number(reading.links_up), labels);
  to.counter("earshot_peer_links_broken_total", "How often one ended against the will of this node.",
             number(reading.links_broken), labels);
  to.counter("earshot_peer_frames_sent_total", "Frames that went to the node.", number(reading.frames_sent), labels);
  to.counter("earshot_peer_bytes_sent_total", "Bytes of them, before TLS.", number(reading.bytes_sent), labels);
  to.counter("earshot_peer_frames_received_total", "Frames that came from the node.", number(reading.frames_received),
             labels);
  to.counter("earshot_peer_bytes_received_total", "Bytes of them.", number(reading.bytes_received), labels);
  to.counter("earshot_peer_sends_refused_total", "Frames that did not go: there was no link, or no room.",
             number(reading.sends_refused), labels);
  for (const auto& waiting : reading.waiting) tell_waiting(to, peer, waiting);
}

void tell_queue(Families& to, const char* queue, std::uint64_t items, std::uint64_t items_max) {
  to.gauge(kQueueItems, kQueueItemsHelp, number(items), {{"queue", queue}});
  to.gauge(kQueueLimitItems, kQueueLimitItemsHelp, number(items_max), {{"queue", queue}});
}

void tell_raft(Families& to, const actors::RaftReading& raft) {
  to.counter("earshot_raft_candidacies_total", "How often a replica here stood for election.",
             number(raft.candidacies));
  to.counter("earshot_raft_leaderships_total", "How often a replica here was elected.", number(raft.leaderships));
  to.counter("earshot_raft_leader_changes_total", "How often a replica here heard of another leader or a later term.",
             number(raft.leaders_known));
  constexpr auto kEntries = "earshot_raft_entries_total";
  constexpr auto kEntriesHelp = "Log entries between leaders and followers, those included that went before.";
  to.counter(kEntries, kEntriesHelp, number(raft.entries_sent), {{"direction", "sent"}});
  to.counter(kEntries, kEntriesHelp, number(raft.entries_received), {{"direction", "received"}});
  to.counter("earshot_raft_appends_refused_total",
             "Answers of followers that lack what comes before, or know a later term.", number(raft.appends_refused));
  to.counter("earshot_raft_appends_unreadable_total",
             "Messages of leaders that were refused for an entry which could not be applied here.",
             number(raft.appends_unreadable));
  to.counter("earshot_raft_snapshots_sent_total", "How often a follower was told that the log begins too late for it.",
             number(raft.snapshots_sent));
  to.counter("earshot_states_begun_total", "States of shards that a replica here began to fetch from another node.",
             number(raft.states_begun));
  to.counter("earshot_states_fetched_total", "States that have come whole.", number(raft.states_fetched));
  constexpr auto kParts = "earshot_seed_parts_total";
  constexpr auto kPartsHelp = "Parts of states that are fetched.";
  to.counter(kParts, kPartsHelp, number(raft.seed_parts_sent), {{"direction", "sent"}});
  to.counter(kParts, kPartsHelp, number(raft.seed_parts_received), {{"direction", "received"}});
  constexpr auto kBytes = "earshot_seed_bytes_total";
  constexpr auto kBytesHelp = "Bytes of such parts.";
  to.counter(kBytes, kBytesHelp, number(raft.seed_bytes_sent), {{"direction", "sent"}});
  to.counter(kBytes, kBytesHelp, number(raft.seed_bytes_received), {{"direction", "received"}});
}

}  // namespace

std::vector<prometheus::MetricFamily> cluster_metrics(const actors::NodeReport& report) {
  Families to;
  if (!report.has_peers) return to.take();
  for (const auto& peer : report.peers) tell_peer(to, peer);
  tell_raft(to, report.raft);
  tell_queue(to, "calls", report.open_calls, limits::kOpenCallsMax);
  tell_queue(to, "routes", report.held_requests, limits::kRouteHeldMax);
  std::uint64_t held_answers = 0;
  for (const auto& shard : report.shards) held_answers = std::max(held_answers, shard.held_answers);
  tell_queue(to, "feeds", held_answers, limits::kFeedHeldAnswersMax);
  tell_queue(to, "questions", report.open_questions, limits::kOpenQuestionsMax);
  const Labels questions{{"queue", "questions"}};
  to.gauge(kQueueBytes, kQueueBytesHelp, number(report.question_bytes), questions);
  to.gauge(kQueueLimitBytes, kQueueLimitBytesHelp, number(limits::kQuestionBytesMax), questions);
  return to.take();
}

}  // namespace earshot::watch
