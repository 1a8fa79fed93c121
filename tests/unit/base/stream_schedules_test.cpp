#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/support/seed.hpp"
#include "tests/unit/base/stream_world.hpp"

namespace earshot::tests {
namespace {

// How far an exploration goes.
struct Bounds {
  int items = 3;
  std::size_t window_max = 2;
  std::size_t data_max = 2;     // messages under way to the receiver
  std::size_t answers_max = 2;  // answers under way to the sender
  int receiver_crashes_max = 0;
  int sender_crashes_max = 0;
};

struct State {
  StreamWorld world;
  int sender_crashes = 0;
  std::string path;  // the actions that led here, for a failure's text
};

// What tells states apart. The order under way does not matter, since any message may be next; a round of resending
// matters only by whether it is the present one.
std::string key_of(const State& state) {
  const StreamWorld& world = state.world;
  std::string key;
  const auto put = [&key](std::uint64_t value) { key.push_back(static_cast<char>(value)); };
  put(static_cast<std::uint64_t>(world.pushed)), put(static_cast<std::uint64_t>(world.lives));
  put(static_cast<std::uint64_t>(state.sender_crashes));
  put(world.sender.confirmed_below()), put(world.sender.next_to_send());
  std::uint64_t unconfirmed = 0;
  for (std::uint64_t n = world.sender.confirmed_below(); n <= world.sender.last(); ++n)
    unconfirmed = unconfirmed * 2 + (world.sender.find(n) != nullptr ? 1 : 0);
  put(unconfirmed);
  for (const auto* receiver : {&world.receiver, &world.committed}) {
    put(receiver->expected()), put(receiver->known().size());
    for (const auto& known : receiver->known()) put(static_cast<std::uint64_t>(known.answer));
  }
  for (int n = 1; n <= world.items; ++n) put(static_cast<std::uint64_t>(world.answers[static_cast<std::size_t>(n)]));
  const auto ticket = [&](const StreamWorld::Sender::Ticket& sent) {
    return std::string{sent.round == world.sender.ticket().round ? 'p' : 'o', static_cast<char>(sent.confirmed_below)};
  };
  const auto put_bag = [&key](std::vector<std::string> bag) {
    std::sort(bag.begin(), bag.end());
    key.push_back(static_cast<char>(bag.size()));
    for (const auto& one : bag) key += one;
  };
  std::vector<std::string> bag;
  for (const auto& data : world.to_receiver)
    bag.push_back(std::string{static_cast<char>(data.number), data.orphan ? 'o' : 'l'} +
                  (data.orphan ? std::string{'o', static_cast<char>(data.answered_below)} : ticket(data.ticket)));
  put_bag(std::move(bag));
  for (const auto* answers : {&world.withheld, &world.to_sender}) {
    bag.clear();
    for (const auto& answer : *answers)
      bag.push_back(std::string{static_cast<char>(answer.number), static_cast<char>(answer.verdict),
                                static_cast<char>(answer.answer), static_cast<char>(answer.expected)} +
                    ticket(answer.ticket));
    put_bag(std::move(bag));
  }
  return key;
}

// Every schedule of loss, delay, reordering, repeats, timeouts and crashes within the bounds, depth first, each state
// once.
class Exploration {
 public:
  explicit Exploration(Bounds bounds) : bounds_(bounds) {}

  // The number of states, or 0 after a failure, with its schedule in the test's output.
  std::size_t run() {
    visit(State{StreamWorld(bounds_.items, bounds_.window_max), 0, {}});
    while (!open_.empty() && failure_.empty()) {
      const State state = std::move(open_.back());
      open_.pop_back();
      expand(state);
    }
    EXPECT_EQ(failure_, "");
    return failure_.empty() ? seen_.size() : 0;
  }

 private:
  template <class Act>
  void step(const State& from, std::string name, Act&& act) {
    State next = from;
    act(next);
    next.path += std::move(name) + " ";
    visit(std::move(next));
  }

  void expand(const State& state) {
    const StreamWorld& world = state.world;
    if (world.pushed < world.items && !world.sender.is_full())
      step(state, "push", [](State& next) { next.world.push(); });
    if (world.to_receiver.size() < bounds_.data_max && world.sender.has_ready())
      step(state, "send", [](State& next) { next.world.send(1); });
    if (world.sender.next_to_send() != world.sender.confirmed_below())
      step(state, "timeout", [](State& next) { next.world.sender.rewind_all(); });
    if (world.withheld.size() + world.to_sender.size() <= bounds_.answers_max)
      step(state, "commit", [](State& next) { next.world.commit(); });
    if (world.lives < bounds_.receiver_crashes_max)
      step(state, "crash-receiver", [](State& next) { next.world.crash_receiver(); });
    if (state.sender_crashes < bounds_.sender_crashes_max)
      step(state, "crash-sender", [](State& next) { next.world.crash_sender(), ++next.sender_crashes; });
    expand_channel(state);
  }

  void expand_channel(const State& state) {
    const StreamWorld& world = state.world;
    for (std::size_t i = 0; i < world.to_receiver.size(); ++i) {
      const std::string which = std::to_string(world.to_receiver[i].number);
      step(state, "lose:" + which, [i](State& next) {
        next.world.to_receiver.erase(next.world.to_receiver.begin() + static_cast<std::ptrdiff_t>(i));
      });
      if (world.withheld.size() >= bounds_.answers_max) continue;
      step(state, "receive:" + which, [i](State& next) { next.world.receive(i, false); });
      step(state, "receive-again:" + which, [i](State& next) { next.world.receive(i, true); });
    }
    for (std::size_t i = 0; i < world.to_sender.size(); ++i) {
      const std::string which = std::to_string(world.to_sender[i].number);
      step(state, "lose-answer:" + which, [i](State& next) {
        next.world.to_sender.erase(next.world.to_sender.begin() + static_cast<std::ptrdiff_t>(i));
      });
      step(state, "hear:" + which, [i](State& next) { next.world.hear(i, false); });
      step(state, "hear-again:" + which, [i](State& next) { next.world.hear(i, true); });
    }
  }

  void visit(State state) {
    if (!failure_.empty()) return;
    if (!state.world.broken.empty()) {
      failure_ = state.world.broken + ": " + state.path;
      return;
    }
    if (!seen_.insert(key_of(state)).second) return;
    StreamWorld kind = state.world;
    kind.finish();
    if (!kind.broken.empty()) {
      failure_ = kind.broken + " (when all goes well after): " + state.path;
      return;
    }
    open_.push_back(std::move(state));
  }

  Bounds bounds_;
  std::unordered_set<std::string> seen_;
  std::vector<State> open_;
  std::string failure_;
};

TEST(StreamSchedules, EveryOrderOfLossDelayAndRepeatDeliversEachItemOnce) {
  Bounds bounds;
  const std::size_t states = Exploration(bounds).run();
  RecordProperty("states", static_cast<int>(states));
  std::cout << states << " states\n";
  EXPECT_GT(states, 1'000u);
}

TEST(StreamSchedules, EveryCrashOfTheReceiverKeepsWhatItAnswered) {
  Bounds bounds;
  bounds.items = 2, bounds.receiver_crashes_max = 1;
  const std::size_t states = Exploration(bounds).run();
  std::cout << states << " states\n";
  EXPECT_GT(states, 1'000u);
}

TEST(StreamSchedules, EveryCrashOfTheSenderSendsWhatItKept) {
  Bounds bounds;
  bounds.items = 2, bounds.sender_crashes_max = 1;
  const std::size_t states = Exploration(bounds).run();
  std::cout << states << " states\n";
  EXPECT_GT(states, 1'000u);
}

}  // namespace
}  // namespace earshot::tests
