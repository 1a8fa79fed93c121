#pragma once

#include <capnp/message.h>

namespace earshot::transport {

// How much of one message of a peer is read, and how deep, for either end of a connection: going on fails. What nobody
// reads is not counted.
capnp::ReaderOptions reader_options();

}  // namespace earshot::transport
