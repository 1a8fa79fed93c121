#include "actors/remote_call_log.hpp"

#include <string>
#include <variant>

#include <spdlog/spdlog.h>

namespace earshot::actors {
namespace {

constexpr std::uint64_t kSlowLineMs = 1'000;  // between two lines about slow calls

std::string place_of(const RemoteCall& call) {
  return call.shard ? "at shard " + std::to_string(call.shard->value) : "here";
}

}  // namespace

const Error* error_of(const SendsAnswered& answered) {
  for (const SendAnswer& one : answered.answers) {
    if (const auto* held = std::get_if<SendAnswer::Held>(&one.value)) return &held->error;
    if (const auto* refused = std::get_if<SendAnswer::Refused>(&one.value)) return &refused->error;
  }
  return nullptr;
}

bool RemoteCallLog::tells_refusals() { return spdlog::should_log(spdlog::level::debug); }

void RemoteCallLog::slow(const RemoteCall& call, std::string_view what, std::uint64_t took_ms) {
  const std::uint64_t now_ms = clock_.monotonic_ms();
  std::uint64_t told_ms = told_ms_.load(std::memory_order_relaxed);
  const bool is_due = told_ms == 0 || now_ms - told_ms >= kSlowLineMs;
  // Of several threads one tells.
  if (!is_due || !told_ms_.compare_exchange_strong(told_ms, now_ms, std::memory_order_relaxed)) {
    untold_.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  spdlog::info("{}: {} took {} ms {} ({} more slow calls of other nodes before it)", call.tag.to_string(), what,
               took_ms, place_of(call), untold_.exchange(0, std::memory_order_relaxed));
}

void RemoteCallLog::refused(const RemoteCall& call, std::string_view what, const Error& why) {
  spdlog::debug("{}: {} is refused {}, {}", call.tag.to_string(), what, place_of(call), why.to_string());
}

void RemoteCallLog::lost(const RequestTag& tag, ShardId shard, NodeId leader) {
  if (!tells_refusals()) return;
  spdlog::debug("{}: a call to node {} for shard {} is lost", tag.to_string(), leader.value, shard.value);
}

}  // namespace earshot::actors
