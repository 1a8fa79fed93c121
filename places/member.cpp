#include "places/member.hpp"

#include <cstring>
#include <new>

namespace earshot::places {

MemberPtr Member::make(std::string_view name, bool is_hidden) {
  void* const memory = ::operator new(sizeof(Member) + name.size());
  auto* const member = new (memory) Member(static_cast<std::uint32_t>(name.size()), is_hidden);
  std::memcpy(static_cast<char*>(memory) + sizeof(Member), name.data(), name.size());
  return MemberPtr(member);
}

void MemberPtr::destroy(Member* member) {
  member->~Member();
  ::operator delete(member);
}

}  // namespace earshot::places
