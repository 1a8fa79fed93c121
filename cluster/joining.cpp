#include "cluster/joining.hpp"

#include <utility>

#include "base/backoff.hpp"

namespace earshot::cluster {
namespace {

// Members point to whom they take for the leader, who may know of another one; more is a circle.
constexpr std::size_t kHopsMax = 4;
constexpr BackoffPolicy kRounds{500, 10'000};

}  // namespace

Joining::Joining(std::vector<std::string> addresses, std::uint64_t random)
    : addresses_(std::move(addresses)), random_(random) {
  EARSHOT_INVARIANT(!addresses_.empty(), "there is somebody to ask");
}

Joining::Next Joining::next() {
  if (accepted_) return *accepted_;
  if (refused_) return *refused_;
  if (!redirects_.empty()) return Ask{redirects_.front(), 0};
  hops_ = 0;
  const bool is_new_round = turn_ == 0 && rounds_ > 0;
  return Ask{addresses_[turn_], is_new_round ? backoff_ms(kRounds, rounds_, random_) : 0};
}

void Joining::go_on(std::string trouble) {
  trouble_ = std::move(trouble);
  if (!redirects_.empty()) return redirects_.pop_front();
  turn_ = (turn_ + 1) % addresses_.size();
  if (turn_ == 0) ++rounds_;
}

void Joining::answered(std::string_view bytes) {
  auto answer = decode_join_answer(bytes);
  if (!answer) return go_on("what came is no answer: " + answer.error().to_string());
  if (auto* accepted = std::get_if<JoinAccepted>(&*answer)) {
    accepted_ = std::move(*accepted);
  } else if (auto* redirect = std::get_if<JoinRedirect>(&*answer)) {
    go_on("sent on to the leader of the meta group");
    redirects_.clear();
    if (++hops_ > kHopsMax)
      trouble_ = "the members send each other round";
    else
      redirects_.assign(redirect->peers.begin(), redirect->peers.end());
  } else {
    auto& refused = std::get<JoinRefused>(*answer);
    if (refused.is_final) {
      refused_ = std::move(refused);
      return;
    }
    // Its other addresses lead to the same node.
    if (redirects_.size() > 1) redirects_.resize(1);
    go_on(std::move(refused.reason));
  }
}

void Joining::unanswered(std::string why) { go_on(std::move(why)); }

}  // namespace earshot::cluster
