#include "base/limits.hpp"
#include "schema/fields.hpp"
#include "schema/flat.hpp"
#include "schema/text.hpp"
#include "schema/wire.hpp"

namespace earshot::wire {
namespace {

Error unknown_answer() { return Error{ErrorCode::kInternal, "answer", "an answer of an unknown kind"}; }

Status read_value(schema::SendAnswer::Reader from, SendAnswer& answer) {
  switch (from.which()) {
    case schema::SendAnswer::STORED: {
      Fields fields(Fields::Source::kWire);
      answer.value = Stored{Sequence(fields.positive(from.getStored().getSequence(), "sequence")),
                            Epoch(fields.positive(from.getStored().getEpoch(), "epoch"))};
      return fields.finish();
    }
    case schema::SendAnswer::REFUSED:
      answer.value.emplace<SendAnswer::Refused>(SendAnswer::Refused{read(from.getRefused())});
      return {};
    case schema::SendAnswer::HELD:
      answer.value.emplace<SendAnswer::Held>(SendAnswer::Held{read(from.getHeld())});
      return {};
  }
  return fail(unknown_answer());
}

}  // namespace

void write(const Error& from, schema::Error::Builder to) {
  to.setCode(static_cast<schema::ErrorCode>(from.code));
  if (!from.field.empty()) to.setField(flat::text(from.field));
  if (!from.detail.empty()) to.setDetail(flat::text(from.detail));
  to.setRetryAfterMs(from.retry_after_ms);
  to.setExpected(from.expected);
}

Error read(schema::Error::Reader from) {
  const auto read_fields = [&]() -> Result<Error> {
    Error error;
    const auto code = static_cast<ErrorCode>(from.getCode());
    error.code = name_of(code) != "unknown" ? code : ErrorCode::kInternal;
    error.field = cut(flat::view(from.getField()), limits::kErrorTextBytesMax);
    error.detail = cut(flat::view(from.getDetail()), limits::kErrorTextBytesMax);
    error.retry_after_ms = from.getRetryAfterMs();
    error.expected = from.getExpected();
    return error;
  };
  Result<Error> error = guarded("error", read_fields);
  return error ? std::move(*error) : Error{ErrorCode::kInternal, "error", std::move(error.error().detail)};
}

void write(const SendAnswer& from, schema::SendAnswer::Builder to) {
  to.setRepeat(from.repeat);
  if (const auto* stored = std::get_if<Stored>(&from.value)) {
    auto builder = to.initStored();
    builder.setSequence(stored->sequence.value);
    builder.setEpoch(stored->epoch.value);
  } else if (const auto* refused = std::get_if<SendAnswer::Refused>(&from.value)) {
    write(refused->error, to.initRefused());
  } else {
    write(std::get<SendAnswer::Held>(from.value).error, to.initHeld());
  }
}

SendAnswer read(schema::SendAnswer::Reader from) {
  SendAnswer answer;
  Status status = guarded("answer", [&] { return read_value(from, answer); });
  if (status) {
    answer.repeat = from.getRepeat();
  } else {
    status.error().code = ErrorCode::kInternal;
    answer.value.emplace<SendAnswer::Held>(SendAnswer::Held{std::move(status.error())});
  }
  return answer;
}

void write(const Status& from, schema::StatusAnswer::Builder to) {
  from ? to.setOk() : write(from.error(), to.initError());
}

Status read(schema::StatusAnswer::Reader from) {
  return guarded("answer", [&]() -> Status {
    switch (from.which()) {
      case schema::StatusAnswer::OK: return {};
      case schema::StatusAnswer::ERROR: return fail(read(from.getError()));
    }
    return fail(unknown_answer());
  });
}

void write(const Result<Sequence>& from, schema::AckAnswer::Builder to) {
  from ? to.setCursor(from->value) : write(from.error(), to.initError());
}

Result<Sequence> read(schema::AckAnswer::Reader from) {
  return guarded("answer", [&]() -> Result<Sequence> {
    switch (from.which()) {
      case schema::AckAnswer::CURSOR: return Sequence(from.getCursor());
      case schema::AckAnswer::ERROR: return fail(read(from.getError()));
    }
    return fail(unknown_answer());
  });
}

void write(const Result<Batch>& from, schema::FetchAnswer::Builder to) {
  from ? write(*from, to.initBatch()) : write(from.error(), to.initError());
}

Result<Batch> read(schema::FetchAnswer::Reader from) {
  return guarded("answer", [&]() -> Result<Batch> {
    switch (from.which()) {
      case schema::FetchAnswer::BATCH: return read(from.getBatch());
      case schema::FetchAnswer::ERROR: return fail(read(from.getError()));
    }
    return fail(unknown_answer());
  });
}

}  // namespace earshot::wire
