#include "actors/state_fetch.hpp"

#include <utility>

#include <spdlog/spdlog.h>

#include "storage/seed_mark.hpp"

namespace earshot::actors {
namespace {

constexpr std::uint64_t kTryAgainMs = 1'000;  // what the disk refused

}  // namespace

StateFetch::StateFetch(const ShardOptions& options, ShardHost& host, storage::Environment& environment, LogIndex floor,
                       std::uint64_t random)
    : shard_(options.id), host_(host), environment_(environment), floor_(floor), random_(random) {}

void StateFetch::begin_without_state() { first_ = storage::not_whole_overlay(shard_); }

bool StateFetch::open() {
  auto opened = cluster::SeedFetcher::open(environment_, shard_, random_);
  if (!opened) {
    spdlog::error("shard {}: its state cannot be fetched, which is tried again: {}", shard_.value,
                  opened.error().to_string());
    return false;
  }
  fetcher_.emplace(std::move(*opened));
  fetcher_->require(floor_);
  return true;
}

void StateFetch::go_on(NodeId leader, std::uint64_t now_ms) {
  if (writing_ || now_ms < again_at_ms_) return;
  again_at_ms_ = 0;
  if (first_) {
    writing_ = true;
    return host_.write_state(std::exchange(first_, nullptr));
  }
  if (!fetcher_ && !open()) {
    again_at_ms_ = now_ms + kTryAgainMs;
    return;
  }
  auto overlay = fetcher_->next_overlay();
  if (!overlay) {
    spdlog::error("shard {}: what was fetched is no state, it is fetched anew: {}", shard_.value,
                  overlay.error().to_string());
    fetcher_->start_over();
    again_at_ms_ = now_ms + kTryAgainMs;
    return;
  }
  if (*overlay) {
    writing_ = true;
    return host_.write_state(std::move(*overlay));
  }
  if (fetcher_->is_complete()) return;
  if (auto bytes = fetcher_->poll(leader, now_ms)) host_.send_seed(leader, std::move(*bytes));
}

void StateFetch::received(NodeId from, cluster::SeedMessage message, std::uint64_t now_ms) {
  if (fetcher_) fetcher_->received(from, std::move(message), now_ms);
}

void StateFetch::written() {
  writing_ = false;
  if (fetcher_) fetcher_->written();
}

std::uint64_t StateFetch::wake_at() const {
  if (writing_) return 0;
  return again_at_ms_ != 0 ? again_at_ms_ : fetcher_ ? fetcher_->due_at_ms() : 0;
}

}  // namespace earshot::actors
