#pragma once

#include <cstdint>
#include <functional>

#include "storage/disk_space.hpp"

namespace earshot::tests {

// A disk with as much room as the test says. The ballast takes its room from what is free.
class ModelDiskSpace final : public storage::DiskSpace {
 public:
  ModelDiskSpace(std::uint64_t total_bytes, std::uint64_t ballast_bytes)
      : free(total_bytes), total_bytes_(total_bytes), ballast_bytes_(ballast_bytes) {}

  Result<std::uint64_t> free_bytes() override {
    if (is_lost) return fail(ErrorCode::kInternal, "", "the model's disk is lost");
    return free;
  }
  [[nodiscard]] std::uint64_t total_bytes() const override { return total_bytes_; }
  [[nodiscard]] std::uint64_t ballast_bytes() const override { return ballast_bytes_; }
  [[nodiscard]] bool has_ballast() const override { return has_ballast_; }
  Status make_ballast() override {
    ++ballasts_tried;
    if (free < ballast_bytes_ || has_quota) return fail(ErrorCode::kStorageFull, "", "the model's disk is full");
    free -= ballast_bytes_;
    has_ballast_ = true;
    return {};
  }
  void release_ballast() override {
    if (!has_ballast_) return;
    has_ballast_ = false;
    free += ballast_bytes_;
    if (on_release) on_release();
  }

  std::uint64_t free;
  bool is_lost = false;
  bool has_quota = false;  // free or not, nothing more can be allocated
  int ballasts_tried = 0;
  std::function<void()> on_release;

 private:
  const std::uint64_t total_bytes_;
  const std::uint64_t ballast_bytes_;
  bool has_ballast_ = false;
};

}  // namespace earshot::tests
