#pragma once

#include <atomic>
#include <cstdint>

namespace earshot::actors {

// What a node's desk of questions holds, for whoever watches: written by its actor only, after each event, and read by
// any thread.
struct QuestionGauge {
  std::atomic<std::uint64_t> open{0};   // questions to nodes
  std::atomic<std::uint64_t> bytes{0};  // of their answers that are not whole yet
};

}  // namespace earshot::actors
