#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/random.hpp"
#include "schema/meta.hpp"

namespace earshot::cluster {

// How a process that has no identity yet gets one: asks the members it was told of, one after the other, follows where
// they point, and asks again until one accepts or refuses it for good. Pure; its owner asks and waits.
//
//   next() ──► Ask ──► (one question, one answer) ──► answered() / unanswered() ──► next() … ──► Accepted | Refused
class Joining {
 public:
  struct Ask {
    std::string address;
    std::uint64_t wait_ms = 0;  // before asking
  };
  using Next = std::variant<Ask, JoinAccepted, JoinRefused>;

  // `addresses` is not empty.
  Joining(std::vector<std::string> addresses, std::uint64_t random);

  [[nodiscard]] Next next();
  // What came from the address that next() gave last. Bytes that are no answer count as none.
  void answered(std::string_view bytes);
  void unanswered(std::string why);
  // Why nobody has accepted it yet, for people: of the last answer.
  [[nodiscard]] const std::string& last_trouble() const { return trouble_; }

 private:
  void go_on(std::string trouble);

  std::vector<std::string> addresses_;
  Random random_;
  std::deque<std::string> redirects_;  // to be asked before the others
  std::size_t turn_ = 0;               // of addresses_
  std::size_t hops_ = 0;               // redirects in a row
  std::uint32_t rounds_ = 0;           // through all addresses, in vain
  std::string trouble_;
  std::optional<JoinAccepted> accepted_;
  std::optional<JoinRefused> refused_;
};

}  // namespace earshot::cluster
