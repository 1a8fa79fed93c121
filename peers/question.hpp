#pragma once

#include <functional>
#include <memory>
#include <string>

#include <kj/async.h>

#include "base/error.hpp"
#include "peers/greeting.hpp"
#include "peers/lines.hpp"

namespace earshot::peers {

// One question of a process without an identity, on its way (PeerLinks::ask). KJ thread only.
class Question {
 public:
  using Done = std::function<void(Result<std::string>)>;

  Question(Lines& lines, Hello own, std::string address, std::string request, Done done)
      : lines_(lines), own_(own), address_(std::move(address)), request_(std::move(request)), done_(std::move(done)) {}
  // kClosed, if nothing was answered.
  ~Question();
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  // Resolves when it was answered, one way or the other; never rejects.
  kj::Promise<void> run(std::uint64_t within_ms);

 private:
  kj::Promise<Result<std::string>> ask();
  kj::Promise<Result<std::string>> welcomed(const Greeting& greeting);
  void answer(Result<std::string> result);

  Lines& lines_;
  const Hello own_;
  const std::string address_;
  const std::string request_;
  Done done_;  // empty: called
  Line line_;
};

}  // namespace earshot::peers
