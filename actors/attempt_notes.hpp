#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/limits.hpp"
#include "schema/commands.hpp"

namespace earshot::actors {

// A device's deliveries in vain on their way into its user's shard, which parks what has had too many. One note is
// under way at a time; what comes meanwhile is merged into the next. Bounded: beyond attempts_kept_max messages only
// those that are counted already go on being counted, as the shard does it.
class AttemptNotes {
 public:
  using Note = AttemptsCommand::Note;

  // One more delivery of this message was in vain.
  void add(Sequence sequence) {
    has_news_ = true;
    if (waiting_.size() < limits::kAttemptsKeptMax || waiting_.contains(sequence)) ++waiting_[sequence];
  }
  // What to tell the shard now, if anything; it is under way after that.
  std::optional<std::vector<Note>> next() {
    if (!has_news_ || !under_way_.empty() || waiting_.empty()) return std::nullopt;
    has_news_ = false;
    under_way_.swap(waiting_);
    return notes_of(under_way_);
  }
  // The shard has answered. What it could not take now goes along with the next news.
  void answered(bool again) {
    if (again) {
      for (const auto& [sequence, count] : under_way_) {
        if (waiting_.size() < limits::kAttemptsKeptMax || waiting_.contains(sequence)) waiting_[sequence] += count;
      }
    }
    under_way_.clear();
  }
  // Everything that is not under way, as a last word.
  [[nodiscard]] std::vector<Note> rest() const { return notes_of(waiting_); }

 private:
  using Counts = std::map<Sequence, std::uint32_t>;

  static std::vector<Note> notes_of(const Counts& counts) {
    std::vector<Note> notes;
    for (const auto& [sequence, count] : counts) {
      if (!notes.empty() && notes.back().last.next() == sequence && notes.back().count == count) {
        notes.back().last = sequence;
      } else {
        notes.push_back(Note{sequence, sequence, count});
      }
    }
    return notes;
  }

  Counts waiting_;
  Counts under_way_;
  bool has_news_ = false;  // something was added since the last note left
};

}  // namespace earshot::actors
