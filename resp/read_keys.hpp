#pragma once

#include "resp/reader.hpp"

namespace earshot::resp {

Reading<Command> read_dbsize(Request words);
Reading<Command> read_del(Request words);  // UNLINK too
Reading<Command> read_exists(Request words);
Reading<Command> read_flush(Request words);  // FLUSHDB, FLUSHALL
Reading<Command> read_keys(Request words);
Reading<Command> read_scan(Request words);
Reading<Command> read_type(Request words);

}  // namespace earshot::resp
