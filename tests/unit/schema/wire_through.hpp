#pragma once

#include <functional>
#include <string>

#include <capnp/message.h>
#include <gtest/gtest.h>

#include "base/error.hpp"
#include "schema/wire.hpp"

namespace earshot::tests {

// What comes back when `value` is written as a Root, and `breaks` has had its way with the message.
template <class Root, class Value>
auto through(const Value& value, const std::function<void(typename Root::Builder)>& breaks = nullptr) {
  capnp::MallocMessageBuilder message;
  auto root = message.initRoot<Root>();
  wire::write(value, root);
  if (breaks) breaks(root);
  return wire::read(root.asReader());
}

// The field that is at fault.
template <class T>
std::string refused(const Result<T>& result, ErrorCode code = ErrorCode::kInvalidArgument) {
  EXPECT_FALSE(result.has_value());
  if (result.has_value()) return "accepted";
  EXPECT_EQ(result.error().code, code) << result.error().to_string();
  EXPECT_FALSE(result.error().detail.empty());
  return result.error().field;
}

}  // namespace earshot::tests
