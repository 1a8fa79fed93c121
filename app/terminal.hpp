#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "schema/messages.hpp"

// What the command line prints.
namespace earshot::app {

// How far long work is after so long: a bar and percent unless `total` is 0 (unknown), the count, and once that says
// something, the pace and what is left.
std::string progress_text(std::uint64_t done, std::uint64_t total, std::uint64_t elapsed_ms);

// That on standard error while long work runs; shows nothing when that is no terminal. One thread at a time.
class ProgressBar {
 public:
  ProgressBar(std::string label, std::uint64_t total, bool enabled);
  ~ProgressBar();
  void update(std::uint64_t done);

 private:
  std::string label_;
  std::uint64_t total_;
  bool enabled_;
  std::uint64_t drawn_ms_ = 0;
  std::uint64_t started_ms_ = 0;
};

// Text of somebody else as it may be shown: valid UTF-8 on one line, that cannot move the cursor or change colours of
// the terminal.
std::string printable(std::string_view text);
// A message as one JSON object: a body that is not valid UTF-8 stands as "bodyHex".
nlohmann::ordered_json to_json(const IncomingMessage& message);
nlohmann::ordered_json to_json(const LostRange& range);
// A message as one line for people: sequence, time, sender, body.
std::string to_line(const IncomingMessage& message);
// One line, flushed, so that a reader at the other end of a pipe sees it at once.
void print_line(std::string_view line);

}  // namespace earshot::app
