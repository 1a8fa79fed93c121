#include "resp/request_parser.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "resp/inline_words.hpp"

namespace earshot::resp {
namespace {

constexpr std::size_t kNumberBytesMax = 32;  // of a line that holds one number, with what stands before it
// Connections that say something now and then are many: each keeps this much, of each kind.
constexpr std::size_t kKeptBytesMax = 16 << 10;

template <class Kept>
std::size_t bytes_of(const Kept& kept) {
  return kept.capacity() * sizeof(typename Kept::value_type);
}

// Not of what is well filled: it would soon be needed again.
template <class Kept>
void shrink(Kept& kept) {
  if (bytes_of(kept) > kKeptBytesMax && kept.size() < kept.capacity() / 2) kept.shrink_to_fit();
}

tl::unexpected<Error> broken(std::string what) {
  return fail(ErrorCode::kInvalidArgument, "request", "Protocol error: " + std::move(what));
}

tl::unexpected<Error> too_large(std::string_view what, std::size_t limit, std::string_view unit) {
  return fail(
      ErrorCode::kTooLarge, "request",
      "Protocol error: " + std::string(what) + ", the limit is " + std::to_string(limit) + " " + std::string(unit));
}

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, status] = std::from_chars(text.data(), end, number);
  if (status != std::errc{} || stop != end) return std::nullopt;
  return number;
}

}  // namespace

void RequestParser::feed(std::string_view bytes) {
  drop_taken();
  buffer_ += bytes;
}

void RequestParser::drop_taken() {
  if (taken_ == 0) return;
  buffer_.erase(0, taken_);
  cursor_ -= taken_;
  searched_ -= std::min(searched_, taken_);
  for (Place& place : places_) place.offset -= taken_;
  taken_ = 0;
}

std::size_t RequestParser::bytes_reserved() const {
  return bytes_of(buffer_) + bytes_of(places_) + bytes_of(words_) + bytes_of(request_);
}

void RequestParser::give_memory_back() {
  drop_taken();
  if (arguments_left_ == 0) places_.clear();
  words_.clear();
  request_.clear();
  shrink(buffer_);
  shrink(places_);
  shrink(words_);
  shrink(request_);
}

Result<std::optional<std::string_view>> RequestParser::line(std::size_t bytes_max, std::string_view too_long) {
  searched_ = std::max(searched_, cursor_);
  const std::size_t end = buffer_.find('\n', searched_);
  searched_ = std::min(end, buffer_.size());
  if (searched_ - cursor_ > bytes_max) return broken(std::string(too_long));
  if (end == std::string::npos) return std::optional<std::string_view>();
  std::string_view line(buffer_.data() + cursor_, end - cursor_);
  if (line.ends_with('\r')) line.remove_suffix(1);
  cursor_ = end + 1;
  return std::optional(line);
}

Result<std::optional<Request>> RequestParser::next() {
  auto request = cut();
  if (request && !*request) give_memory_back();
  return request;
}

Result<std::optional<Request>> RequestParser::cut() {
  while (arguments_left_ == 0) {
    taken_ = cursor_;
    if (cursor_ == buffer_.size()) return std::optional<Request>();
    if (buffer_[cursor_] != '*') {
      auto request = read_inline();
      // An empty line asks for nothing.
      if (!request || *request || cursor_ == taken_) return request;
      continue;
    }
    const auto header = line(kNumberBytesMax, "too big mbulk count string");
    if (!header) return fail(header.error());
    if (!*header) return std::optional<Request>();
    if (auto read = read_count(**header); !read) return fail(std::move(read.error()));
  }
  return read_array();
}

Status RequestParser::read_count(std::string_view line) {
  const auto count = number_of(line.substr(1));
  if (!count) return broken("invalid multibulk length");
  if (*count <= 0) return {};  // nothing is asked for
  const auto arguments = static_cast<std::uint64_t>(*count);
  if (arguments > limits_.arguments_max)
    return too_large("invalid multibulk length", limits_.arguments_max, "arguments");
  arguments_left_ = arguments;
  request_bytes_ = 0;
  places_.clear();
  return {};
}

Status RequestParser::read_length(std::string_view line) {
  if (!line.starts_with('$')) return broken("expected '$', got '" + std::string(line.substr(0, 1)) + "'");
  const auto length = number_of(line.substr(1));
  if (!length || *length < 0) return broken("invalid bulk length");
  const auto bytes = static_cast<std::uint64_t>(*length);
  if (bytes > limits_.argument_bytes_max) return too_large("invalid bulk length", limits_.argument_bytes_max, "bytes");
  request_bytes_ += bytes;
  if (request_bytes_ > limits_.request_bytes_max)
    return too_large("too big request", limits_.request_bytes_max, "bytes of arguments");
  length_ = bytes;
  return {};
}

Result<std::optional<Request>> RequestParser::read_array() {
  while (arguments_left_ > 0) {
    if (!length_) {
      const auto header = line(kNumberBytesMax, "too big bulk count string");
      if (!header) return fail(header.error());
      if (!*header) return std::optional<Request>();
      if (auto read = read_length(**header); !read) return fail(std::move(read.error()));
    }
    constexpr std::size_t kEndBytes = 2;  // whatever they are, as Redis has it
    if (buffer_.size() - cursor_ < *length_ + kEndBytes) return std::optional<Request>();
    places_.push_back({cursor_, *length_});
    cursor_ += *length_ + kEndBytes;
    length_.reset();
    --arguments_left_;
  }
  request_.clear();
  for (const Place& place : places_) request_.emplace_back(buffer_.data() + place.offset, place.bytes);
  return finish();
}

Result<std::optional<Request>> RequestParser::read_inline() {
  const auto typed = line(limits_.line_bytes_max, "too big inline request");
  if (!typed) return fail(typed.error());
  if (!*typed) return std::optional<Request>();
  auto words = inline_words(**typed);
  if (!words) return broken("unbalanced quotes in request");
  if (words->empty()) return std::optional<Request>();
  words_ = std::move(*words);
  request_.assign(words_.begin(), words_.end());
  return finish();
}

Request RequestParser::finish() {
  taken_ = cursor_;
  return request_;
}

}  // namespace earshot::resp
