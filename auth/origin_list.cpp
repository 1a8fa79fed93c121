#include "auth/origin_list.hpp"

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "base/limits.hpp"

namespace earshot::auth {
namespace {

constexpr unsigned kBitsV4 = 32;
constexpr unsigned kBitsV6 = 64;  // of the 128; see Origin

unsigned width_of(const Origin& origin) { return origin.v6 ? kBitsV6 : kBitsV4; }

tl::unexpected<Error> refuse(std::string why) {
  return fail(ErrorCode::kInvalidArgument, "login_throttle_exempt", std::move(why));
}
tl::unexpected<Error> refuse(std::string_view entry, const char* why) {
  return refuse("\"" + std::string(entry) + "\" " + why);
}

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(' ');
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

}  // namespace

Result<OriginList::Range> OriginList::parse_range(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  Range range;
  in_addr v4{};
  in6_addr v6{};
  // The system's functions stop at a zero byte, which hence must not be there.
  if (address.find('\0') == std::string::npos && ::inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    range.first = {false, ntohl(v4.s_addr)};
  } else if (address.find('\0') == std::string::npos && ::inet_pton(AF_INET6, address.c_str(), &v6) == 1) {
    if (IN6_IS_ADDR_V4MAPPED(&v6)) return refuse(text, "is an IPv4 address, and must be written as one");
    range.first.v6 = true;
    for (unsigned i = 0; i < kBitsV6 / 8; ++i) range.first.prefix = range.first.prefix << 8 | v6.s6_addr[i];
  } else {
    return refuse(text, "is no address, and no prefix like 10.1.0.0/16 or fd00::/48");
  }
  range.bits = width_of(range.first);
  if (slash == std::string_view::npos) return range;
  const std::string_view bits = text.substr(slash + 1);
  const auto [end, status] = std::from_chars(bits.data(), bits.data() + bits.size(), range.bits);
  if (status != std::errc{} || end != bits.data() + bits.size() || range.bits > width_of(range.first))
    return refuse(text, range.first.v6 ? "must end with /0 to /64" : "must end with /0 to /32");
  return range;
}

Result<OriginList> OriginList::parse(std::string_view text) {
  OriginList list;
  if (trimmed(text).empty()) return list;
  for (;;) {
    const std::size_t comma = text.find(',');
    if (list.ranges_.size() == limits::kLoginExemptMax)
      return refuse("names more than " + std::to_string(limits::kLoginExemptMax) + " addresses and prefixes");
    auto range = parse_range(trimmed(text.substr(0, comma)));
    if (!range) return fail(std::move(range.error()));
    list.ranges_.push_back(*range);
    if (comma == std::string_view::npos) return list;
    text.remove_prefix(comma + 1);
  }
}

bool OriginList::contains(const Origin& origin) const {
  return std::ranges::any_of(ranges_, [&](const Range& range) {
    if (range.first.v6 != origin.v6) return false;
    const unsigned rest = width_of(origin) - range.bits;
    return rest == kBitsV6 || range.first.prefix >> rest == origin.prefix >> rest;
  });
}

}  // namespace earshot::auth
