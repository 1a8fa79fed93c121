#include "peers/question.hpp"

#include <utility>

#include "base/limits.hpp"
#include "peers/greeting_io.hpp"

namespace earshot::peers {
namespace {

// Around the bytes that an answer may have.
constexpr std::size_t kAnswerBytesMax = limits::kPeerRequestBytesMax + kGreetingBytesMax;

Result<std::string> refused(const Refusal& refusal) {
  const ErrorCode code =
      refusal.reason == RefusalReason::kProtocol ? ErrorCode::kUnsupportedVersion : ErrorCode::kUnavailable;
  return fail(code, "peer", refusal.detail);
}

}  // namespace

Question::~Question() { answer(fail(ErrorCode::kClosed, "peer", "the links end before there is an answer")); }

void Question::answer(Result<std::string> result) {
  if (const Done done = std::exchange(done_, nullptr)) done(std::move(result));
}

kj::Promise<void> Question::run(std::uint64_t within_ms) {
  auto too_late =
      lines_.timer().afterDelay(within_ms * kj::MILLISECONDS).then([]() -> kj::Promise<Result<std::string>> {
        return failure("there is no answer in time");
      });
  return ask()
      .exclusiveJoin(kj::mv(too_late))
      .then([this](Result<std::string>&& result) { answer(std::move(result)); },
            [this](kj::Exception&& exception) {
              answer(fail(ErrorCode::kUnavailable, "peer", address_ + ": " + text_of(exception)));
            });
}

kj::Promise<Result<std::string>> Question::ask() {
  return lines_.dial(address_)
      .then([this](Line&& line) {
        line_ = kj::mv(line);
        return write_greeting(*line_.stream, own_);
      })
      .then([this] { return read_greeting(*line_.stream, kGreetingBytesMax); })
      .then([this](Greeting&& greeting) { return welcomed(greeting); });
}

kj::Promise<Result<std::string>> Question::welcomed(const Greeting& greeting) {
  if (const auto* refusal = std::get_if<Refusal>(&greeting)) return refused(*refusal);
  if (!std::holds_alternative<Welcome>(greeting)) return failure("what answers is no welcome");
  return write_greeting(*line_.stream, Request{request_})
      .then([this] { return read_greeting(*line_.stream, kAnswerBytesMax); })
      .then([](Greeting&& said) -> kj::Promise<Result<std::string>> {
        if (auto* answer = std::get_if<Answer>(&said)) return Result<std::string>(std::move(answer->bytes));
        if (const auto* refusal = std::get_if<Refusal>(&said)) return refused(*refusal);
        return failure("what follows is no answer");
      });
}

}  // namespace earshot::peers
