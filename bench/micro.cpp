// The hot pure parts, one core, no disk and no network: what a message costs in each before anything waits.
#include <benchmark/benchmark.h>

#include "base/checksum.hpp"
#include "cluster/shard_machine.hpp"
#include "schema/commands.hpp"
#include "storage/journal_frame.hpp"
#include "storage/model_environment.hpp"
#include "storage/state_store.hpp"

namespace earshot {
namespace {

constexpr std::uint16_t kShards = 1;
constexpr std::size_t kRecipients = 10'000;

// A batch as a shard gathers it: `messages` of one producer, 128 bytes each, lane numbers from `first` on.
CommandBatch batch_of(std::size_t messages, std::uint64_t first) {
  SendCommand send{ProducerId(1 << 16), UserId::trusted("alice"), DeviceId::trusted("laptop"), {}};
  for (std::size_t i = 0; i < messages; ++i) {
    OutgoingMessage message;
    message.recipient = UserId::trusted("user-" + std::to_string((first + i) * 7919 % kRecipients));
    message.number = LaneNumber(first + i);
    message.answered_below = LaneNumber(first);
    message.id = MessageId{1, first + i};
    message.body.assign(128, 'x');
    message.checksum = checksum_of(message.body);
    send.items.push_back({std::move(message), std::nullopt});
  }
  CommandBatch batch{1'700'000'000'000, {}};
  batch.commands.emplace_back(std::move(send));
  return batch;
}

void count_messages(benchmark::State& state, std::int64_t per_round) {
  state.SetItemsProcessed(state.iterations() * per_round);
}

void Checksum(benchmark::State& state) {
  const std::string body(static_cast<std::size_t>(state.range(0)), 'x');
  for (auto _ : state) benchmark::DoNotOptimize(checksum_of(body));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Checksum)->Arg(128)->Arg(64 << 10);

void EncodeCommands(benchmark::State& state) {
  const CommandBatch batch = batch_of(static_cast<std::size_t>(state.range(0)), 1);
  for (auto _ : state) benchmark::DoNotOptimize(encode(batch));
  count_messages(state, state.range(0));
}
BENCHMARK(EncodeCommands)->Arg(1)->Arg(64);

void DecodeCommands(benchmark::State& state) {
  const std::string bytes = encode(batch_of(static_cast<std::size_t>(state.range(0)), 1));
  for (auto _ : state) benchmark::DoNotOptimize(decode_command_batch(bytes));
  count_messages(state, state.range(0));
}
BENCHMARK(DecodeCommands)->Arg(1)->Arg(64);

// What a commit of the log costs beside the disk: its frame, and that looked at again at a start.
std::string_view build_frame(storage::FrameWriter& writer, std::size_t records, const std::string& record) {
  writer.begin();
  for (std::size_t i = 0; i < records; ++i) writer.put(0, std::to_string(10'000'000 + i), record);
  return writer.finish(1, 1);
}

void BuildFrame(benchmark::State& state) {
  const std::string record(200, 'x');
  storage::FrameWriter writer;
  for (auto _ : state) benchmark::DoNotOptimize(build_frame(writer, static_cast<std::size_t>(state.range(0)), record));
  count_messages(state, state.range(0));
}
BENCHMARK(BuildFrame)->Arg(1)->Arg(256);

void ReadFrame(benchmark::State& state) {
  storage::FrameWriter writer;
  const std::string frame(build_frame(writer, static_cast<std::size_t>(state.range(0)), std::string(200, 'x')));
  for (auto _ : state) {
    const auto head = storage::read_frame(frame);
    std::size_t changes = 0;
    (void)storage::read_changes(std::string_view(frame).substr(0, head->bytes),
                                [&](const storage::FrameChange&) { ++changes; });
    benchmark::DoNotOptimize(changes);
  }
  count_messages(state, state.range(0));
}
BENCHMARK(ReadFrame)->Arg(1)->Arg(256);

void flush(cluster::ShardMachine& machine, storage::Environment& environment) {
  const auto overlay = machine.freeze();
  if (overlay == nullptr) return;
  const Status written = storage::write_overlays(environment, {&overlay, 1});
  EARSHOT_INVARIANT(written.has_value(), "the model of a disk has room");
  machine.flushed();
}

// From an entry's bytes to sequences, records in the overlay and answers; flushed to the model of a disk every 64
// entries, which is not measured.
void ApplySends(benchmark::State& state) {
  const auto messages = static_cast<std::size_t>(state.range(0));
  storage::ModelDisk disk(1);
  const auto environment = disk.open();
  storage::ShardState shard_state(*environment, ShardId(0));
  auto machine = cluster::ShardMachine::open(shard_state, ShardId(0), kShards);
  if (!machine) return state.SkipWithError(machine.error().to_string().c_str());
  std::uint64_t index = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const std::string entry = encode(batch_of(messages, index * messages + 1));
    if (index % 64 == 63) flush(**machine, *environment);
    state.ResumeTiming();
    benchmark::DoNotOptimize((*machine)->apply(LogIndex(++index), Term(1), entry));
  }
  count_messages(state, state.range(0));
}
BENCHMARK(ApplySends)->Arg(1)->Arg(64);

}  // namespace
}  // namespace earshot

BENCHMARK_MAIN();
