#pragma once

#include <cstddef>
#include <string_view>

#include <absl/container/flat_hash_set.h>

#include "base/checksum.hpp"
#include "places/member.hpp"

namespace earshot::places {

// Members by their name. One thread.
class MemberTable {
 public:
  [[nodiscard]] std::size_t size() const { return members_.size(); }
  // Nobody: an empty pointer.
  [[nodiscard]] MemberPtr find(std::string_view name) const {
    const auto found = members_.find(name);
    return found == members_.end() ? MemberPtr() : *found;
  }
  // What find() will look at is on its way from memory when it does.
  void expect(std::string_view name) const { members_.prefetch(name); }
  // Precondition: nobody has the name.
  MemberPtr add(std::string_view name, bool is_hidden = false) {
    MemberPtr member = Member::make(name, is_hidden);
    members_.insert(member);
    name_bytes_ += name.size();
    return member;
  }
  void remove(std::string_view name) {
    if (members_.erase(name) > 0) name_bytes_ -= name.size();
  }
  template <class Visit>
  void for_each(Visit visit) const {
    for (const MemberPtr& member : members_) visit(member);
  }
  // Memory that it takes with its members, but for what the allocator adds.
  [[nodiscard]] std::size_t bytes() const {
    return members_.capacity() * (sizeof(MemberPtr) + 1) + members_.size() * sizeof(Member) + name_bytes_;
  }

 private:
  struct Hash {
    using is_transparent = void;  // NOLINT(readability-identifier-naming): the container's word
    std::size_t operator()(std::string_view name) const { return checksum_of(name); }
    std::size_t operator()(const MemberPtr& member) const { return checksum_of(member->name()); }
  };
  struct Equal {
    using is_transparent = void;  // NOLINT(readability-identifier-naming)
    static std::string_view name_of(std::string_view name) { return name; }
    static std::string_view name_of(const MemberPtr& member) { return member->name(); }
    template <class One, class Other>
    bool operator()(const One& one, const Other& other) const {
      return name_of(one) == name_of(other);
    }
  };

  absl::flat_hash_set<MemberPtr, Hash, Equal> members_;
  std::size_t name_bytes_ = 0;
};

}  // namespace earshot::places
