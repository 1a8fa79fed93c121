#pragma once

#include <type_traits>
#include <utility>

#include "schema/fields.hpp"
#include "schema/wire.hpp"

// Private to schema/.
namespace earshot::wire {

// What an answer holds: an error, or else the one value that it may, as `read_value` reads it.
template <class Answer, class ReadValue>
auto read_answer(Answer from, bool is_value, ReadValue read_value) {
  using Value = std::invoke_result_t<ReadValue, Fields&>;
  return guarded("answer", [&]() -> Result<Value> {
    if (from.isError()) return fail(read(from.getError()));
    if (!is_value) return fail(ErrorCode::kInternal, "answer", "an answer of an unknown kind");
    Fields fields(Fields::Source::kWire);
    Value value = read_value(fields);
    return fields.finish(std::move(value));
  });
}

}  // namespace earshot::wire
