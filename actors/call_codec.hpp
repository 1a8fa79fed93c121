#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actors/ports.hpp"
#include "actors/registration_digest.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"

// What crosses between nodes for sessions, shards and the place desk: the structs of ports.hpp as flat bytes, one
// Cap'n Proto message (schema/call.capnp) with 8 bytes of checksum behind it. A port cannot cross: in its place stands
// an address. So each struct goes out by reference, beside an address, and comes back with a null port, for whoever
// decodes it to set.
//
// Decoding trusts nothing. Names, counts and sizes keep the limits that the gateway holds clients to, and a command
// keeps the rules that the state machine relies on: an entry that cannot be read would stop its node for ever. Every
// body that comes along is compared with its sender's checksum. What is refused names the field as a schema spells it:
//   kChecksumMismatch    the bytes, or a body, were altered on the way
//   kCorrupt             no message of this kind
//   kInvalidArgument     a field breaks a rule
//   kTooLarge            it, or a field, exceeds a limit
//   kUnsupportedVersion  a kind of request or answer that this version does not know
namespace earshot::actors {

// ---- requests for a shard

using CallRequest = ShardRequest;

struct Call {
  PortAddress from;
  std::uint8_t hops = 0;  // how often it was passed on
  CallRequest request;    // without port, without `done`
};

// `Request` is an alternative of CallRequest. Its port, its `done` and its lease stay here.
template <class Request>
std::string encode_call(const PortAddress& from, std::uint8_t hops, const Request& request);
std::string encode_call(const Call& call);

// `shard_count` is the cluster's: a shard that a request names is one of so many.
Result<Call> decode_call(std::string_view bytes, std::uint16_t shard_count);
// Whose it is, also when decode_call() refuses the rest for another reason than altered bytes: to be told so
// (CallRefused).
Result<PortAddress> decode_call_from(std::string_view bytes);

// ---- answers, pushes, words to sessions

struct PositionsAnswered {  // to ShardPositions
  Result<PositionsAnswer> answer;
};
struct WhereAnswered {  // to ShardWhere
  Result<WhereAnswer> answer;
};
struct CallRefused {  // the node did not take the call: it changed nothing, and no other answer follows
  Error error;
};
struct ExplainAsked {  // SessionExplain, and whom to answer
  SessionExplain question;
  PortAddress from;
};

struct LeaderFollowed {  // by a replica of the node that says so
  ShardId shard;
  Term term;
  NodeId leader;
};

using AnswerContent =
    std::variant<SendsAnswered, LoginAnswered, AckAnswered, FetchAnswered, MailboxPush, ManageAnswered,
                 AttemptsAnswered, MessagesEnded, ParkingRule, ExplainAsked, SessionExplained, SessionEvicted,
                 LeaderAnnounced, LeaderFollowed, PositionsAnswered, WhereAnswered, CallRefused>;

// A leader numbers what it pushes to a node 1, 2, 3 … within its term (push_watch.hpp).
struct PushMark {
  ShardId shard;
  Term term;
  std::uint64_t number = 0;  // 0: not numbered
  bool operator==(const PushMark&) const = default;
};

struct Answer {
  PortAddress to;
  AnswerContent content;
  PushMark mark = {};
};

// `Content` is an alternative of AnswerContent; MailboxPush and MessagesEnded of so many messages or ranges, and bytes,
// as one answer may hold: see encode_push(). FetchAnswered goes without its lease.
template <class Content>
std::string encode_answer(const PortAddress& to, const Content& content, const PushMark& mark = {});
std::string encode_answer(const Answer& answer);

// What one entry brings to a mailbox may be more than fits one frame: in as many as it takes, in order; in none when
// there is nothing to tell. `next` gives the mark of each.
using NextMark = std::function<PushMark()>;
std::vector<std::string> encode_push(const PortAddress& to, const MailboxPush& push, const NextMark& next);
std::vector<std::string> encode_push(const PortAddress& to, const MessagesEnded& ended, const NextMark& next);

Result<Answer> decode_answer(std::string_view bytes, std::uint16_t shard_count);

// ---- what a node compares with a shard's leader

std::string encode_registrations(const RegistrationDigest& digest);
Result<RegistrationDigest> decode_registrations(std::string_view bytes);
// A node's wall clock: a frame of PeerTopic::kClock.
std::string encode_wall_clock(std::uint64_t unix_ms);
Result<std::uint64_t> decode_wall_clock(std::string_view bytes);

}  // namespace earshot::actors
