#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "storage/room_claims.hpp"

namespace earshot::storage {

// The room that a node's disk has left, and the ballast on it: a file that does nothing but take room, so that there is
// some to give up when a full disk would not even let the log be cut. A seam: tests put a modelled disk behind it.
//
// Thread safety: one caller at a time.
class DiskSpace {
 public:
  virtual ~DiskSpace() = default;
  // What is free for this process; on the fuller of two file systems when the directory lies on two. kInternal.
  [[nodiscard]] virtual Result<std::uint64_t> free_bytes() = 0;
  [[nodiscard]] virtual std::uint64_t total_bytes() const = 0;  // of the whole file system

  [[nodiscard]] virtual std::uint64_t ballast_bytes() const = 0;  // its size when it is there
  [[nodiscard]] virtual bool has_ballast() const = 0;             //
  [[nodiscard]] virtual Status make_ballast() = 0;                // kStorageFull: it does not fit
  virtual void release_ballast() = 0;                             // harmless when there is none
};

// Of a data directory, which is there and locked. A ballast left by an earlier process is taken over; none is made.
// `claims` hear of each ballast that comes or goes.
Result<std::unique_ptr<DiskSpace>> open_disk_space(const std::string& data_dir,
                                                   std::shared_ptr<RoomClaims> claims = std::make_shared<RoomClaims>());

}  // namespace earshot::storage
