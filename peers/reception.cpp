#include "peers/reception.hpp"

#include <utility>

#include <spdlog/spdlog.h>

#include "peers/greeting_io.hpp"

namespace earshot::peers {
namespace {

constexpr std::uint64_t kLingerMs = 1'000;  // for a refused one to read why

Refusal malformed() { return {RefusalReason::kMalformed, "a greeting does not come in its turn"}; }

}  // namespace

Reception::Reception(Lines& lines, PeerCounters& counters, const Clock& clock, const ReceptionLimits& limits,
                     Host& host)
    : lines_(lines), counters_(counters), limits_(limits), host_(host), log_(clock), tasks_(*this) {}

kj::Promise<void> Reception::listen(kj::ConnectionReceiver& receiver) {
  return receiver.accept()
      .then(
          [this](kj::Own<kj::AsyncIoStream>&& stream) -> kj::Promise<void> {
            let_in(kj::mv(stream));
            return kj::READY_NOW;
          },
          [this](kj::Exception&& exception) -> kj::Promise<void> {
            const std::string why = "cannot accept a connection of a node: " + text_of(exception);
            if (log_.due(why)) spdlog::warn("{}", why);
            return lines_.timer().afterDelay(limits::kAcceptRetryMs * kj::MILLISECONDS);
          })
      .then([this, &receiver] { return listen(receiver); });
}

void Reception::let_in(kj::Own<kj::AsyncIoStream> stream) {
  make_room();
  auto owned = kj::heap<Guest>();
  Guest& guest = *owned;
  guest.id = ++last_;
  guest.address = address_of(*stream);
  guests_.emplace(guest.id, kj::mv(owned));
  guest.serving = lines_.accept(kj::mv(stream))
                      .then([this, &guest](Line&& line) {
                        guest.line = kj::mv(line);
                        return greet(guest);
                      })
                      .exclusiveJoin(too_late(limits_.handshake_ms))
                      .then([this, &guest]() -> kj::Promise<void> {
                        if (!guest.asks) return kj::READY_NOW;
                        return answer_request(guest).exclusiveJoin(too_late(limits_.request_ms));
                      })
                      .then([this, id = guest.id] { over(id); },
                            [this, &guest](kj::Exception&& exception) {
                              failed(guest, text_of(exception));
                              over(guest.id);
                            })
                      .eagerlyEvaluate(nullptr);
}

// Those whose requests are being answered have a bound of their own.
void Reception::make_room() {
  if (guests_.size() - asking_ < limits_.strangers_max) return;
  for (const auto& [id, guest] : guests_) {
    if (guest->asks) continue;
    failed(*guest, "made room for others");
    return drop(id);
  }
}

void Reception::drop(GuestId id) {
  const auto found = guests_.find(id);
  if (found == guests_.end()) return;
  const kj::Own<Guest> guest = kj::mv(found->second);
  guests_.erase(found);
  if (guest->asks) --asking_;
  host_.gone(*guest);
}

// Not from inside of what serves it.
void Reception::over(GuestId id) {
  tasks_.add(kj::evalLater([this, id] { drop(id); }));
}

kj::Promise<void> Reception::greet(Guest& guest) {
  return read_greeting(*guest.line.stream, kGreetingBytesMax).then([this, &guest](Greeting&& greeting) {
    return greeted(guest, greeting);
  });
}

kj::Promise<void> Reception::greeted(Guest& guest, const Greeting& greeting) {
  const auto* hello = std::get_if<Hello>(&greeting);
  if (hello == nullptr) return refuse(guest, malformed());
  guest.hello = *hello;
  if (hello->purpose == Purpose::kJoiner) {
    if (auto refusal = host_.judge_joiner(guest)) return refuse(guest, std::move(*refusal));
    return take_request(guest);
  }
  return host_.judge(guest).then([this, &guest](std::optional<Refusal>&& refusal) {
    return refusal ? refuse(guest, std::move(*refusal)) : welcome(guest);
  });
}

kj::Promise<void> Reception::welcome(Guest& guest) {
  return write_greeting(*guest.line.stream, Welcome{host_.own_hello()})
      .then([&guest] { return read_greeting(*guest.line.stream, kGreetingBytesMax); })
      .then([this, &guest](Greeting&& greeting) {
        if (std::holds_alternative<Start>(greeting)) return host_.started(guest);
        const auto* refusal = std::get_if<Refusal>(&greeting);
        failed(guest, refusal ? "it refuses: " + refusal->detail : malformed().detail);
      });
}

kj::Promise<void> Reception::take_request(Guest& guest) {
  if (asking_ >= limits_.requests_max)
    return refuse(guest, {RefusalReason::kBusy, "other questions are being answered: ask again later"});
  guest.asks = true;
  ++asking_;
  return write_greeting(*guest.line.stream, Welcome{host_.own_hello()})
      .then([&guest] {
        // Around the bytes that a request may have.
        return read_greeting(*guest.line.stream, limits::kPeerRequestBytesMax + kGreetingBytesMax);
      })
      .then([this, &guest](Greeting&& greeting) -> kj::Promise<void> {
        auto* request = std::get_if<Request>(&greeting);
        if (request == nullptr || request->bytes.size() > limits::kPeerRequestBytesMax)
          return failure("what follows the welcome is no request");
        auto paf = kj::newPromiseAndFulfiller<std::string>();
        guest.answer = kj::mv(paf.fulfiller);
        guest.answered = kj::mv(paf.promise);
        host_.asked(guest.id, std::move(request->bytes));
        return kj::READY_NOW;
      });
}

kj::Promise<void> Reception::answer_request(Guest& guest) {
  return guest.answered
      .then([this, &guest](std::string&& bytes) {
        count(counters_.requests_answered);
        return write_greeting(*guest.line.stream, Answer{std::move(bytes)});
      })
      .then([this, &guest] { return wait_for_end(guest); });
}

void Reception::answer(GuestId id, std::optional<std::string> bytes) {
  const auto found = guests_.find(id);
  if (found == guests_.end()) return;
  Guest& guest = *found->second;
  if (guest.answer.get() == nullptr || !guest.answer->isWaiting()) return;
  if (bytes && bytes->size() <= limits::kPeerRequestBytesMax) return guest.answer->fulfill(std::move(*bytes));
  guest.answer->reject(failure(bytes ? "an answer is too large" : "there is no answer to it here"));
}

kj::Promise<void> Reception::refuse(Guest& guest, Refusal refusal) {
  count(counters_.guests_refused);
  // Two that dial each other at once are no news.
  if (refusal.reason != RefusalReason::kDuplicate && log_.due(refusal.detail))
    spdlog::warn("a connection from {} is refused: {}", guest.address, refusal.detail);
  return write_greeting(*guest.line.stream, refusal).then([this, &guest] { return wait_for_end(guest); });
}

// A socket that is closed with bytes unread is reset, and what was sent on it last may never be seen.
kj::Promise<void> Reception::wait_for_end(Guest& guest) {
  auto byte = kj::heap<char>();
  auto read = guest.line.stream->tryRead(byte.get(), 1, 1).ignoreResult().catch_([](kj::Exception&&) {});
  return read.attach(kj::mv(byte)).exclusiveJoin(lines_.timer().afterDelay(kLingerMs * kj::MILLISECONDS));
}

kj::Promise<void> Reception::too_late(std::uint64_t after_ms) {
  return lines_.timer().afterDelay(after_ms * kj::MILLISECONDS).then([]() -> kj::Promise<void> {
    return failure("took too long to become a link");
  });
}

void Reception::failed(const Guest& guest, const std::string& why) {
  count(counters_.guests_failed);
  if (log_.due(why)) spdlog::info("a connection from {} became no link: {}", guest.address, why);
}

void Reception::taskFailed(kj::Exception&& exception) {
  spdlog::error("a task of the reception of nodes failed: {}", text_of(exception));
}

}  // namespace earshot::peers
