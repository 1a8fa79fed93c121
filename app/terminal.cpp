#include "app/terminal.hpp"

#include <algorithm>
#include <cstdio>
#include <iterator>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>
#include <utf8.h>

#include "base/clock.hpp"
#include "base/control.hpp"

namespace earshot::app {
namespace {

constexpr std::size_t kBarCells = 32;
constexpr std::uint64_t kRedrawMs = 100;
constexpr std::uint64_t kPaceAfterMs = 1'000;  // before, a rate says little

std::string hex_of(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string valid;
  utf8::replace_invalid(text.begin(), text.end(), std::back_inserter(valid));
  std::string shown;
  shown.reserve(valid.size());
  for (auto place = valid.cbegin(); place != valid.cend();) {
    const char32_t character = utf8::unchecked::next(place);
    utf8::unchecked::append(is_control(character) && character != U'\t' ? U' ' : character, std::back_inserter(shown));
  }
  return shown;
}

std::string progress_text(std::uint64_t done, std::uint64_t total, std::uint64_t elapsed_ms) {
  std::string text;
  if (total > 0) {
    const std::uint64_t percent = std::min<std::uint64_t>(done * 100 / total, 100);
    const std::size_t full = percent * kBarCells / 100;
    text = "[" + std::string(full, '#') + std::string(kBarCells - full, '.') + "] " + fmt::format("{:3d} %  ", percent);
  }
  text += std::to_string(done);
  if (elapsed_ms < kPaceAfterMs || done == 0) return text;
  text += fmt::format("  {}/s", done * 1000 / elapsed_ms);
  if (total > done) text += fmt::format("  {} s left", (total - done) * elapsed_ms / done / 1000);
  return text;
}

ProgressBar::ProgressBar(std::string label, std::uint64_t total, bool enabled)
    : label_(std::move(label)), total_(total), enabled_(enabled && ::isatty(STDERR_FILENO) == 1) {
  update(0);
}

ProgressBar::~ProgressBar() {
  if (enabled_) std::fputs("\r\033[K", stderr);
}

void ProgressBar::update(std::uint64_t done) {
  if (!enabled_) return;
  const std::uint64_t now_ms = SystemClock().monotonic_ms();
  if (started_ms_ == 0) started_ms_ = now_ms;
  if (drawn_ms_ != 0 && now_ms - drawn_ms_ < kRedrawMs) return;
  drawn_ms_ = now_ms;
  fmt::print(stderr, "\r{} {}\033[K", label_, progress_text(done, total_, now_ms - started_ms_));
  std::fflush(stderr);
}

nlohmann::ordered_json to_json(const IncomingMessage& message) {
  nlohmann::ordered_json json{{"sequence", message.sequence.value},
                              {"sender", message.sender.text()},
                              {"senderDevice", message.sender_device.text()},
                              {"id", message.id.to_string()}};
  if (utf8::is_valid(message.body.begin(), message.body.end())) {
    json["body"] = message.body;
  } else {
    json["bodyHex"] = hex_of(message.body);
  }
  json["sentAtMs"] = message.sent_at_ms;
  json["storedAtMs"] = message.stored_at_ms;
  json["attempt"] = message.attempt;
  if (!message.copy_of.empty()) json["copyOf"] = message.copy_of.text();
  if (message.expires_at_ms != 0) json["expiresAtMs"] = message.expires_at_ms;
  if (message.replay_of.value != 0) json["replayOf"] = message.replay_of.value;
  return json;
}

nlohmann::ordered_json to_json(const LostRange& range) {
  return {{"lost", {{"first", range.first.value}, {"last", range.last.value}, {"reason", name_of(range.reason)}}}};
}

std::string to_line(const IncomingMessage& message) {
  const auto stored = std::chrono::system_clock::time_point(std::chrono::milliseconds(message.stored_at_ms));
  std::string who = message.sender.text();
  if (!message.copy_of.empty()) who += " → " + message.copy_of.text();
  return fmt::format("{:>6}  {:%Y-%m-%d %H:%M:%S}  {}: {}", message.sequence.value,
                     fmt::localtime(std::chrono::system_clock::to_time_t(stored)), who, printable(message.body));
}

void print_line(std::string_view line) {
  std::fwrite(line.data(), 1, line.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

}  // namespace earshot::app
