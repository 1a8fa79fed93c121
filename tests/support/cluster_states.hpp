#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace earshot::tests {

// Mailboxes and their messages, lanes, positions and what is between shards (storage/keys.hpp); not cursors and times,
// which go on while one node after the other ends.
inline constexpr std::string_view kComparedKinds = "MHLGOTI";

// Holds what the nodes of a cluster have on their disks against each other. `paths` are their data directories; the
// nodes have ended in order, and every shard has a replica on each of them. The first difference, or ""; of a directory
// that cannot be seen from here nothing is known.
[[nodiscard]] std::string difference_of_states(const std::vector<std::string>& paths,
                                               std::string_view kinds = kComparedKinds);

}  // namespace earshot::tests
