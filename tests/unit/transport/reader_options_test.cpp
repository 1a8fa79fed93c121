#include "transport/reader_options.hpp"

#include <capnp/any.h>
#include <gtest/gtest.h>
#include <kj/exception.h>

#include "base/limits.hpp"

namespace earshot::transport {
namespace {

// Whether a message of structs within structs is read to its end.
bool reads(int levels) {
  capnp::MallocMessageBuilder message;
  auto level = message.getRoot<capnp::AnyPointer>().initAsAnyStruct(0, 1);
  for (int i = 1; i < levels; ++i) level = level.getPointerSection()[0].initAsAnyStruct(0, 1);
  capnp::SegmentArrayMessageReader reader(message.getSegmentsForOutput(), reader_options());
  return kj::runCatchingExceptions([&] { reader.getRoot<capnp::AnyPointer>().targetSize(); }) == nullptr;
}

TEST(ReaderOptions, NestingIsFollowedToTheLimitAndNoLevelDeeper) {
  EXPECT_TRUE(reads(limits::kCallNestingMax));
  EXPECT_FALSE(reads(limits::kCallNestingMax + 1));
}

}  // namespace
}  // namespace earshot::transport
