#include "watch/gateway_metrics.hpp"

#include <array>
#include <string>
#include <string_view>

#include "watch/families.hpp"

namespace earshot::watch {
namespace {

using gateway::CallKind;
using gateway::CallStats;
using gateway::GatewayCounters;
using gateway::GatewayReport;
using gateway::Protocol;

double value(const std::atomic<std::uint64_t>& counter) {
  return static_cast<double>(counter.load(std::memory_order_relaxed));
}

constexpr std::string_view name_of(Protocol protocol) { return protocol == Protocol::kRpc ? "rpc" : "resp"; }

void tell_connections(Families& to, const GatewayReport& report, const GatewayCounters& counters) {
  to.gauge("earshot_connections", "Clients that are connected.", static_cast<double>(report.connections.used));
  to.gauge("earshot_connections_limit", "So many may be.", static_cast<double>(report.connections.limit));
  to.counter("earshot_connections_accepted_total", "Connections that came, those included that were refused.",
             static_cast<double>(report.accepted));
  to.counter("earshot_connections_refused_total", "Connections closed at once, being too many.",
             value(counters.connections_refused));
  to.counter("earshot_resp_connections_total", "Connections of Redis's protocol.", value(counters.resp_connections));
  struct End {
    const char* reason;
    const GatewayCounters::Counter& counter;
  };
  const std::array ends{End{"login_timeout", counters.login_timeouts},
                        End{"handshake", counters.handshakes_failed},
                        End{"slow_reader", counters.slow_readers},
                        End{"slow_sender", counters.slow_senders},
                        End{"careless_sender", counters.careless_senders},
                        End{"overflow", counters.events_overflowed},
                        End{"receiver_failed", counters.receivers_failed},
                        End{"broken_event", counters.broken_events},
                        End{"violation", counters.violations},
                        End{"token_expired", counters.tokens_expired}};
  for (const auto& [reason, counter] : ends)
    to.counter("earshot_connections_cut_total", "Connections that the node ended, by its reason.", value(counter),
               {{"reason", reason}});
}

void tell_queues(Families& to, const GatewayReport& report) {
  to.gauge(kQueueBytes, kQueueBytesHelp, static_cast<double>(report.answers.used), {{"queue", "answers"}});
  to.gauge(kQueueLimitBytes, kQueueLimitBytesHelp, static_cast<double>(report.answers.limit), {{"queue", "answers"}});
  for (std::size_t i = 0; i < report.threads.size(); ++i) {
    const auto& thread = report.threads[i];
    const std::string index = std::to_string(i);
    const Labels reading{{"queue", "reading"}, {"thread", index}};
    to.gauge(kQueueBytes, kQueueBytesHelp, static_cast<double>(thread.reading.used), reading);
    to.gauge(kQueueLimitBytes, kQueueLimitBytesHelp, static_cast<double>(thread.reading.limit), reading);
    const Labels bridge{{"queue", "bridge"}, {"thread", index}};
    to.gauge(kQueueItems, kQueueItemsHelp, static_cast<double>(thread.events.used), bridge);
    to.gauge(kQueueLimitItems, kQueueLimitItemsHelp, static_cast<double>(thread.events.limit), bridge);
  }
}

template <class Tell>
void each_call(Tell tell) {
  for (const Protocol protocol : {Protocol::kRpc, Protocol::kResp}) {
    for (std::size_t i = 0; i < gateway::kCallKinds; ++i) {
      const auto kind = static_cast<CallKind>(i);
      if (is_call_of(kind, protocol)) tell(protocol, kind);
    }
  }
}

void tell_calls(Families& to, const GatewayCounters& counters, const CallStats& calls) {
  each_call([&](Protocol protocol, CallKind kind) {
    to.durations("earshot_call_duration_seconds", "From when a call was decoded to its answer.",
                 calls.duration(protocol, kind).read(),
                 {{"call", std::string(gateway::name_of(kind))}, {"protocol", std::string(name_of(protocol))}});
  });
  to.batches("earshot_send_batch_messages", "Messages in a send.", calls.send_batches.read());
  to.by_code("earshot_calls_refused_total", "Calls answered with an error.", calls.refused);
  to.by_code("earshot_messages_held_total", "Messages that were not taken, to be sent again.", calls.messages_held,
             {{"at", "door"}});
  to.by_code("earshot_messages_refused_total", "Messages that were refused for good.", calls.messages_refused,
             {{"at", "door"}});
  to.counter("earshot_calls_slow_total", "Calls slow enough for a line in the log.", value(calls.slow));
  to.counter("earshot_logins_failed_total", "Logins refused for their token, or since their origin failed too often.",
             value(counters.logins_refused));
  to.counter("earshot_answers_refused_total", "Calls refused for want of memory for their answers.",
             value(counters.answers_refused));
  to.counter("earshot_resp_commands_total", "Commands of Redis's protocol.", value(counters.resp_commands));
  constexpr std::array kCompleteness{"exact", "truncated", "partial"};  // by Completeness
  for (std::size_t i = 0; i < gateway::kCallKinds; ++i) {
    const auto kind = static_cast<CallKind>(i);
    if (!is_place_query(kind)) continue;
    for (std::size_t of = 0; of < kCompleteness.size(); ++of)
      to.counter("earshot_place_queries_total", "Questions about places that were answered.",
                 value(calls.place_queries[i][of]),
                 {{"call", std::string(gateway::name_of(kind))}, {"completeness", kCompleteness[of]}});
  }
}

}  // namespace

std::vector<prometheus::MetricFamily> gateway_metrics(const GatewayReport& report, const GatewayCounters& counters,
                                                      const CallStats& calls) {
  Families to;
  tell_connections(to, report, counters);
  tell_queues(to, report);
  tell_calls(to, counters, calls);
  return to.take();
}

}  // namespace earshot::watch
