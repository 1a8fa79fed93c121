#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

namespace earshot::storage {

// The moments in which this process takes room on its disk, or gives some back, that holds no data: a ballast, the test
// of a quota. A write that was cut short in such a moment says nothing about the room that there is a moment later.
//
// Thread safety: any thread.
class RoomClaims {
 public:
  // Lasts as long as it lives.
  class Claim {
   public:
    explicit Claim(RoomClaims& claims) : claims_(claims) { ++claims_.begun_; }
    ~Claim() { ++claims_.ended_; }
    Claim(const Claim&) = delete;
    Claim& operator=(const Claim&) = delete;

   private:
    RoomClaims& claims_;
  };

  // How many there have been; nothing while there is one.
  [[nodiscard]] std::optional<std::uint64_t> count() const {
    const std::uint64_t begun = begun_;
    return begun == ended_ ? std::optional(begun) : std::nullopt;
  }
  // Whether there was none from the time on when count() was this.
  [[nodiscard]] bool were_none_since(std::optional<std::uint64_t> counted) const { return counted == begun_.load(); }

 private:
  std::atomic<std::uint64_t> begun_{0};
  std::atomic<std::uint64_t> ended_{0};
};

}  // namespace earshot::storage
