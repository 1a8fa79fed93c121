#include "cluster/membership.hpp"

#include "base/error.hpp"
#include "cluster/raft_engine.h"

namespace earshot::cluster {

std::string encode_members(std::span<const Member> members) {
  std::vector<raft_engine_member> plain;
  for (const Member& member : members) {
    plain.push_back(
        {member.node.value, member.address.c_str(), member.voter ? RAFT_ENGINE_VOTER : RAFT_ENGINE_STANDBY});
  }
  void* bytes = nullptr;
  std::size_t size = 0;
  raft_engine_configuration_encode(plain.data(), static_cast<unsigned>(plain.size()), &bytes, &size);
  std::string encoded(static_cast<const char*>(bytes), size);
  raft_engine_release(bytes);
  return encoded;
}

bool is_configuration(std::string_view bytes) { return raft_engine_is_configuration(bytes.data(), bytes.size()); }

std::vector<Member> members_of(std::string_view configuration) {
  raft_engine_member plain[RAFT_ENGINE_MEMBERS_MAX];
  const int count = raft_engine_configuration_decode(configuration.data(), configuration.size(), plain);
  EARSHOT_INVARIANT(count > 0, "a configuration that was stored is valid");
  std::vector<Member> members;
  members.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    members.push_back({NodeId(plain[i].id), plain[i].address, plain[i].role == RAFT_ENGINE_VOTER});
  }
  return members;
}

std::vector<Member> members_in(const storage::LoadedLog& log) {
  std::string_view configuration = log.snapshot ? std::string_view(log.snapshot->configuration) : std::string_view();
  for (const storage::LogEntry& entry : log.entries)
    if (entry.type == storage::EntryType::kConfiguration) configuration = *entry.data;
  return is_configuration(configuration) ? members_of(configuration) : std::vector<Member>();
}

Membership Membership::of(std::span<const Member> members, NodeId self) {
  Membership membership;
  for (const Member& member : members) {
    membership.voters += member.voter ? 1 : 0;
    if (member.node != self) membership.others = true;
    if (member.node == self && member.voter) membership.self_votes = true;
  }
  return membership;
}

}  // namespace earshot::cluster
