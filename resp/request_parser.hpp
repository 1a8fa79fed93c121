#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "base/limits.hpp"

// Redis's protocol, on the side of the server (https://redis.io/docs/latest/develop/reference/protocol-spec/).
namespace earshot::resp {

struct RequestLimits {
  std::size_t arguments_max = limits::kRespArgumentsMax;           // of one request
  std::size_t argument_bytes_max = limits::kRespArgumentBytesMax;  // of one argument
  std::size_t request_bytes_max = limits::kRespRequestBytesMax;    // of all arguments of one request
  std::size_t line_bytes_max = limits::kRespArgumentBytesMax;      // of an inline command, as Redis has it
};

// The words of a command, the command's name first; never empty. They stand in the parser's memory until it is fed or
// asked again.
using Request = std::span<const std::string_view>;

// Cuts what a client sends into requests: arrays of bulk strings, and lines that somebody types ("inline commands",
// with quotes and escapes). Bytes may come in pieces of any size; what was looked at once is not looked at again.
// Memory: what was fed and not taken yet, so whoever feeds it stops while there is a whole request. What a large
// request took is given back when next() finds no further one.
class RequestParser {
 public:
  explicit RequestParser(const RequestLimits& limits = {}) : limits_(limits) {}

  // For requests that begin later.
  void set_limits(const RequestLimits& limits) { limits_ = limits; }
  void feed(std::string_view bytes);
  // The next request; nothing: more has to come. kInvalidArgument, with Redis's words for it, when the client breaks
  // the protocol or kTooLarge when it breaks a limit, which the text names: what follows cannot be understood, so the
  // connection is to be closed.
  Result<std::optional<Request>> next();

  // What was fed and is not part of a request that next() has returned.
  [[nodiscard]] std::size_t bytes_waiting() const { return buffer_.size() - taken_; }
  // How much memory it has, in use or not.
  [[nodiscard]] std::size_t bytes_reserved() const;

 private:
  struct Place {  // of an argument in the buffer
    std::size_t offset = 0;
    std::size_t bytes = 0;
  };

  Result<std::optional<Request>> cut();
  // What was returned is gone: the rest moves to the front.
  void drop_taken();
  void give_memory_back();
  // The line at the cursor without its end, which the cursor passes; nothing: its end has not come.
  Result<std::optional<std::string_view>> line(std::size_t bytes_max, std::string_view too_long);
  Status read_count(std::string_view line);
  Status read_length(std::string_view line);
  Result<std::optional<Request>> read_array();
  Result<std::optional<Request>> read_inline();
  Request finish();

  RequestLimits limits_;
  std::string buffer_;
  std::size_t taken_ = 0;     // requests end here that were returned
  std::size_t cursor_ = 0;    // what stands before it was understood
  std::size_t searched_ = 0;  // and no line ends before this

  // of an array that is not whole yet
  std::size_t arguments_left_ = 0;
  std::optional<std::size_t> length_;  // of the argument that comes next, once its line was read
  std::size_t request_bytes_ = 0;
  std::vector<Place> places_;

  std::vector<std::string> words_;  // of an inline command
  std::vector<std::string_view> request_;
};

}  // namespace earshot::resp
