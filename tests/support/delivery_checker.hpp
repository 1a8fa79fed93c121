#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/checksum.hpp"
#include "base/ids.hpp"
#include "schema/messages.hpp"

namespace earshot::tests {

// Holds what was seen of a run against the promises of delivery. Knows nothing of how the run was made.
class DeliveryChecker {
 public:
  // The `count`-th message (from 1) of a sending device to a recipient was given to send().
  void sent(const std::string& sender, const std::string& recipient, std::uint64_t count, MessageId id,
            std::string_view body) {
    sent_[id] = Sent{sender, recipient, count, checksum_of(body)};
  }
  // The broker said that it is stored.
  void stored(MessageId id, Stored answer) {
    const auto [known, is_new] = stored_.emplace(id, answer);
    if (!is_new && !(known->second == answer)) complain("message " + id.to_string() + " was told two places");
  }

  // The whole mailbox as the broker gives it, and what each device of its user has stored, in its order.
  void check_mailbox(const std::string& user, const std::vector<IncomingMessage>& mailbox) {
    std::map<std::string, std::uint64_t> newest;  // by sender
    std::set<MessageId> seen;
    for (std::size_t i = 0; i < mailbox.size(); ++i) {
      const auto& message = mailbox[i];
      if (message.sequence.value != i + 1)
        complain(user + ": sequence " + std::to_string(message.sequence.value) + " at place " + std::to_string(i + 1));
      if (!seen.insert(message.id).second) complain(user + ": message " + message.id.to_string() + " twice");
      const auto origin = sent_.find(message.id);
      if (origin == sent_.end() || origin->second.recipient != user) {
        complain(user + ": message " + message.id.to_string() + " was never sent to them");
        continue;
      }
      if (origin->second.count <= newest[origin->second.sender])
        complain(user + ": out of order: " + origin->second.sender);
      newest[origin->second.sender] = origin->second.count;
      check_body(user, message);
    }
    for (const auto& [id, answer] : stored_) {
      if (sent_.at(id).recipient != user) continue;
      const std::uint64_t place = answer.sequence.value;
      if (place == 0 || place > mailbox.size() || mailbox[place - 1].id != id)
        complain(user + ": message " + id.to_string() + " was told sequence " + std::to_string(place) +
                 " and is not there");
    }
  }
  // One that receives as its messages come, whatever their order, is given with them in the order of their sequences.
  void check_device(const std::string& device, const std::vector<IncomingMessage>& mailbox,
                    const std::vector<IncomingMessage>& received) {
    for (const auto& message : received) check_body(device, message);
    if (received.size() != mailbox.size())
      complain(device + " has " + std::to_string(received.size()) + " of " + std::to_string(mailbox.size()) +
               " messages");
    for (std::size_t i = 0; i < std::min(received.size(), mailbox.size()); ++i)
      if (received[i].sequence != mailbox[i].sequence || received[i].id != mailbox[i].id ||
          received[i].body != mailbox[i].body) {
        complain(device + " differs from the mailbox at place " + std::to_string(i + 1));
        return;
      }
  }

  [[nodiscard]] std::uint64_t sent_count() const { return sent_.size(); }
  [[nodiscard]] std::uint64_t stored_count() const { return stored_.size(); }
  // What was found broken; empty when every promise was kept.
  [[nodiscard]] const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  struct Sent {
    std::string sender;
    std::string recipient;
    std::uint64_t count = 0;
    std::uint64_t body = 0;  // its checksum
  };
  // Of messages that were sent: who received another is told so elsewhere.
  void check_body(const std::string& receiver, const IncomingMessage& message) {
    const auto origin = sent_.find(message.id);
    if (origin != sent_.end() && origin->second.body != checksum_of(message.body))
      complain(receiver + ": message " + message.id.to_string() + " is not what its sender sent");
  }
  void complain(std::string text) {
    if (complaints_.size() < 20) complaints_.push_back(std::move(text));
  }

  std::map<MessageId, Sent> sent_;
  std::map<MessageId, Stored> stored_;
  std::vector<std::string> complaints_;
};

}  // namespace earshot::tests
