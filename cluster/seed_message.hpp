#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.hpp"
#include "storage/seed_part.hpp"

// What a replica that needs a state and its leader say to each other, with the codec: frames of PeerTopic::kSeed.
namespace earshot::cluster {

struct SeedRequest {
  std::uint64_t seed = 0;       // 0: a new one
  std::uint64_t number = 1;     // of the part
  std::uint32_t bytes_max = 0;  // about so much, at least one record
  bool operator==(const SeedRequest&) const = default;
};

struct SeedRefusal {
  enum class Reason : std::uint8_t {
    kUnknown,
    kNotLeader,  // ask whoever is
    kBusy,       // ask again
    kCorrupt,    // a record there is damaged: this node has no state to give
  };
  Reason reason = Reason::kUnknown;
  std::uint32_t retry_after_ms = 0;
  bool operator==(const SeedRefusal&) const = default;
};

struct SeedMessage {
  // Chosen by who asks, another one for each question that is not the last one again; an answer repeats it. The upper
  // half is of the asking process, the lower one ascends.
  std::uint64_t ask = 0;
  std::variant<SeedRequest, storage::SeedPart, SeedRefusal> content;
};

// One Cap'n Proto message (schema/seed.capnp), then 8 bytes of checksum over it.
std::string encode(const SeedMessage& message);
// The same of a part that stays where it is.
std::string encode(std::uint64_t ask, const storage::SeedPart& part);
// kChecksumMismatch for altered bytes; kCorrupt for others that are no message; kTooLarge for more than a part may
// hold; kUnsupportedVersion for a kind of message that this version does not know.
Result<SeedMessage> decode_seed_message(std::string_view bytes);

}  // namespace earshot::cluster
