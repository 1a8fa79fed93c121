#pragma once

#include "resp/reader.hpp"

namespace earshot::resp {

Reading<Command> read_auth(Request words);
Reading<Command> read_echo(Request words);
Reading<Command> read_hello(Request words);
Reading<Command> read_ping(Request words);
Reading<Command> read_quit(Request words);
Reading<Command> read_reset(Request words);
Reading<Command> read_select(Request words);

// CLIENT
Reading<Command> read_client_getname(Request words);
Reading<Command> read_client_id(Request words);
Reading<Command> read_client_info(Request words);
Reading<Command> read_client_list(Request words);
Reading<Command> read_client_no_evict(Request words);  // NO-TOUCH too
Reading<Command> read_client_reply(Request words);
Reading<Command> read_client_setinfo(Request words);
Reading<Command> read_client_setname(Request words);

}  // namespace earshot::resp
