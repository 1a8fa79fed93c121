#pragma once

#include <cstdint>

namespace earshot::actors {

// What whoever reads may be told of damage. Other replicas have what is lost here alone: then nothing may be told of
// it.
enum class Tells : std::uint8_t {
  kNothing,  // of damage
  kHoles,    // that messages are missing, since all replicas lack them
  kAll,      // nobody else has the state
};

enum class FlushOutcome : std::uint8_t {
  kWritten,            // committed and synced
  kWrittenOverDamage,  // … and a record that was changed had been damaged: what counts them may hide what is missing
  kRefused,            // nothing was written: what counts the shard's records on the disk cannot be read
};

enum class ReadOutcome : std::uint8_t {
  kAnswered,
  kDamaged,  // a record is damaged
  kHole,     // a message is missing, here or everywhere
};

}  // namespace earshot::actors
