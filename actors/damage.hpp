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

enum class ReadOutcome : std::uint8_t {
  kAnswered,
  kDamaged,  // a record is damaged
  kHole,     // a message is missing, here or everywhere
};

}  // namespace earshot::actors
