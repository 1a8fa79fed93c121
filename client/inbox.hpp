#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "client/client.hpp"
#include "client/store.hpp"

namespace earshot::client {

// The body is not the one that its sender made the checksum of.
bool is_altered(const IncomingMessage& message);

// What this client has received: LastReceivedSeqID, and what a batch means to it.
//
//   `ordered`, `sequenceOnly`   a batch is taken when it follows last_received without a hole, `lost` ranges counted;
//                               nothing of a batch with a hole is taken
//   `unordered`                 every message not yet received is taken; those beyond last_received + 1 are remembered
//                               one by one, at most selective_acks_max
//
// A store may have been filled in another mode: what was remembered one by one then counts as received in every mode.
// A body that does not fit its checksum is never taken. Pure logic, one thread.
class Inbox {
 public:
  Inbox(DeliveryMode mode, InboxHead head);

  // A refetch that makes a batch good.
  struct Repair {
    FetchCause cause = FetchCause::kGap;
    Sequence after;
    Sequence until;           // done when everything up to here is received
    std::uint32_t limit = 0;  // 0: as many as an answer may hold
  };
  struct Judgement {
    std::vector<IncomingMessage> messages;  // to be stored, in this order
    std::vector<LostRange> lost;
    std::vector<Sequence> repeats;  // stored before: ack them again
    std::size_t altered = 0;
    std::optional<Repair> repair;
    bool other_epoch = false;  // not of this mailbox's life: log in again
    [[nodiscard]] bool nothing_new() const { return messages.empty() && lost.empty(); }
  };
  [[nodiscard]] Judgement judge(Batch batch);

  // Takes out what the application rejects: in `unordered` mode those messages, else everything from the first of them.
  // Gives the sequences to nack.
  std::vector<Sequence> reject(Judgement& judgement, std::span<const Rejection> rejections);

  // The head when the judged messages and lost ranges are stored: to be committed with them, then adopt()ed.
  [[nodiscard]] InboxHead head_after(const Judgement& judgement) const;
  // The head after a welcome. kConflict when the mailbox is another user's.
  [[nodiscard]] Result<InboxHead> head_after(const Welcome& welcome) const;
  void adopt(InboxHead head);

  [[nodiscard]] bool has(Sequence sequence) const;
  [[nodiscard]] const InboxHead& head() const { return head_; }

 private:
  [[nodiscard]] Judgement judge_in_sequence(Batch batch) const;
  [[nodiscard]] Judgement judge_each(Batch batch);
  void take_reachable_lost(Judgement& judgement) const;

  DeliveryMode mode_;
  InboxHead head_;
  // `unordered`: ascending, not yet contiguous; the server tells them after a login.
  std::vector<LostRange> lost_ahead_;
};

}  // namespace earshot::client
