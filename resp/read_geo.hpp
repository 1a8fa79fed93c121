#pragma once

#include "resp/reader.hpp"

namespace earshot::resp {

Reading<Command> read_geoadd(Request words);
Reading<Command> read_geodist(Request words);
Reading<Command> read_geohash(Request words);
Reading<Command> read_geopos(Request words);
Reading<Command> read_georadius(Request words);
Reading<Command> read_georadius_ro(Request words);
Reading<Command> read_georadiusbymember(Request words);
Reading<Command> read_georadiusbymember_ro(Request words);
Reading<Command> read_geosearch(Request words);
Reading<Command> read_geosearchstore(Request words);

}  // namespace earshot::resp
