#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <utility>

#include "geo/gather.hpp"

namespace earshot::places {

class MemberPtr;

// One member of a layer, in one piece of memory with its name. The name never changes, nor whether it is hidden (who
// begins or ends to be is another Member), so whoever holds a MemberPtr may read them on any thread; where the member
// is belongs to its layer's thread alone.
class Member {
 public:
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;

  static MemberPtr make(std::string_view name, bool is_hidden = false);

  [[nodiscard]] std::string_view name() const { return {reinterpret_cast<const char*>(this + 1), name_bytes_}; }
  // From every user but itself.
  [[nodiscard]] bool is_hidden() const { return is_hidden_; }
  // How a cell knows it.
  [[nodiscard]] geo::MemberHandle handle() const { return reinterpret_cast<std::uintptr_t>(this); }
  // Precondition: the handle is that of a member which lives.
  static Member& of(geo::MemberHandle handle) {
    return *reinterpret_cast<Member*>(handle);  // NOLINT(performance-no-int-to-ptr): a handle is an address
  }
  // Memory that it takes, without the allocator's own.
  [[nodiscard]] std::size_t bytes() const { return sizeof(Member) + name_bytes_; }

  // Of the newest tiding of it that its layer has taken. Any thread: it may be newer than the place where a cell that
  // is behind has found the member.
  [[nodiscard]] std::uint64_t version() const { return told_version_.load(std::memory_order_relaxed) & ~kTold; }

  // ---- the layer's thread
  void set_version(std::uint64_t version) { set(version, is_told()); }
  // Since the last scan of its shard began, if there are scans.
  [[nodiscard]] bool is_told() const { return (told_version_.load(std::memory_order_relaxed) & kTold) != 0; }
  void set_told(bool is_told) { set(version(), is_told); }
  double score = 0;

 private:
  friend class MemberPtr;

  Member(std::uint32_t name_bytes, bool is_hidden) : name_bytes_(name_bytes & 0x7fffffff), is_hidden_(is_hidden) {}

  static constexpr std::uint64_t kTold = 1ull << 63;
  void set(std::uint64_t version, bool is_told) {
    told_version_.store(version | (is_told ? kTold : 0), std::memory_order_relaxed);
  }

  std::atomic<std::uint64_t> told_version_{0};  // both in one word: there are millions of members
  std::atomic<std::uint32_t> holders_{0};
  const std::uint32_t name_bytes_ : 31;
  const bool is_hidden_ : 1;
  // The name follows.
};

// A share in a member, which lives as long as anybody has one.
class MemberPtr {
 public:
  MemberPtr() = default;
  explicit MemberPtr(Member* member) : member_(member) { hold(); }
  // Precondition: the handle is that of a member which lives.
  static MemberPtr of(geo::MemberHandle handle) { return MemberPtr(&Member::of(handle)); }
  MemberPtr(const MemberPtr& other) : MemberPtr(other.member_) {}
  MemberPtr(MemberPtr&& other) noexcept : member_(std::exchange(other.member_, nullptr)) {}
  MemberPtr& operator=(MemberPtr other) noexcept {
    std::swap(member_, other.member_);
    return *this;
  }
  ~MemberPtr() { let_go(); }

  Member& operator*() const { return *member_; }
  Member* operator->() const { return member_; }
  explicit operator bool() const { return member_ != nullptr; }

 private:
  void hold() {
    if (member_ != nullptr) member_->holders_.fetch_add(1, std::memory_order_relaxed);
  }
  void let_go() {
    if (member_ != nullptr && member_->holders_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(member_);
  }
  static void destroy(Member* member);

  Member* member_ = nullptr;
};

}  // namespace earshot::places
