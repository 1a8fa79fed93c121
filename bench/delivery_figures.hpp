#pragma once

#include <cstdint>
#include <string>

#include "report.hpp"

namespace earshot::bench {

struct Sizes {
  std::uint64_t commit_messages = 1'500'000;  // per run of a rate: over several flushes of the state
  std::uint64_t single_messages = 5'000;      // one at a time
  std::uint64_t e2e_messages = 25'000;        // at 5 000 a second
  std::uint64_t catchup_messages = 1'000'000;
  std::uint32_t idle_sessions = 10'000;
  std::uint32_t boot_mailboxes = 1'000'000;  // of 10 messages
  std::uint64_t idle_ms = 10'000;
};

// Each starts nodes of its own below `directory` and removes what they leave.
void measure_commits(const Report& report, const Sizes& sizes, const std::string& directory);
void measure_end_to_end(const Report& report, const Sizes& sizes, const std::string& directory);
void measure_catch_up(const Report& report, const Sizes& sizes, const std::string& directory);
void measure_idle(const Report& report, const Sizes& sizes, const std::string& directory);
void measure_boot(const Report& report, const Sizes& sizes, const std::string& directory);

}  // namespace earshot::bench
