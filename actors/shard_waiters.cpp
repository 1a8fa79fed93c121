#include "actors/shard_waiters.hpp"

#include <algorithm>
#include <utility>

namespace earshot::actors {
namespace {

template <class Expected>
Expected& as(cluster::CommandResult& result) {
  auto* found = std::get_if<Expected>(&result);
  EARSHOT_INVARIANT(found != nullptr, "a command's result is of its command's kind");
  return *found;
}

Result<ManageAnswer> manage_answer(cluster::CommandResult& result) {
  if (auto* replay = std::get_if<cluster::ReplayResult>(&result)) {
    if (!replay->sequences) return fail(std::move(replay->sequences.error()));
    return ManageAnswer(Replayed{std::move(*replay->sequences)});
  }
  auto& status = as<cluster::StatusResult>(result).status;
  if (!status) return fail(std::move(status.error()));
  return ManageAnswer(Done{});
}

Result<PositionsAnswer> positions_answer(cluster::CommandResult& result) {
  if (auto* set = std::get_if<cluster::PositionsResult>(&result)) {
    if (!set->outcomes) return fail(std::move(set->outcomes.error()));
    return PositionsAnswer{std::move(*set->outcomes), 0};
  }
  if (auto* set = std::get_if<cluster::StatusResult>(&result)) {
    if (!set->status) return fail(std::move(set->status.error()));
    return PositionsAnswer{};
  }
  if (auto* cleared = std::get_if<cluster::LayersClearedResult>(&result)) {
    if (!cleared->members) return fail(std::move(cleared->members.error()));
    return PositionsAnswer{{}, 0, std::move(*cleared->members)};
  }
  auto& members = as<cluster::ClearedResult>(result).members;
  if (!members) return fail(std::move(members.error()));
  return PositionsAnswer{{}, *members};
}

struct Answering {
  cluster::CommandResult& result;
  ShardId self;
  const Router* router;

  void operator()(const SendWaiter& waiter) const {
    auto& answers = as<cluster::SendResult>(result).answers;
    EARSHOT_INVARIANT(answers.size() == waiter.items, "every message of a send has its answer");
    waiter.from->post(SendsAnswered{waiter.request, std::move(answers)});
  }
  void operator()(const LoginWaiter& waiter) const {
    waiter.from->post(LoginAnswered{waiter.request, std::move(as<cluster::LoginResult>(result).outcome)});
  }
  void operator()(const AckWaiter& waiter) const {
    waiter.from->post(AckAnswered{waiter.request, std::move(as<cluster::AckResult>(result).cursor)});
  }
  void operator()(const TransferWaiter& waiter) const {
    const auto last = as<cluster::TransferResult>(result).last;
    router->shard(waiter.origin).post(ShardTransferred{self, waiter.epoch, last});
  }
  void operator()(const ManageWaiter& waiter) const {
    waiter.from->post(ManageAnswered{waiter.request, manage_answer(result), 0});
  }
  void operator()(const AttemptsWaiter& waiter) const {
    if (waiter.from) waiter.from->post(AttemptsAnswered{waiter.request, {}});
  }
  void operator()(const PositionsWaiter& waiter) const { waiter.done(positions_answer(result)); }
  void operator()(const AheadWaiter&) const {}
  void operator()(const NobodyWaits&) const {}
};

struct Refusing {
  const Error& error;

  void operator()(const SendWaiter& waiter) const {
    std::vector<SendAnswer> answers(waiter.items, SendAnswer{SendAnswer::Held{error}});
    waiter.from->post(SendsAnswered{waiter.request, std::move(answers)});
  }
  void operator()(const LoginWaiter& waiter) const { waiter.from->post(LoginAnswered{waiter.request, fail(error)}); }
  void operator()(const AckWaiter& waiter) const { waiter.from->post(AckAnswered{waiter.request, fail(error)}); }
  void operator()(const TransferWaiter&) const {}
  void operator()(const ManageWaiter& waiter) const {
    waiter.from->post(ManageAnswered{waiter.request, fail(error), 0});
  }
  void operator()(const AttemptsWaiter& waiter) const {
    if (waiter.from) waiter.from->post(AttemptsAnswered{waiter.request, fail(error)});
  }
  void operator()(const PositionsWaiter& waiter) const { waiter.done(fail(error)); }
  void operator()(const AheadWaiter&) const {}
  void operator()(const NobodyWaits&) const {}
};

}  // namespace

void answer(const Waiter& waiter, cluster::CommandResult result, ShardId self, const Router* router) {
  std::visit(Answering{result, self, router}, waiter);
}

void refuse(const Waiter& waiter, const Error& error) { std::visit(Refusing{error}, waiter); }

void Waiters::add(Entry entry) {
  EARSHOT_INVARIANT(entries_.empty() || entries_.back().index < entry.index, "entries are submitted in log order");
  entries_.push_back(std::move(entry));
}

std::optional<Waiters::Entry> Waiters::pop_through(LogIndex applied) {
  if (entries_.empty() || entries_.front().index > applied) return std::nullopt;
  Entry entry = std::move(entries_.front());
  entries_.pop_front();
  return entry;
}

bool Waiters::expects(LogIndex index, Term term) const {
  const auto found = std::lower_bound(entries_.begin(), entries_.end(), index,
                                      [](const Entry& entry, LogIndex wanted) { return entry.index < wanted; });
  return found != entries_.end() && found->index == index && found->term == term;
}

std::vector<Waiters::Entry> Waiters::take_other_than(Term term) {
  std::vector<Entry> taken;
  const auto kept = std::stable_partition(entries_.begin(), entries_.end(),
                                          [term](const Entry& entry) { return entry.term == term; });
  std::move(kept, entries_.end(), std::back_inserter(taken));
  entries_.erase(kept, entries_.end());
  return taken;
}

}  // namespace earshot::actors
