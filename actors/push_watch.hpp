#pragma once

#include <cstdint>
#include <utility>

#include "base/ids.hpp"

namespace earshot::actors {

// Whether all that a shard's leader has pushed to the sessions of this node has arrived. What crosses nodes goes in
// frames that may get lost. A session sees a lost push by the gap before the next one; but nothing follows the last,
// and it would wait in the mailbox until something else comes. So the leader numbers the frames in which it pushes to a
// node 1, 2, 3 … within its term, and says from time to time, when nodes compare their registrations, which number was
// the last: an idle session costs nothing.
//
// Nothing is sent again. When something was missed the sessions of that shard register and read again
// (LeaderAnnounced::again). A frame that is only late counts as missed: that costs a read, and no more.
class PushWatch {
 public:
  // A frame of pushes has arrived. True: one before it has not.
  bool arrived(Term term, std::uint64_t number) { return missed(term, number, number); }
  // The leader says that this was the last one; 0: there was none. True: it, or one before it, has not arrived.
  bool last_is(Term term, std::uint64_t number) { return missed(term, number, number + 1); }

 private:
  // Whether a number below `below` is missed, now that it is known that there was `number`.
  bool missed(Term term, std::uint64_t number, std::uint64_t below) {
    if (term < term_) return false;  // whoever leads now is read from
    if (term > term_) term_ = term, next_ = 1;
    if (number < next_) return false;
    return std::exchange(next_, number + 1) < below;
  }

  Term term_;
  std::uint64_t next_ = 1;  // of term_
};

}  // namespace earshot::actors
