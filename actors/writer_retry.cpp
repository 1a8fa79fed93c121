#include "actors/writer_retry.hpp"

#include <spdlog/spdlog.h>

namespace earshot::actors {
namespace {

constexpr BackoffPolicy kBackoff{100, 5'000};
constexpr std::uint64_t kSayAgainMs = 60'000;

}  // namespace

std::uint64_t WriterRetry::failed(const Error& error) {
  EARSHOT_INVARIANT(error.code == ErrorCode::kStorageFull, writer_ + ": " + error.to_string());
  attempts_ += 1;
  const std::uint64_t now_ms = clock_.monotonic_ms();
  if (attempts_ == 1 || now_ms - said_at_ms_ >= kSayAgainMs) {
    said_at_ms_ = now_ms;
    spdlog::error("{}: the disk is full ({}); nothing is dropped, new requests are refused until there is room",
                  writer_, error.to_string());
  }
  return backoff_ms(kBackoff, attempts_, random_);
}

void WriterRetry::succeeded() {
  if (attempts_ == 0) return;
  attempts_ = 0;
  spdlog::info("{}: the disk takes writes again", writer_);
}

}  // namespace earshot::actors
