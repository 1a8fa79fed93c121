#include "app/cluster_removal.hpp"

#include <cstddef>
#include <utility>
#include <variant>

namespace earshot::app {
namespace {

// A node points to whom it takes for the leader, who may know of another one; more is a circle.
constexpr std::size_t kHopsMax = 4;

Error nobody_leads() {
  return Error{ErrorCode::kUnavailable, "leader", "the nodes send each other round, none leads the meta group"};
}

// From the first of these addresses, all of one node, that answers.
Result<RemovalAnswer> ask_one_of(const std::vector<std::string>& addresses, const AskForRemoval& ask) {
  Result<RemovalAnswer> answer = fail(nobody_leads());
  for (const std::string& address : addresses) {
    answer = ask(address);
    if (answer || !may_be_asked_again(answer.error())) return answer;
  }
  return answer;
}

}  // namespace

bool may_be_asked_again(const Error& error) {
  switch (error.code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kDeadlineExceeded:
    case ErrorCode::kOverloaded:
    case ErrorCode::kUnsupportedVersion: return true;
    default: return false;
  }
}

Result<NodeRemoved> find_who_removes(const std::vector<std::string>& servers, const AskForRemoval& ask) {
  Error trouble = nobody_leads();
  for (const std::string& server : servers) {
    std::vector<std::string> addresses{server};
    for (std::size_t hops = 0; hops <= kHopsMax; ++hops) {
      auto answer = ask_one_of(addresses, ask);
      if (!answer) {
        trouble = std::move(answer.error());
        if (!may_be_asked_again(trouble)) return fail(std::move(trouble));
        break;
      }
      if (const auto* removed = std::get_if<NodeRemoved>(&*answer)) return *removed;
      addresses = std::move(std::get<AskLeader>(*answer).clients);
      trouble = nobody_leads();
    }
  }
  return fail(std::move(trouble));
}

}  // namespace earshot::app
