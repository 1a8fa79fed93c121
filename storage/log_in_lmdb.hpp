#pragma once

#include <string>

#include "base/error.hpp"

// Data directories up to format 2 have their log in LMDB. Crashed between, the move begins again.
namespace earshot::storage {

// Copies the log at `path` (a directory) into the journal that takes its place there. The old one stays.
Status move_log_out_of_lmdb(const std::string& path);
// Harmless when there is none. To be called once the directory's identity says that it is not needed.
Status remove_log_in_lmdb(const std::string& path);

}  // namespace earshot::storage
