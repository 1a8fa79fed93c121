#pragma once

namespace earshot {

// From now on a failed allocation ends the process with a line on standard error instead of an exception. Everything
// that grows has a limit, so memory runs out only where the machine has less than the limits add up to; unwinding half
// of a request, or losing one actor while the others go on, would be worse than a restart, which finds all that was
// acknowledged.
void stop_when_out_of_memory();

}  // namespace earshot
