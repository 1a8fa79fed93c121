// What the nodes of a cluster keep of their logs while some groups have nothing to do.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <iostream>
#include <system_error>

#include "tests/support/cluster_test.hpp"

namespace earshot {
namespace {

class ClusterLog : public tests::ClusterTest {
 protected:
  static constexpr std::uint64_t kMebibyte = 1 << 20;

  [[nodiscard]] std::uint64_t longest_log_bytes() const {
    std::uint64_t longest = 0;
    for (std::size_t node = 1; node <= tests::ClusterProcess::kNodes; ++node) {
      std::uint64_t bytes = 0;
      for (const auto& file : std::filesystem::directory_iterator(cluster_->data_of(node) + "/log")) {
        std::error_code gone;
        const std::uint64_t size = file.file_size(gone);
        if (!gone) bytes += size;
      }
      longest = std::max(longest, bytes);
    }
    return longest;
  }
};

// The meta group's first entries stand at the beginning of every log, and it keeps them.
TEST_F(ClusterLog, WhatOneGroupKeepsHoldsUpNoOther) {
  tests::ClusterOptions options;
  options.more = {"--flush-interval-ms", "500"};
  start_cluster(std::move(options));
  auto load = usual_load();
  load.messages_per_s = 1'000;
  load.body_bytes = 64 << 10;  // 32 KiB each, on average
  load.devices = 1;
  start_load(load);
  const std::uint64_t messages = is_long() ? 30'000 : 6'000;
  constexpr std::uint64_t kLookEvery = 500;  // messages
  std::uint64_t longest = 0;
  for (std::uint64_t answered = 0; answered < messages; answered += kLookEvery) {
    load_->wait_for_answers(kLookEvery, 60'000);
    longest = std::max(longest, longest_log_bytes());
  }
  load_->end();
  EXPECT_GE(load_->answered(), messages);
  std::cout << "the longest log had " << longest / kMebibyte << " MiB, of " << load_->answered() * 32 / 1'024
            << std::endl;
  EXPECT_LE(longest, 128 * kMebibyte);
  judge();
}

}  // namespace
}  // namespace earshot
