#include "client/reconnector.hpp"

#include <algorithm>
#include <utility>

#include "base/limits.hpp"

namespace earshot::client {

Reconnector::Reconnector(std::vector<std::string> addresses, BackoffPolicy policy, Random random)
    : policy_(policy), random_(random) {
  EARSHOT_INVARIANT(!addresses.empty(), "a client has at least one address");
  for (std::string& address : addresses)
    if (std::ranges::find(known_, address, &Known::text) == known_.end())
      known_.push_back(Known{std::move(address), true, 0, 0, {}});
  current_ = random_.below(known_.size());
}

void Reconnector::note_connection(std::uint64_t now_ms) {
  if (connected_at_ms_ == 0) return;
  if (now_ms - connected_at_ms_ >= policy_.max_ms) known_[current_].failures = failures_ = put_offs_ = 0;
  connected_at_ms_ = 0;
}

std::uint64_t Reconnector::failed(std::uint64_t now_ms, const Error& reason) {
  note_connection(now_ms);
  Known& current = known_[current_];
  if (current.failures < UINT32_MAX) ++current.failures;
  if (failures_ < UINT32_MAX) ++failures_;
  const std::uint64_t rest_ms = backoff_ms(policy_, current.failures, random_);
  current.rests_until_ms = now_ms + std::max<std::uint64_t>(rest_ms, reason.retry_after_ms);
  current.why = reason.detail.empty() ? std::string(name_of(reason.code)) : reason.detail;
  const std::uint64_t wait_ms = choose(now_ms);
  const auto round = static_cast<std::uint32_t>(failures_ / known_.size());
  if (known_.size() == 1 || round == 0) return wait_ms;
  return std::max(wait_ms, backoff_ms(policy_, round, random_) / known_.size());
}

std::uint64_t Reconnector::put_off(std::uint64_t now_ms, std::uint64_t at_least_ms) {
  note_connection(now_ms);
  if (put_offs_ < UINT32_MAX) ++put_offs_;
  return std::max(backoff_ms(policy_, put_offs_, random_), at_least_ms);
}

void Reconnector::told(const std::vector<std::string>& addresses) {
  if (addresses.empty()) return;
  const std::string current = address();
  std::erase_if(known_, [&](const Known& one) {
    return !one.is_own && one.text != current && std::ranges::find(addresses, one.text) == addresses.end();
  });
  told_more(addresses);
  current_ = static_cast<std::size_t>(std::ranges::find(known_, current, &Known::text) - known_.begin());
}

void Reconnector::told_more(const std::vector<std::string>& addresses) {
  const auto told = static_cast<std::size_t>(std::ranges::count(known_, false, &Known::is_own));
  std::size_t room = limits::kNodeAddressesMax - std::min(told, limits::kNodeAddressesMax);
  for (const std::string& one : addresses) {
    if (room == 0 || std::ranges::find(known_, one, &Known::text) != known_.end()) continue;
    known_.push_back(Known{one, false, 0, 0, {}});
    --room;
  }
}

std::uint64_t Reconnector::leave(std::uint64_t now_ms, std::uint64_t rest_ms,
                                 const std::vector<std::string>& addresses) {
  note_connection(now_ms);
  known_[current_].rests_until_ms = now_ms + rest_ms;
  known_[current_].why = "asked to log in elsewhere";
  std::vector<std::size_t> welcome;
  for (std::size_t i = 0; i < known_.size(); ++i)
    if (known_[i].rests_until_ms <= now_ms && std::ranges::find(addresses, known_[i].text) != addresses.end())
      welcome.push_back(i);
  if (welcome.empty()) return choose(now_ms);
  current_ = welcome[random_.below(welcome.size())];
  return 0;
}

bool Reconnector::has_other(std::uint64_t now_ms) const {
  for (std::size_t i = 0; i < known_.size(); ++i)
    if (i != current_ && known_[i].rests_until_ms <= now_ms) return true;
  return false;
}

std::vector<std::size_t> Reconnector::ready(std::uint64_t now_ms, bool own) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < known_.size(); ++i)
    if (known_[i].is_own == own && known_[i].rests_until_ms <= now_ms) found.push_back(i);
  return found;
}

// The next address, and how long it still rests.
std::uint64_t Reconnector::choose(std::uint64_t now_ms) {
  for (const bool own : {true, false}) {
    const std::vector<std::size_t> found = ready(now_ms, own);
    if (found.empty()) continue;
    current_ = found[random_.below(found.size())];
    return 0;
  }
  const auto first = std::ranges::min_element(known_, {}, &Known::rests_until_ms);
  current_ = static_cast<std::size_t>(first - known_.begin());
  return first->rests_until_ms - now_ms;
}

std::string Reconnector::complaints() const {
  std::string text;
  for (const Known& one : known_) {
    if (one.why.empty()) continue;
    if (!text.empty()) text += "; ";
    text += one.text + ": " + one.why;
  }
  return text;
}

}  // namespace earshot::client
