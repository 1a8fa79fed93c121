#include "cluster/pulse_message.hpp"

#include <string>
#include <utility>

#include "base/limits.hpp"
#include "schema/flat.hpp"
#include "schema/peer.capnp.h"

namespace earshot::cluster {

std::string encode(const Pulse& pulse) {
  flat::Writer writer(flat::words_of<schema::Pulse>() + flat::words_of_list<schema::GroupBeat>(pulse.beats.size()) +
                      flat::kChecksumWords);
  auto to = writer.initRoot<schema::Pulse>();
  to.setIsAnswer(pulse.is_answer);
  auto beats = to.initBeats(static_cast<unsigned>(pulse.beats.size()));
  for (unsigned i = 0; i < beats.size(); ++i) {
    const GroupBeat& beat = pulse.beats[i];
    beats[i].setGroup(beat.group.value);
    beats[i].setTerm(beat.term.value);
    beats[i].setLast(beat.last.value);
  }
  return flat::with_checksum(writer.take());
}

Result<Pulse> decode_pulse(std::string_view bytes) {
  return flat::read_checked<schema::Pulse>(bytes, "pulse", [](schema::Pulse::Reader from) -> Result<Pulse> {
    const auto beats = from.getBeats();
    constexpr unsigned kGroupsMax = limits::kShardsMax + 1u;  // and the meta group
    if (beats.size() > kGroupsMax)
      return flat::corrupt(
          "pulse", "has " + std::to_string(beats.size()) + " groups, the limit is " + std::to_string(kGroupsMax));
    Pulse pulse;
    pulse.is_answer = from.getIsAnswer();
    pulse.beats.reserve(beats.size());
    for (const auto beat : beats)
      pulse.beats.push_back({storage::GroupId(beat.getGroup()), Term(beat.getTerm()), LogIndex(beat.getLast())});
    return pulse;
  });
}

}  // namespace earshot::cluster
