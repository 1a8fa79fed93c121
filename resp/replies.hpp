#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resp/reply_writer.hpp"

// Replies that tell of the server itself: the same shape as Redis's, so that its clients understand them.
namespace earshot::resp {

// The version of Redis that clients are to presume.
inline constexpr std::string_view kRedisVersion = "7.0.0";

// ---- COMMAND

void write_command_count(ReplyWriter& to);
void write_command_list(ReplyWriter& to);
// Of every command, or of the named ones: null for a name that is none's.
void write_command_info(ReplyWriter& to, const std::optional<std::vector<std::string>>& names);
// The same, but a name that is none's is left out.
void write_command_docs(ReplyWriter& to, const std::optional<std::vector<std::string>>& names);

// ---- the connection

// HELLO, in the protocol that the writer has by now.
void write_hello(ReplyWriter& to, std::uint64_t connection);

struct ClientFacts {
  std::uint64_t connection = 0;
  std::string address;        // "127.0.0.1:50000"
  std::string local_address;  // of this end
  std::string name;           // as CLIENT SETNAME has it
  std::string user;
  std::uint64_t age_s = 0;
  std::uint64_t idle_s = 0;
};
// CLIENT INFO, CLIENT LIST: one line.
void write_client_info(ReplyWriter& to, const ClientFacts& facts);

// ---- INFO

struct InfoFacts {
  std::string version;  // of Earshot
  std::uint16_t port = 0;
  std::uint64_t uptime_s = 0;
  std::uint64_t connections = 0;     // open ones
  std::uint64_t commands_total = 0;  // since the start
  std::uint64_t keys = 0;
  std::uint64_t memory_bytes = 0;
};
// The sections asked for, in lower case, in Redis's order; none, "default", "all" or "everything": every one. Those
// that there are: server, clients, memory, stats, keyspace.
void write_info(ReplyWriter& to, std::span<const std::string> sections, const InfoFacts& facts);

}  // namespace earshot::resp
