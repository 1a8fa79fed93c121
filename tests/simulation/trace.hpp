#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/checksum.hpp"

namespace earshot::simulation {

// What happened, in order: always as a hash, which two runs of one seed must share, and as text when somebody reads.
class Trace {
 public:
  using Line = std::function<void(const std::string&)>;
  explicit Trace(Line line) : line_(std::move(line)) {}

  void note(std::uint64_t now_ms, std::string_view what, std::uint64_t a = 0, std::uint64_t b = 0) {
    const std::uint64_t numbers[] = {now_ms, a, b};
    hash_ = checksum_of(what, hash_);
    hash_ = checksum_of(std::string_view(reinterpret_cast<const char*>(numbers), sizeof numbers), hash_);
    if (line_) line_(stamp(now_ms) + std::string(what) + " " + std::to_string(a) + " " + std::to_string(b));
  }
  // For whoever reads: `text` makes the line and is called only then.
  template <class Text>
  void say(std::uint64_t now_ms, Text&& text) {
    if (line_) line_(stamp(now_ms) + text());
  }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }

 private:
  static std::string stamp(std::uint64_t now_ms) {
    std::string ms = std::to_string(now_ms % 1000);
    return std::to_string(now_ms / 1000) + "." + std::string(3 - ms.size(), '0') + ms + "  ";
  }

  const Line line_;
  std::uint64_t hash_ = 0;
};

}  // namespace earshot::simulation
