#include "transport/reader_options.hpp"

#include "base/limits.hpp"

namespace earshot::transport {

capnp::ReaderOptions reader_options() {
  capnp::ReaderOptions options;
  options.traversalLimitInWords = limits::kCallWordsMax;
  options.nestingLimit = limits::kCallNestingMax;
  return options;
}

}  // namespace earshot::transport
