#pragma once

#include <cstdint>
#include <span>

#include <lmdb.h>

#include "base/error.hpp"

namespace earshot::storage {

// LMDB's list of the pages that it may write over: transaction -> page numbers, in a table of its own that only writers
// look at, so that no reader ever meets damage in it. Checks that every page on it lies in the file, after the two head
// pages, that none is on it twice, and that the list and these tables do not have more pages than the file. kCorrupt
// says what does not fit. A number that was altered into that of another page in use is not seen.
//
// `transaction` is one that reads. Memory: one bit per page of the file. A damaged page may crash LMDB.
Status check_free_list(MDB_txn* transaction, std::span<const MDB_dbi> tables);

}  // namespace earshot::storage
