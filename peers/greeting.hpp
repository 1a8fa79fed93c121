#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "peers/frame.hpp"

// What two nodes say to each other before frames follow (schema/link.capnp), as C++ types with their codec.
namespace earshot::peers {

// What a node can speak. A node that can speak more raises the upper one; the lower one rises when an old form goes.
struct ProtocolRange {
  std::uint16_t min = 1;
  std::uint16_t max = 1;
  bool operator==(const ProtocolRange&) const = default;
};

enum class Purpose : std::uint8_t {
  kNode,    // a link between two nodes of a cluster
  kJoiner,  // one question of a process that has no identity yet
};

struct Hello {
  ProtocolRange protocol;
  Purpose purpose = Purpose::kNode;
  std::uint64_t cluster_id = 0;
  NodeId node;
  std::uint64_t boot = 0;
  PerClass<std::uint64_t> windows{kWindowBytes, kWindowBytes, kWindowBytes};
  bool operator==(const Hello&) const = default;
};
struct Welcome {
  Hello hello;
};
struct Start {};

enum class RefusalReason : std::uint8_t {
  kUnknown,
  kProtocol,
  kCluster,
  kUnknownNode,
  kOwnIdentity,
  kTwin,
  kDuplicate,  // no fault: another connection between the two stands or is being made
  kCertificate,
  kBusy,
  kOtherNode,
  kMalformed,
  kRemoved,  // for good: who is told so ends
};
struct Refusal {
  RefusalReason reason = RefusalReason::kUnknown;
  std::string detail;  // one sentence
};
struct Request {
  std::string bytes;
};
struct Answer {
  std::string bytes;
};
using Greeting = std::variant<Hello, Welcome, Start, Refusal, Request, Answer>;

// In front of each: eight bytes that no other protocol begins with, the size of the message, its checksum.
inline constexpr std::size_t kGreetingHeadBytes = 24;
inline constexpr std::size_t kGreetingBytesMax = 4 << 10;  // of all but requests and answers

struct GreetingHead {
  std::uint32_t bytes = 0;
  std::uint64_t checksum = 0;
};

// With its head.
std::string encode(const Greeting& greeting);
// Of kGreetingHeadBytes bytes. kUnsupportedVersion(peer) for what speaks something else, in words that help;
// kTooLarge(peer) beyond `bytes_max`.
Result<GreetingHead> decode_head(std::string_view bytes, std::size_t bytes_max);
// kChecksumMismatch, kCorrupt(peer). Texts are cut, and free of control characters.
Result<Greeting> decode_greeting(const GreetingHead& head, std::string_view bytes);

}  // namespace earshot::peers
