#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "actors/node_question.hpp"
#include "base/error.hpp"

// Questions and answers of nodes as frames of PeerTopic::kQuestions (schema/question.capnp), with their checksum.
//
// Decoding trusts nothing: names, counts and sizes keep their limits, numbers are numbers, and what ascends does.
//   kChecksumMismatch    the bytes were altered on the way
//   kCorrupt             no message of this kind
//   kInvalidArgument     a field breaks a rule
//   kTooLarge            it, or a field, exceeds a limit
//   kUnsupportedVersion  a kind that this version does not know
namespace earshot::actors {

std::string encode(const NodeQuestion& question);
std::string encode(const NodeAnswer& answer);
// An answer of any size, in as many frames as it takes: none tells of more than kNodePageMembersMax members.
std::vector<std::string> encode_parts(NodeAnswer answer);

using QuestionMessage = std::variant<NodeQuestion, NodeAnswer>;
Result<QuestionMessage> decode_question_message(std::string_view bytes);

}  // namespace earshot::actors
