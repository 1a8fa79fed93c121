#pragma once

namespace earshot::actors {

// While it lives, actors that this thread sends to from no actor's name wait with what they got; at its end they are
// given to the threads that run actors, all at once. One at a time, each would wake a thread that is done with it
// before the next one comes. For a thread that runs no actors; not one within another.
class SentTogether {
 public:
  SentTogether();
  ~SentTogether();
  SentTogether(const SentTogether&) = delete;
  SentTogether& operator=(const SentTogether&) = delete;
};

}  // namespace earshot::actors
