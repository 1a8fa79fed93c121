// What a delivery window takes and when it wants more, as the windows of the whole node fill up and empty.
#include "actors/outstanding.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/sanitizers.hpp"

namespace earshot::actors {
namespace {

class OutstandingRoom : public testing::Test {
 protected:
  static OutstandingEntry entry(std::uint64_t sequence, std::size_t body_bytes) {
    IncomingMessage message;
    message.sequence = Sequence(sequence);
    message.body = std::string(body_bytes, 'x');
    return OutstandingEntry::of(std::make_shared<const IncomingMessage>(std::move(message)));
  }

  ByteBudget windows_{limits::kWindowsBytesMax};
  Random random_{1};
  SessionCounters counters_;
  const std::unique_ptr<Outstanding> window_ =
      make_unordered(limits::kWindowMessagesMax, OutstandingContext{{1'000, 8'000}, random_, counters_, windows_});
};

TEST_F(OutstandingRoom, IsNeverMoreThanAWindowWhileOtherSessionsFillAndEmptyTheNode) {
  window_->take(entry(1, limits::kBodyBytesMax));
  std::atomic<bool> is_over = false;
  std::thread others([&] {
    while (!is_over) {
      windows_.take(limits::kWindowsBytesMax / 2);
      windows_.give_back(limits::kWindowsBytesMax / 2);
    }
  });
  // So many looks: the moment between two of them is short. A sanitizer makes it longer, and each look slow.
  constexpr int kLooks = tests::kSanitized ? 1'000'000 : 100'000'000;
  std::size_t free = 0;
  for (int look = 0; look < kLooks && free <= limits::kWindowBytesMax; ++look) free = window_->free_bytes();
  is_over = true;
  others.join();
  EXPECT_LE(free, limits::kWindowBytesMax);
}

}  // namespace
}  // namespace earshot::actors
