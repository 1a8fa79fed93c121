#include "watch/node_metrics.hpp"

#include <array>
#include <string>
#include <string_view>

#include "watch/families.hpp"

namespace earshot::watch {
namespace {

using actors::NodeReport;
using actors::SessionCounters;

double value(const SessionCounters::Counter& counter) {
  return static_cast<double>(counter.load(std::memory_order_relaxed));
}

std::string_view name_of(actors::RetransmitCause cause) {
  switch (cause) {
    case actors::RetransmitCause::kTimer: return "timer";
    case actors::RetransmitCause::kNack: return "nack";
    case actors::RetransmitCause::kWithNew: return "with_new";
    case actors::RetransmitCause::kReconnect: return "reconnect";
  }
  return "unknown";
}

void tell_messages(Families& to, const SessionCounters& counters) {
  to.counter("earshot_messages_received_total", "Messages that clients handed in.", value(counters.sends));
  constexpr auto kAnswered = "earshot_messages_answered_total";
  constexpr auto kAnsweredHelp = "Messages whose senders were told that they are stored, for the first time or again.";
  to.counter(kAnswered, kAnsweredHelp, value(counters.stored), {{"answer", "stored"}});
  to.counter(kAnswered, kAnsweredHelp, value(counters.repeats), {{"answer", "repeat"}});
  to.by_code("earshot_messages_refused_total", "Messages that were refused for good.", counters.refused,
             {{"at", "shard"}});
  to.by_code("earshot_messages_held_total", "Messages that were not taken, to be sent again.", counters.held,
             {{"at", "shard"}});
  to.counter("earshot_deliveries_total", "Batches of messages given to clients.", value(counters.deliveries));
  to.counter("earshot_messages_delivered_total", "Messages in them, repeats included.",
             value(counters.messages_delivered));
  for (std::size_t i = 0; i < actors::kRetransmitCauses; ++i)
    to.counter("earshot_retransmits_total", "Messages sent to a device that may have had them already.",
               value(counters.retransmits[i]),
               {{"cause", std::string(name_of(static_cast<actors::RetransmitCause>(i)))}});
  for (std::size_t i = 0; i < kFetchCauses; ++i)
    to.counter("earshot_refetches_total", "Fetches that clients made, by the cause that they gave.",
               value(counters.refetches[i]), {{"cause", std::string(name_of(static_cast<FetchCause>(i)))}});
  to.counter("earshot_mailbox_reads_total", "Reads of mailboxes that sessions made to fill their windows.",
             value(counters.mailbox_reads));
  to.counter("earshot_acks_total", "Acks that clients made.", value(counters.acks));
}

void tell_sessions(Families& to, const NodeReport& report, const SessionCounters& counters) {
  to.gauge("earshot_sessions", "Devices that are connected.", static_cast<double>(report.sessions));
  std::uint64_t registrations = 0;
  for (const auto& shard : report.shards) registrations += shard.registrations;
  to.gauge("earshot_registrations", "Sessions that the shards of their users know of.",
           static_cast<double>(registrations));
  to.counter("earshot_logins_total", "Logins that got their welcome.", value(counters.logins));
  to.counter("earshot_sessions_evicted_total",
             "Sessions put out by a newer one of their device, or since their device is no more.",
             value(counters.evicted));
  to.counter("earshot_windows_given_up_total", "Sessions that ended for want of memory for windows.",
             value(counters.windows_given_up));
}

void tell_queue(Families& to, const char* queue, const actors::Depth& depth) {
  to.gauge(kQueueBytes, kQueueBytesHelp, static_cast<double>(depth.used), {{"queue", queue}});
  to.gauge(kQueueLimitBytes, kQueueLimitBytesHelp, static_cast<double>(depth.limit), {{"queue", queue}});
}

void tell_disk(Families& to, const NodeReport& report) {
  to.gauge("earshot_disk_tight", "1: messages are refused, since the disk's reserve is reached.",
           report.disk_is_tight ? 1 : 0);
  to.gauge("earshot_disk_full", "1: the last write did not fit on the disk.", report.disk_is_full ? 1 : 0);
  to.gauge("earshot_state_bytes", "Pages in use in the shards' tables.", static_cast<double>(report.state_bytes));
  if (!report.has_disk) return;
  const auto& disk = report.disk;
  to.gauge("earshot_disk_free_bytes", "Free on the data directory's file system.",
           static_cast<double>(disk.free_bytes));
  to.gauge("earshot_disk_reserve_bytes", "With less free than this, messages are refused.",
           static_cast<double>(disk.reserve_bytes));
  to.gauge("earshot_disk_ballast", "1: the ballast is there, that is given up when the disk is full.",
           disk.has_ballast ? 1 : 0);
  to.gauge("earshot_log_bytes", "Of all shards' logs.", static_cast<double>(disk.log_bytes));
  to.gauge("earshot_log_limit_bytes", "Beyond it every shard flushes, so that logs can be cut.",
           static_cast<double>(disk.log_bytes_max));
}

void tell_writers(Families& to, const NodeReport& report) {
  struct Writer {
    const char* name;
    const actors::WriterReading& reading;
  };
  const std::array writers{Writer{"log", report.log_writer}, Writer{"state", report.state_writer}};
  for (const auto& [name, reading] : writers)
    to.durations("earshot_commit_duration_seconds", "How long a commit took, its sync included.", reading.commits,
                 {{"writer", name}});
  for (const auto& [name, reading] : writers)
    to.batches("earshot_commit_batch", "Writes of shards in a commit.", reading.batches, {{"writer", name}});
  for (const auto& [name, reading] : writers)
    to.counter("earshot_commits_failed_total", "Commits that found no room on the disk.",
               static_cast<double>(reading.failed), {{"writer", name}});
  for (const auto& [name, reading] : writers)
    to.gauge("earshot_commit_under_way_seconds", "How long the commit under way has taken so far.",
             static_cast<double>(reading.busy_ms) / 1000, {{"writer", name}});
}

void tell_shards(Families& to, const NodeReport& report) {
  to.gauge("earshot_shards", "Shards that have a replica here.", static_cast<double>(report.shards.size()));
  std::uint64_t entries = 0;
  std::uint64_t log_writes = 0;
  for (const auto& shard : report.shards) {
    entries += shard.entries_applied;
    log_writes += shard.log_writes;
  }
  to.counter("earshot_entries_applied_total", "Log entries applied, those included that a start applies again.",
             static_cast<double>(entries));
  to.gauge("earshot_log_writes", "Writes of shards that wait for the log writer, or are being synced.",
           static_cast<double>(log_writes));
  for (const auto& shard : report.shards)
    to.gauge("earshot_shard_applied_index", "The log index that a shard has applied.",
             static_cast<double>(shard.applied.value), {{"shard", std::to_string(shard.id.value)}});
  for (const auto& shard : report.shards)
    to.gauge("earshot_shard_overlay_bytes", "Applied, and not in the shard's tables yet.",
             static_cast<double>(shard.overlay_bytes), {{"shard", std::to_string(shard.id.value)}});
}

void tell_sizes(Families& to, const NodeReport& report) {
  struct Kind {
    const char* name;
    std::uint64_t storage::ShardSizes::*count;
  };
  constexpr std::array kKinds{
      Kind{"mailboxes", &storage::ShardSizes::mailboxes}, Kind{"messages", &storage::ShardSizes::messages},
      Kind{"positions", &storage::ShardSizes::positions}, Kind{"outbox", &storage::ShardSizes::outbox}};
  for (const auto& shard : report.shards)
    for (const Kind& kind : kKinds)
      to.gauge("earshot_shard_records", "Records in a shard's tables, as of its last flush.",
               static_cast<double>(shard.sizes.*kind.count),
               {{"shard", std::to_string(shard.id.value)}, {"kind", kind.name}});
}

// A cluster's: of three nodes that are asked, the one with the highest term knows who leads.
void tell_groups(Families& to, const NodeReport& report) {
  for (const auto& shard : report.shards)
    to.gauge("earshot_shard_leader", "The node that leads a shard, as far as is known here; 0: none.",
             shard.leader.value, {{"shard", std::to_string(shard.id.value)}});
  for (const auto& shard : report.shards)
    to.gauge("earshot_shard_term", "The Raft term of a shard, as far as is known here.",
             static_cast<double>(shard.term.value), {{"shard", std::to_string(shard.id.value)}});
  for (const auto& shard : report.shards)
    to.gauge("earshot_shard_voters", "Nodes that vote in a shard.", static_cast<double>(shard.voters),
             {{"shard", std::to_string(shard.id.value)}});
  for (const auto& shard : report.shards)
    to.gauge("earshot_shard_lag_entries",
             "Committed log entries that the replica furthest behind has not stored, as its leader knows; elsewhere 0.",
             static_cast<double>(shard.lag_entries), {{"shard", std::to_string(shard.id.value)}});
}

void tell_places(Families& to, const actors::PlacesReading& places) {
  to.gauge("earshot_layers", "Layers that somebody is in.", static_cast<double>(places.layers));
  to.gauge("earshot_cells", "Cells of all layers.", static_cast<double>(places.cells));
  to.gauge("earshot_members", "Members that have a position, of all layers.", static_cast<double>(places.members));
  to.gauge("earshot_places_complete", "1: the node knows where everybody is.", places.is_complete ? 1 : 0);
}

}  // namespace

std::vector<prometheus::MetricFamily> node_metrics(const NodeReport& report, const SessionCounters& counters) {
  Families to;
  tell_messages(to, counters);
  tell_sessions(to, report, counters);
  tell_queue(to, "admitted", report.admitted);
  tell_queue(to, "overlay", report.overlay);
  tell_queue(to, "reads", report.reads);
  tell_queue(to, "windows", report.windows);
  tell_disk(to, report);
  tell_writers(to, report);
  tell_shards(to, report);
  tell_sizes(to, report);
  tell_groups(to, report);
  tell_places(to, report.places);
  return to.take();
}

}  // namespace earshot::watch
