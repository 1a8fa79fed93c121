#pragma once

#include <cstdint>

#include "actors/ports.hpp"
#include "base/checksum.hpp"

namespace earshot::actors {

// The registrations of one node's sessions with one shard, as two numbers: equal on the node that has the sessions and
// on the leader that holds their registrations, in whatever order they came; so that a registration that got lost is
// found without a word about any single one. It is for accidents, not against forgery: nodes trust each other.
//
// A sum, so that adding and removing are the same work, and that the same registration twice is not none.
class RegistrationDigest {
 public:
  RegistrationDigest() = default;
  RegistrationDigest(std::uint64_t count, std::uint64_t sum) : count_(count), sum_(sum) {}

  // What one registration adds. XXH3 of each name, seeded by what stands before it: no two ways to split them agree.
  static std::uint64_t part_of(SessionId session, const UserId& user, const DeviceId& device, bool push) {
    const std::uint64_t of_user = checksum_of(user.text(), session);
    return checksum_of(device.text(), push ? ~of_user : of_user);
  }

  void add(std::uint64_t part) { ++count_, sum_ += part; }
  // A part that was added.
  void remove(std::uint64_t part) { --count_, sum_ -= part; }

  [[nodiscard]] std::uint64_t count() const { return count_; }  // of registrations
  [[nodiscard]] std::uint64_t sum() const { return sum_; }
  bool operator==(const RegistrationDigest&) const = default;

 private:
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
};

}  // namespace earshot::actors
