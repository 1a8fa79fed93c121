#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/stream.hpp"

namespace earshot::tests {

// A sender and a receiver joined by a channel that may lose, delay, reorder and repeat in both directions, while both
// may crash and go on from what they had made durable. Every action checks the promises of a stream; `broken` names the
// first that failed. The item with number n is 100 + n, so that an accepted item out of its place shows.
struct StreamWorld {
  using Sender = StreamSender<int>;
  using Receiver = StreamReceiver<int, int>;

  struct Data {
    std::uint64_t number = 0;
    int item = 0;
    std::uint64_t answered_below = 0;
    Sender::Ticket ticket;
    bool orphan = false;  // sent by an earlier life of the sender: its answer reaches nobody
  };
  struct Answer {
    std::uint64_t number = 0;
    StreamVerdict verdict = StreamVerdict::kAccept;
    int answer = 0;              // with kAccept and kRepeat
    std::uint64_t expected = 0;  // with kOutOfOrder
    Sender::Ticket ticket;
  };

  StreamWorld(int items, std::size_t window_max)
      : items(items), window_max(window_max), sender(window_max), receiver(window_max), committed(window_max) {}

  int items;
  std::size_t window_max;
  int pushed = 0;
  Sender sender;
  Receiver receiver;
  Receiver committed;            // what a crash of the receiver falls back to
  std::vector<Answer> withheld;  // answers that wait for the commit
  std::vector<Data> to_receiver;
  std::vector<Answer> to_sender;
  std::vector<int> answers = std::vector<int>(64, 0);  // by number: the first answer that the sender got
  int lives = 0;                                       // crashes of the receiver so far
  std::string broken;

  void check(bool holds, const char* promise) {
    if (!holds && broken.empty()) broken = promise;
  }
  [[nodiscard]] bool complete() const { return pushed == items && sender.unconfirmed() == 0; }

  void push() {
    if (pushed == items || sender.is_full()) return;
    const auto number = sender.push(101 + pushed);
    ++pushed;
    check(number && *number == static_cast<std::uint64_t>(pushed), "numbers are given out without holes");
  }
  std::size_t send(std::size_t count) {
    return sender.send_ready(count, [&](std::uint64_t number, int item) {
      to_receiver.push_back({number, item, sender.confirmed_below(), sender.ticket(), false});
    });
  }

  // Hands one message over; it may come again later when it is kept.
  void receive(std::size_t index, bool keep) {
    const Data data = to_receiver[index];
    if (!keep) to_receiver.erase(to_receiver.begin() + static_cast<std::ptrdiff_t>(index));
    receiver.forget_below(data.answered_below);
    Answer answer{data.number, receiver.judge(data.number, data.item), 0, 0, data.ticket};
    switch (answer.verdict) {
      case StreamVerdict::kAccept:
        check(data.item == 100 + static_cast<int>(data.number), "items are accepted in order, each once");
        check(!receiver.is_full(), "a sender that keeps its window never finds the receiver full");
        if (!broken.empty()) return;
        answer.answer = static_cast<int>(data.number) * 10 + lives;
        receiver.record(data.item, answer.answer);
        break;
      case StreamVerdict::kRepeat: answer.answer = receiver.find(data.number)->answer; break;
      case StreamVerdict::kOutOfOrder: answer.expected = receiver.expected(); break;
      case StreamVerdict::kReset:
        check(sender.find(data.number) == nullptr, "nothing is forgotten that the sender still needs");
        break;
    }
    check(receiver.known().size() <= window_max, "the receiver's memory is bounded");
    if (!data.orphan) withheld.push_back(answer);
  }

  void commit() {
    committed = receiver;
    to_sender.insert(to_sender.end(), withheld.begin(), withheld.end());
    withheld.clear();
  }
  void crash_receiver() {
    receiver = Receiver(window_max, committed.first_known());
    for (const auto& known : committed.known()) receiver.record(known.identity, known.answer);
    committed = receiver;
    withheld.clear();
    ++lives;
  }
  // The sender's items and its lowest unconfirmed number are durable; what it had sent, and confirmations beyond a gap,
  // are not.
  void crash_sender() {
    Sender restarted(window_max, sender.epoch(), sender.confirmed_below());
    for (std::uint64_t number = sender.confirmed_below(); number <= sender.last(); ++number)
      check(restarted.restore(100 + static_cast<int>(number)).has_value(), "what was kept fits again");
    sender = std::move(restarted);
    to_sender.clear();
    withheld.clear();
    for (Data& data : to_receiver) data.orphan = true;
  }

  void hear(std::size_t index, bool keep) {
    const Answer answer = to_sender[index];
    if (!keep) to_sender.erase(to_sender.begin() + static_cast<std::ptrdiff_t>(index));
    switch (answer.verdict) {
      case StreamVerdict::kAccept:
      case StreamVerdict::kRepeat:
        check(answer.number < committed.expected(), "an answer means durable");
        check(answers[answer.number] == 0 || answers[answer.number] == answer.answer, "a repeat gets the first answer");
        answers[answer.number] = answer.answer;
        check(sender.confirm(answer.number), "an honest answer is taken");
        break;
      case StreamVerdict::kOutOfOrder:
        check(sender.out_of_order(answer.expected, answer.ticket), "no restart is called for while nothing is lost");
        break;
      case StreamVerdict::kReset:
        check(sender.find(answer.number) == nullptr, "a reset reaches only what is confirmed");
        break;
    }
    check(sender.next_to_send() >= sender.confirmed_below() && sender.next_to_send() <= sender.last() + 1,
          "the sender's place is within its window");
    check(sender.unconfirmed() <= window_max, "the sender's window is bounded");
  }

  // From here on the channel is kind: a timeout, and everything arrives in order. Must end with all items confirmed.
  void finish() {
    for (int round = 0; round < 4 * items + 4 && broken.empty() && !complete(); ++round) {
      while (pushed < items && !sender.is_full()) push();
      sender.rewind_all();
      send(window_max);
      while (!to_receiver.empty() && broken.empty()) receive(0, false);
      commit();
      while (!to_sender.empty() && broken.empty()) hear(0, false);
    }
    check(complete(), "a kind channel completes the stream");
    check(receiver.expected() == static_cast<std::uint64_t>(items) + 1, "every item was accepted");
  }
};

}  // namespace earshot::tests
