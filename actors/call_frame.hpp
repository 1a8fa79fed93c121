#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "actors/call_codec.hpp"
#include "base/limits.hpp"
#include "schema/call.capnp.h"
#include "schema/fields.hpp"
#include "schema/flat.hpp"

// Private to the call codec: what requests and answers have in common.
namespace earshot::actors {

inline void write_address(const PortAddress& from, schema::PortAddress::Builder to) {
  to.setNode(from.node.value);
  to.setCall(from.call);
  to.setSession(from.session);
}

inline PortAddress read_address(schema::PortAddress::Reader from, Fields& fields) {
  return PortAddress{NodeId(fields.positive(from.getNode(), "node")), from.getCall(), from.getSession()};
}

// A message whose root and address and `words` more `fill` fills in.
template <class Root, class Fill>
std::string encode_frame(std::size_t words, Fill fill) {
  flat::Writer writer(flat::words_of<Root>() + flat::words_of<schema::PortAddress>() + words + flat::kChecksumWords);
  fill(writer.initRoot<Root>());
  return flat::with_checksum(writer.take());
}

// What `convert` makes of the message in these bytes; kTooLarge beyond kCallBytesMax, else as flat::read_checked().
template <class Root, class Convert>
std::invoke_result_t<Convert, typename Root::Reader> decode_frame(std::string_view bytes, std::string_view what,
                                                                  Convert convert) {
  if (bytes.size() > limits::kCallBytesMax)
    return fail(
        ErrorCode::kTooLarge, std::string(what),
        "has " + std::to_string(bytes.size()) + " bytes, the limit is " + std::to_string(limits::kCallBytesMax));
  return flat::read_checked<Root>(bytes, what, std::move(convert));
}

}  // namespace earshot::actors
