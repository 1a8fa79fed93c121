#pragma once

#include <string_view>
#include <vector>

#include "auth/login_throttle.hpp"
#include "base/error.hpp"

namespace earshot::auth {

// Origins that are named one by one or by prefixes, with commas between: "10.0.0.7, 10.1.0.0/16, fd00::/48". Since
// origins of IPv6 are /64s, an address of IPv6 stands for its /64.
class OriginList {
 public:
  OriginList() = default;
  // "" names none. kInvalidArgument(login_throttle_exempt).
  static Result<OriginList> parse(std::string_view text);

  [[nodiscard]] bool contains(const Origin& origin) const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }

 private:
  struct Range {
    Origin first;
    unsigned bits = 0;  // that an origin has in common with the first
  };
  static Result<Range> parse_range(std::string_view text);

  std::vector<Range> ranges_;
};

}  // namespace earshot::auth
