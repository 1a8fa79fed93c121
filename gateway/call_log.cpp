#include "gateway/call_log.hpp"

#include <chrono>
#include <utility>

#include <spdlog/spdlog.h>

namespace earshot::gateway {

void CallLog::answered(Protocol protocol, CallKind kind, const RequestTag& tag, Clock::time_point since) {
  const auto took = Clock::now() - since;
  record(stats_.duration(protocol, kind), took);
  const auto ms = static_cast<std::uint64_t>(took / std::chrono::milliseconds(1));
  if (ms < slow_call_ms_) return;
  stats_.slow.fetch_add(1, std::memory_order_relaxed);
  if (!slow_.due()) {
    ++slow_untold_;
    return;
  }
  spdlog::info("{}: {} took {} ms ({} more slow calls before it)", tag.to_string(), name_of(kind), ms,
               std::exchange(slow_untold_, 0));
}

void CallLog::refused(const RequestTag& tag, CallKind kind, const Error& why) {
  if (!spdlog::should_log(spdlog::level::debug)) return;
  spdlog::debug("{}: {} is refused, {}", tag.to_string(), name_of(kind), why.to_string());
}

}  // namespace earshot::gateway
