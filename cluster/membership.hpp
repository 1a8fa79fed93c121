#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "storage/log_types.hpp"

namespace earshot::cluster {

// Of a Raft group. A standby is no voter: it gets every entry and has no say.
struct Member {
  NodeId node;
  std::string address;
  bool voter = true;
  bool operator==(const Member&) const = default;
};

// Members as libraft encodes them. Ids and addresses are distinct.
std::string encode_members(std::span<const Member> members);
[[nodiscard]] bool is_configuration(std::string_view bytes);

// The bytes are a valid configuration.
std::vector<Member> members_of(std::string_view configuration);
// How many there are as of the newest configuration in the log; 0: it has none.
[[nodiscard]] std::size_t members_in(const storage::LoadedLog& log);

// What its members mean to one node.
struct Membership {
  std::size_t voters = 0;
  bool self_votes = false;
  bool others = false;  // anybody but self

  static Membership of(std::span<const Member> members, NodeId self);
  [[nodiscard]] bool sole_voter() const { return self_votes && voters == 1; }
};

}  // namespace earshot::cluster
