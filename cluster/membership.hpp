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
// As of the newest configuration in the log; none: it has no configuration.
[[nodiscard]] std::vector<Member> members_in(const storage::LoadedLog& log);

// What its members mean to one node.
struct Membership {
  std::size_t voters = 0;
  bool self_votes = false;
  bool others = false;  // anybody but self

  static Membership of(std::span<const Member> members, NodeId self);
  [[nodiscard]] bool sole_voter() const { return self_votes && voters == 1; }
  // Whether another member can give it a state. A standby of the only voter may not have one.
  [[nodiscard]] bool others_have_state() const { return voters > 0 && !sole_voter(); }
};

}  // namespace earshot::cluster
