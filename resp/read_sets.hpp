#pragma once

#include "resp/reader.hpp"

// Sorted sets, which is what a layer is to these commands: its members with their scores.
namespace earshot::resp {

Reading<Command> read_zadd(Request words);
Reading<Command> read_zcard(Request words);
Reading<Command> read_zrange(Request words);
Reading<Command> read_zrem(Request words);
Reading<Command> read_zscore(Request words);

}  // namespace earshot::resp
