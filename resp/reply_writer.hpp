#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace earshot::resp {

// Writes replies in the protocol that the client has asked for: RESP2, or RESP3 after HELLO 3. What only RESP3 knows
// becomes in RESP2 what Redis makes of it.
class ReplyWriter {
 public:
  // Appends to `to`, which outlives it.
  explicit ReplyWriter(std::string& to) : to_(to) {}

  void use_resp3(bool is_resp3) { is_resp3_ = is_resp3; }
  [[nodiscard]] bool is_resp3() const { return is_resp3_; }

  void simple(std::string_view text);  // "OK"
  // "ERR no such thing", without line ends: those become blanks.
  void error(std::string_view text);
  void integer(std::int64_t number);
  void bulk(std::string_view bytes);
  // Text for people, which may have line ends.
  void verbatim(std::string_view text);
  void null();
  void null_array();
  // Followed by so many replies, in a set none twice; a map by twice as many: key, value, key, value …
  void array(std::size_t replies);
  void set(std::size_t replies);
  void map(std::size_t entries);
  // A score: the shortest text that Redis prints it as ("%.17g").
  void number(double value);
  // A coordinate: up to 17 digits after the point, without zeros at the end.
  void coordinate(double degrees);
  // A distance in the unit asked for: four digits after the point, as bulk string in both protocols. Precondition: it
  // is one on Earth, so not negative.
  void distance(double length);

 private:
  void header(char kind, std::int64_t number);
  void real(std::string_view text);

  std::string& to_;
  bool is_resp3_ = false;
};

}  // namespace earshot::resp
