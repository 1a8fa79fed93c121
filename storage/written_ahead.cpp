#include "storage/written_ahead.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <sys/stat.h>
#include <sys/uio.h>

namespace earshot::storage {
namespace {

constexpr std::array<char, 64 << 10> kZeros{};

}  // namespace

WrittenAhead::WrittenAhead(FileDescriptor file, std::uint64_t step_bytes, std::uint64_t end_max)
    : file_(std::move(file)), step_bytes_(step_bytes), end_max_(end_max) {
  struct stat attributes {};
  if (::fstat(file_.get(), &attributes) == 0) end_ = static_cast<std::uint64_t>(attributes.st_size);
}

bool WrittenAhead::keep_behind(std::uint64_t used_bytes) {
  const std::uint64_t grown = used_bytes - std::min(std::exchange(used_bytes_, used_bytes), used_bytes);
  end_ = std::max(end_, used_bytes);
  if (end_ >= end_max_ || end_ - used_bytes >= step_bytes_ / 2 || grown > step_bytes_ / 2) return false;
  std::array<iovec, 16> pieces{};
  pieces.fill({const_cast<char*>(kZeros.data()), kZeros.size()});
  for (const std::uint64_t wanted = std::min(end_ + step_bytes_, end_max_); end_ < wanted;) {
    const auto count = std::min<std::uint64_t>((wanted - end_ + kZeros.size() - 1) / kZeros.size(), pieces.size());
    pieces[count - 1].iov_len = std::min(kZeros.size(), wanted - end_ - (count - 1) * kZeros.size());
    const ssize_t written = ::pwritev(file_.get(), pieces.data(), static_cast<int>(count), static_cast<off_t>(end_));
    if (written <= 0) {
      step_bytes_ = 0;  // the disk is full, or worse: the next write will say so
      return true;
    }
    end_ += static_cast<std::uint64_t>(written);
  }
  return true;
}

}  // namespace earshot::storage
