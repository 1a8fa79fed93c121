#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "storage/environment.hpp"

namespace earshot::tests {

// What is wrong with a disk, at the moment.
struct DiskFlaws {
  std::optional<Error> reading;  // every transaction that reads fails with this
  // Keys [from, to) hang in a damaged part of the tree: a scan that gets there gets no farther.
  std::string damaged_from;
  std::string damaged_to;
};

// A disk with flaws in front of one without. Both outlive it.
class FlawedEnvironment final : public storage::Environment {
 public:
  FlawedEnvironment(std::unique_ptr<storage::Environment> inner, const DiskFlaws& flaws)
      : inner_(std::move(inner)), flaws_(flaws) {}

  Result<std::unique_ptr<storage::ReadTransaction>> begin_read() override {
    if (flaws_.reading) return fail(*flaws_.reading);
    auto inner = inner_->begin_read();
    if (!inner) return fail(std::move(inner.error()));
    return std::make_unique<Reading>(std::move(*inner), flaws_);
  }
  Result<std::unique_ptr<storage::WriteTransaction>> begin_write() override { return inner_->begin_write(); }
  storage::DiskUsage usage() override { return inner_->usage(); }

 private:
  class Reading final : public storage::ReadTransaction {
   public:
    Reading(std::unique_ptr<storage::ReadTransaction> inner, const DiskFlaws& flaws)
        : inner_(std::move(inner)), flaws_(flaws) {}
    Result<std::optional<std::string_view>> get(storage::Table table, std::string_view key) override {
      return inner_->get(table, key);
    }
    Status scan(storage::Table table, std::string_view from, std::string_view to, const Visit& visit) override {
      bool is_damaged = false;
      const Status scanned = inner_->scan(table, from, to, [&](std::string_view key, std::string_view value) {
        is_damaged = key >= flaws_.damaged_from && key < flaws_.damaged_to;
        return !is_damaged && visit(key, value);
      });
      return is_damaged ? fail(ErrorCode::kCorrupt, "", "a page") : scanned;
    }
    Status scan_back(storage::Table table, std::string_view from, std::string_view to, const Visit& visit) override {
      return inner_->scan_back(table, from, to, visit);
    }
    Result<std::uint64_t> count(storage::Table table) override { return inner_->count(table); }

   private:
    const std::unique_ptr<storage::ReadTransaction> inner_;
    const DiskFlaws& flaws_;
  };

  const std::unique_ptr<storage::Environment> inner_;
  const DiskFlaws& flaws_;
};

}  // namespace earshot::tests
