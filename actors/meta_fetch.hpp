#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "base/ids.hpp"
#include "base/random.hpp"
#include "schema/meta.hpp"

namespace earshot::actors {

// Gets the meta group's record from another node: it is small, so it comes whole, in one answer. Asks again until an
// answer comes that stands where it must.
//
//   begin() ──► due: ask() ──► received() ──► take() ──► (written) ──► end()
//
// Thread: owned by the group.
class MetaFetch {
 public:
  static constexpr std::uint64_t kAskAgainMs = 1'000;

  explicit MetaFetch(std::uint64_t random) : random_(random) {}

  // A record is needed that stands at `from` or above.
  void begin(LogIndex from) {
    from_ = is_wanted_ && from_ > from ? from_ : from;
    is_wanted_ = true;
    if (record_ && record_->applied < from_) record_.reset();
    ask_at_ms_ = 1;
  }
  void end() { is_wanted_ = false, record_.reset(), ask_ = 0, ask_at_ms_ = 0; }

  [[nodiscard]] bool is_wanted() const { return is_wanted_; }
  // Whether a record that stands there will do: while one was written, another may have been asked for.
  [[nodiscard]] bool is_enough(LogIndex applied) const { return applied >= from_; }
  // When ask() has a question; 0: never.
  [[nodiscard]] std::uint64_t due_at_ms() const { return ask_at_ms_; }
  // The question to send now, if any.
  [[nodiscard]] std::optional<AskMetaState> ask(std::uint64_t now_ms) {
    if (ask_at_ms_ == 0 || now_ms < ask_at_ms_) return std::nullopt;
    ask_at_ms_ = now_ms + kAskAgainMs;
    if (ask_ == 0) ask_ = random_.next() | 1;
    return AskMetaState{ask_};
  }
  // False: it was not asked for, or stands too low.
  bool received(MetaStateAnswer answer) {
    const bool is_good = is_wanted_ && !record_ && answer.ask == ask_ && ask_ != 0 && answer.record.applied >= from_;
    if (!is_good) return false;
    record_ = std::move(answer.record);
    ask_ = 0;
    ask_at_ms_ = 0;
    return true;
  }
  // The record, to be written; once.
  [[nodiscard]] std::optional<MetaRecord> take() { return std::exchange(record_, std::nullopt); }

 private:
  Random random_;
  bool is_wanted_ = false;
  LogIndex from_;
  std::optional<MetaRecord> record_;
  std::uint64_t ask_ = 0;
  std::uint64_t ask_at_ms_ = 0;
};

}  // namespace earshot::actors
