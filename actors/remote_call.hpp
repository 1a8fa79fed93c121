#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "actors/call_codec.hpp"
#include "actors/node_question.hpp"
#include "actors/ports.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/request_tag.hpp"

namespace earshot::actors {

// A call of another node at work here, as log lines tell of it: of whose client, for which shard (none: for the node's
// own places), since when. Nothing
// is made for it ahead of a line.
struct RemoteCall {
  RequestTag tag;  // as the lines of the node name it where the client is
  std::optional<ShardId> shard;
  std::uint64_t since_ms = 0;  // monotonic
};

// Why a request was not done; null: it was. Of several messages, that of the first that has an error.
const Error* error_of(const SendsAnswered& answered);
template <class Answered>
const Error* error_of(const Answered& answered) {
  const auto of = [](const auto& result) -> const Error* { return result ? nullptr : &result.error(); };
  if constexpr (requires { answered.outcome; }) return of(answered.outcome);
  if constexpr (requires { answered.cursor; }) return of(answered.cursor);
  if constexpr (requires { answered.batch; }) return of(answered.batch);
  if constexpr (requires { answered.answer; }) return of(answered.answer);
  if constexpr (requires { answered.status; }) return of(answered.status);
  return nullptr;
}

// As log lines name what was asked.
constexpr std::string_view name_of_call(const SendsAnswered&) { return "send"; }
constexpr std::string_view name_of_call(const LoginAnswered&) { return "login"; }
constexpr std::string_view name_of_call(const AckAnswered&) { return "ack"; }
constexpr std::string_view name_of_call(const FetchAnswered&) { return "read"; }
constexpr std::string_view name_of_call(const ManageAnswered&) { return "manage"; }
constexpr std::string_view name_of_call(const AttemptsAnswered&) { return "attempts"; }
constexpr std::string_view name_of_call(const PositionsAnswered&) { return "change of positions"; }
constexpr std::string_view name_of_call(const WhereAnswered&) { return "question where members are"; }
constexpr std::string_view name_of_call(const NodeAnswer&) { return "question who is there"; }

}  // namespace earshot::actors
