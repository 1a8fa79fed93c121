#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace earshot::tests {

// A reply as the wire has it: the two nulls of RESP2 differ, and so do a number and its text.
struct Reply {
  enum class Kind : char {
    kSimple = '+',
    kError = '-',
    kInteger = ':',
    kBulk = '$',
    kArray = '*',
    kNull = '_',
    kDouble = ',',
    kBoolean = '#',
    kBigNumber = '(',
    kVerbatim = '=',
    kMap = '%',  // elements: key, value, key, value …
    kSet = '~',
    kPush = '>',
    kNullBulk = 'n',   // "$-1"
    kNullArray = 'N',  // "*-1"
  };

  Kind kind = Kind::kNull;
  std::string text;  // of an integer too
  std::int64_t integer = 0;
  std::vector<Reply> elements;

  bool operator==(const Reply&) const = default;
  [[nodiscard]] bool is_error() const { return kind == Kind::kError; }
};

std::ostream& operator<<(std::ostream& out, const Reply& reply);
std::string to_string(const Reply& reply);

using Words = std::vector<std::string>;

// A connection to a server on loopback that speaks Redis's protocol, 2 or 3. Its own reader, since libraries of clients
// show less than what was on the wire. Throws std::runtime_error when the server closes, breaks the protocol or is
// silent for too long.
class RedisClient {
 public:
  explicit RedisClient(std::uint16_t port);
  ~RedisClient();
  RedisClient(const RedisClient&) = delete;
  RedisClient& operator=(const RedisClient&) = delete;

  // HELLO, whose answer is not kept: it tells which server it is.
  void use_protocol(int version);
  Reply command(const Words& words) {
    send(words);
    return receive();
  }
  // The same in two halves: as many may be under way as the test likes.
  void send(const Words& words) const;
  Reply receive();

  void send_bytes(std::string_view bytes) const;
  // All that comes before the server closes.
  std::string read_until_closed();

 private:
  // False: closed.
  bool fill();
  std::string line();
  std::string bytes(std::size_t count);

  int socket_ = -1;
  std::string buffer_;
  std::size_t taken_ = 0;
};

}  // namespace earshot::tests
