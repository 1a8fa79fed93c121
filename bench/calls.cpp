// What a request for a shard of another node, and what comes back, cost in bytes and back in structs: one core, no
// network.
#include <memory>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "actors/call_codec.hpp"
#include "base/checksum.hpp"

namespace earshot::actors {
namespace {

constexpr std::uint16_t kShards = 64;
constexpr std::size_t kBodyBytes = 128;
const PortAddress kAddress{NodeId(2), 1'000'000, 40'000};

ShardSend send_of_one() {
  SendItem item;
  item.message.recipient = UserId::trusted("user-4711");
  item.message.number = item.message.answered_below = LaneNumber(1'000);
  item.message.id = MessageId{1, 1'000};
  item.message.body.assign(kBodyBytes, 'x');
  item.message.checksum = checksum_of(item.message.body);
  SendCommand command{ProducerId(1 << 16), UserId::trusted("alice"), DeviceId::trusted("laptop"), {}};
  command.items.push_back(std::move(item));
  return {nullptr, 1'000, std::move(command)};
}

MailboxPush push_of(std::size_t messages) {
  MailboxPush push;
  for (std::size_t i = 1; i <= messages; ++i) {
    IncomingMessage message;
    message.sequence = Sequence(i);
    message.sender = UserId::trusted("alice");
    message.sender_device = DeviceId::trusted("laptop");
    message.id = MessageId{1, i};
    message.body.assign(kBodyBytes, 'x');
    message.checksum = checksum_of(message.body);
    push.messages.push_back(std::make_shared<const IncomingMessage>(std::move(message)));
  }
  return push;
}

void CallOver(benchmark::State& state) {
  const ShardSend send = send_of_one();
  for (auto _ : state) benchmark::DoNotOptimize(decode_call(encode_call(kAddress, 0, send), kShards));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(CallOver);

void PushOver(benchmark::State& state) {
  const auto messages = static_cast<std::size_t>(state.range(0));
  const MailboxPush push = push_of(messages);
  for (auto _ : state) {
    for (const std::string& frame : encode_push(kAddress, push, [] { return PushMark{}; }))
      benchmark::DoNotOptimize(decode_answer(frame, kShards));
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(PushOver)->Arg(16);

}  // namespace
}  // namespace earshot::actors
