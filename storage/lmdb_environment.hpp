#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/limits.hpp"
#include "storage/environment.hpp"
#include "storage/room_claims.hpp"

namespace earshot::storage {

struct LmdbOptions {
  std::string path;                 // a directory, made when absent
  std::vector<std::string> tables;  // Table 0, 1, 2 …; made when absent
  std::uint64_t map_bytes = limits::kMapBytes;
  std::uint32_t readers_max = 1024;
  bool read_only = false;  // nothing is made or locked: the caller sees to it that nobody writes meanwhile
  std::shared_ptr<RoomClaims> claims = std::make_shared<RoomClaims>();  // of everything on the same disk
};

// Opens (or makes) an environment on LMDB. kConflict when this or another process has it open already, kCorrupt when
// the files are no environment, or a table of it is lost, kStorageFull, kInternal. Every commit is synced; a failed
// sync stops the process.
Result<std::unique_ptr<Environment>> open_lmdb(const LmdbOptions& options);

}  // namespace earshot::storage
