#include "actors/asker.hpp"

#include <utility>

#include "schema/commands.hpp"

namespace earshot::actors {
namespace {

struct Taking {
  Asker operator()(ShardSend& one) const {
    return Waiter(SendWaiter{std::move(one.from), one.request, one.command.items.size()});
  }
  Asker operator()(ShardLogin& one) const { return Waiter(LoginWaiter{std::move(one.from), one.request}); }
  Asker operator()(ShardAck& one) const { return Waiter(AckWaiter{std::move(one.from), one.request}); }
  Asker operator()(ShardFetch& one) const { return ReadAsker{std::move(one.from), one.request}; }
  Asker operator()(ShardHistory& one) const { return ReadAsker{std::move(one.from), one.request}; }
  Asker operator()(ShardManage& one) const { return Waiter(ManageWaiter{std::move(one.from), one.request, {}}); }
  Asker operator()(ShardAttempts& one) const {
    return Waiter(AttemptsWaiter{std::move(one.from), one.request, one.command.user, one.command.device});
  }
  Asker operator()(ShardPositions& one) const { return Waiter(PositionsWaiter{std::move(one.done)}); }
  Asker operator()(ShardWhere& one) const { return WhereAsker{std::move(one.done), one.members.size()}; }
  // What nobody waits for is said again: by a new leader's word, a digest that differs, or a timer.
  Asker operator()(ShardRegister&) const { return Waiter(NobodyWaits{}); }
  Asker operator()(ShardUnregister&) const { return Waiter(NobodyWaits{}); }
  Asker operator()(ShardTransfer&) const { return Waiter(NobodyWaits{}); }
  Asker operator()(ShardTransferred&) const { return Waiter(NobodyWaits{}); }
};

constexpr std::size_t kRequestBytes = 256;  // one without what it may bring along

}  // namespace

Asker take_asker(ShardRequest& request) { return std::visit(Taking{}, request); }

const SessionPort* port_of(const ShardRequest& request) {
  return std::visit(
      [](const auto& one) -> const SessionPort* {
        if constexpr (requires { one.from; })
          return one.from.get();
        else
          return nullptr;
      },
      request);
}

void refuse(const Asker& asker, const Error& error) {
  if (const auto* waiter = std::get_if<Waiter>(&asker)) return refuse(*waiter, error);
  if (const auto* where = std::get_if<WhereAsker>(&asker)) return where->done(fail(error));
  const auto& read = std::get<ReadAsker>(asker);
  read.from->post(FetchAnswered{read.request, fail(error)});
}

std::size_t bytes_of(const ShardRequest& request) {
  if (const auto* send = std::get_if<ShardSend>(&request)) {
    std::size_t bytes = kRequestBytes;
    for (const auto& item : send->command.items) bytes += kRequestBytes + item.message.body.size();
    return bytes;
  }
  if (const auto* transfer = std::get_if<ShardTransfer>(&request)) {
    std::size_t bytes = kRequestBytes;
    for (const auto& record : transfer->command.records) bytes += kRequestBytes + record.message.body.size();
    return bytes;
  }
  if (const auto* positions = std::get_if<ShardPositions>(&request)) {
    const auto* set = std::get_if<SetPositionsCommand>(&positions->command);
    const auto* clear = std::get_if<ClearPositionsCommand>(&positions->command);
    const std::size_t members = set != nullptr ? set->items.size() : clear != nullptr ? clear->members.size() : 1;
    return kRequestBytes * (1 + members);
  }
  if (const auto* where = std::get_if<ShardWhere>(&request)) return kRequestBytes * (1 + where->members.size());
  return 2 * kRequestBytes;
}

}  // namespace earshot::actors
