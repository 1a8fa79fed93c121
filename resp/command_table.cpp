#include "resp/command_table.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "resp/read_connection.hpp"
#include "resp/read_geo.hpp"
#include "resp/read_keys.hpp"
#include "resp/read_server.hpp"
#include "resp/read_sets.hpp"
#include "resp/words.hpp"

namespace earshot::resp {
namespace {

using namespace flag;

constexpr std::uint16_t kAnyTime = kLoading | kStale;
constexpr std::uint16_t kOfConnection = kNoscript | kAnyTime;
constexpr std::uint16_t kBeforeLogin = kOfConnection | kFast | kNoAuth | kAllowBusy;
constexpr KeyWords kNoKey;
constexpr KeyWords kOneKey{1, 1, 1};
constexpr KeyWords kTwoKeys{1, 2, 1};
constexpr KeyWords kAllKeys{1, -1, 1};

// clang-format off
constexpr auto kTable = std::to_array<CommandEntry>({
    {"geoadd", -5, kWrite | kDenyoom, kOneKey, "geo", "geo", "3.2.0",
     "Puts members at longitudes and latitudes", read_geoadd},
    {"geodist", -4, kReadonly, kOneKey, "geo", "geo", "3.2.0",
     "How far apart two members are", read_geodist},
    {"geohash", -2, kReadonly, kOneKey, "geo", "geo", "3.2.0",
     "Where members are, as geohash texts", read_geohash},
    {"geopos", -2, kReadonly, kOneKey, "geo", "geo", "3.2.0",
     "Where members are, in degrees", read_geopos},
    {"georadius", -6, kWrite | kDenyoom | kMovableKeys, kOneKey, "geo", "geo", "3.2.0",
     "Members within a circle around a point", read_georadius},
    {"georadius_ro", -6, kReadonly, kOneKey, "geo", "geo", "3.2.10",
     "GEORADIUS that stores nothing", read_georadius_ro},
    {"georadiusbymember", -5, kWrite | kDenyoom | kMovableKeys, kOneKey, "geo", "geo", "3.2.0",
     "Members within a circle around a member", read_georadiusbymember},
    {"georadiusbymember_ro", -5, kReadonly, kOneKey, "geo", "geo", "3.2.10",
     "GEORADIUSBYMEMBER that stores nothing", read_georadiusbymember_ro},
    {"geosearch", -7, kReadonly, kOneKey, "geo", "geo", "6.2.0",
     "Members within a circle or a box", read_geosearch},
    {"geosearchstore", -8, kWrite | kDenyoom, kTwoKeys, "geo", "geo", "6.2.0",
     "Stores the members within a circle or a box", read_geosearchstore},

    {"zadd", -4, kWrite | kDenyoom | kFast, kOneKey, "sortedset", "sorted-set", "1.2.0",
     "Adds members with scores, or changes scores", read_zadd},
    {"zcard", 2, kReadonly | kFast, kOneKey, "sortedset", "sorted-set", "1.2.0",
     "How many members there are", read_zcard},
    {"zrange", -4, kReadonly, kOneKey, "sortedset", "sorted-set", "1.2.0",
     "Members in order, by index, score or name", read_zrange},
    {"zrem", -3, kWrite | kFast, kOneKey, "sortedset", "sorted-set", "1.2.0",
     "Takes members away", read_zrem},
    {"zscore", 3, kReadonly | kFast, kOneKey, "sortedset", "sorted-set", "1.2.0",
     "The score of a member", read_zscore},

    {"dbsize", 1, kReadonly | kFast, kNoKey, "keyspace", "server", "1.0.0",
     "How many keys there are", read_dbsize},
    {"del", -2, kWrite, kAllKeys, "keyspace", "generic", "1.0.0",
     "Deletes keys", read_del},
    {"exists", -2, kReadonly | kFast, kAllKeys, "keyspace", "generic", "1.0.0",
     "How many of these keys there are", read_exists},
    {"flushall", -1, kWrite | kDangerous, kNoKey, "keyspace", "server", "1.0.0",
     "Deletes every key", read_flush},
    {"flushdb", -1, kWrite | kDangerous, kNoKey, "keyspace", "server", "1.0.0",
     "Deletes every key", read_flush},
    {"keys", 2, kReadonly | kDangerous, kNoKey, "keyspace", "generic", "1.0.0",
     "The keys whose names fit a pattern", read_keys},
    {"scan", -2, kReadonly, kNoKey, "keyspace", "generic", "2.8.0",
     "Goes through the keys in steps", read_scan},
    {"type", 2, kReadonly | kFast, kOneKey, "keyspace", "generic", "1.0.0",
     "What a key holds", read_type},
    {"unlink", -2, kWrite | kFast, kAllKeys, "keyspace", "generic", "4.0.0",
     "Deletes keys", read_del},

    {"auth", -2, kBeforeLogin, kNoKey, "connection", "connection", "1.0.0",
     "Logs in", read_auth},
    {"client", -2, 0, kNoKey, "", "connection", "2.4.0",
     "What concerns this connection", nullptr},
    {"client|getname", 2, kOfConnection, kNoKey, "connection", "connection", "2.6.9",
     "The connection's name", read_client_getname},
    {"client|help", 2, kAnyTime, kNoKey, "connection", "connection", "5.0.0",
     "Not supported", read_unsupported},
    {"client|id", 2, kOfConnection, kNoKey, "connection", "connection", "5.0.0",
     "The connection's number", read_client_id},
    {"client|info", 2, kOfConnection, kNoKey, "connection", "connection", "6.2.0",
     "Facts about the connection", read_client_info},
    {"client|list", -2, kAdmin | kOfConnection, kNoKey, "connection", "connection", "2.4.0",
     "Facts about this connection alone", read_client_list},
    {"client|no-evict", 3, kAdmin | kOfConnection, kNoKey, "connection", "connection", "7.0.0",
     "Changes nothing here", read_client_no_evict},
    {"client|no-touch", 3, kOfConnection, kNoKey, "connection", "connection", "7.2.0",
     "Changes nothing here", read_client_no_evict},
    {"client|reply", 3, kOfConnection, kNoKey, "connection", "connection", "3.2.0",
     "ON: commands are answered, as they always are", read_client_reply},
    {"client|setinfo", 4, kOfConnection, kNoKey, "connection", "connection", "7.2.0",
     "Tells the client library's name or version", read_client_setinfo},
    {"client|setname", 3, kOfConnection, kNoKey, "connection", "connection", "2.6.9",
     "Names the connection", read_client_setname},
    {"echo", 2, kAnyTime | kFast, kNoKey, "connection", "connection", "1.0.0",
     "Answers what was said", read_echo},
    {"hello", -1, kBeforeLogin, kNoKey, "connection", "connection", "6.0.0",
     "Chooses the protocol, and logs in", read_hello},
    {"ping", -1, kFast, kNoKey, "connection", "connection", "1.0.0",
     "Answers that the server is there", read_ping},
    {"quit", -1, kBeforeLogin, kNoKey, "connection", "connection", "1.0.0",
     "Ends the connection", read_quit},
    {"reset", 1, kBeforeLogin, kNoKey, "connection", "connection", "6.2.0",
     "Makes the connection as it was at first", read_reset},
    {"select", 2, kAnyTime | kFast, kNoKey, "connection", "connection", "1.0.0",
     "Chooses the one database, 0", read_select},

    {"command", -1, kAnyTime, kNoKey, "connection", "server", "2.8.13",
     "Facts about commands", read_command_info},
    {"command|count", 2, kAnyTime, kNoKey, "connection", "server", "2.8.13",
     "How many commands there are", read_command_count},
    {"command|docs", -2, kAnyTime, kNoKey, "connection", "server", "7.0.0",
     "What commands are for", read_command_docs},
    {"command|getkeys", -4, kAnyTime, kNoKey, "connection", "server", "2.8.13",
     "Not supported", read_unsupported},
    {"command|getkeysandflags", -4, kAnyTime, kNoKey, "connection", "server", "7.0.0",
     "Not supported", read_unsupported},
    {"command|help", 2, kAnyTime, kNoKey, "connection", "server", "5.0.0",
     "Not supported", read_unsupported},
    {"command|info", -2, kAnyTime, kNoKey, "connection", "server", "2.8.13",
     "Arity, flags and keys of commands", read_command_info},
    {"command|list", -2, kAnyTime, kNoKey, "connection", "server", "7.0.0",
     "The names of all commands", read_command_list},
    {"config", -2, 0, kNoKey, "", "server", "2.0.0",
     "The node's settings", nullptr},
    {"config|get", -3, kAdmin | kOfConnection, kNoKey, "", "server", "2.0.0",
     "Settings whose names fit a pattern", read_config_get},
    {"config|help", 2, kAnyTime, kNoKey, "", "server", "5.0.0",
     "Not supported", read_unsupported},
    {"config|resetstat", 2, kAdmin | kOfConnection, kNoKey, "", "server", "2.0.0",
     "Not allowed", read_config_set},
    {"config|rewrite", 2, kAdmin | kOfConnection, kNoKey, "", "server", "2.8.0",
     "Not allowed", read_config_set},
    {"config|set", -4, kAdmin | kOfConnection, kNoKey, "", "server", "2.0.0",
     "Not allowed: settings are in the node's file", read_config_set},
    {"info", -1, kAnyTime | kDangerous, kNoKey, "", "server", "1.0.0",
     "Facts about the server", read_info},
});
// clang-format on

constexpr std::size_t kNameBytesMax =
    std::ranges::max(kTable, {}, [](const CommandEntry& entry) { return entry.name.size(); }).name.size();

static_assert(kTable.size() <= 256, "places in the table are bytes");

// Places in the table in the order of the names.
constexpr auto kByName = [] {
  std::array<std::uint8_t, kTable.size()> places{};
  for (std::size_t at = 0; at < places.size(); ++at) places[at] = static_cast<std::uint8_t>(at);
  std::ranges::sort(places, {}, [](std::uint8_t at) { return kTable[at].name; });
  return places;
}();

}  // namespace

bool CommandEntry::takes(std::size_t words) const {
  return arity >= 0 ? words == static_cast<std::size_t>(arity) : words >= static_cast<std::size_t>(-arity);
}

std::span<const CommandEntry> command_table() { return kTable; }

const CommandEntry* find_command(std::string_view name) {
  if (name.size() > kNameBytesMax) return nullptr;
  std::array<char, kNameBytesMax> bytes{};
  std::ranges::transform(name, bytes.begin(), [](char c) { return to_lower(c); });
  const std::string_view lower(bytes.data(), name.size());
  const auto* const found =
      std::ranges::lower_bound(kByName, lower, {}, [](std::uint8_t at) { return kTable[at].name; });
  return found != kByName.end() && kTable[*found].name == lower ? &kTable[*found] : nullptr;
}

const CommandEntry* find_command(Request words) {
  const CommandEntry* const entry = find_command(words.front());
  if (entry == nullptr || entry->is_subcommand()) return nullptr;
  if (words.size() == 1 || subcommands_of(*entry).empty()) return entry;
  return find_command(std::string(entry->name) + "|" + std::string(words[1].substr(0, kNameBytesMax)));
}

std::span<const CommandEntry> subcommands_of(const CommandEntry& entry) {
  const auto is_within = [&](const CommandEntry& other) {
    return other.name.starts_with(entry.name) && other.name.substr(entry.name.size()).starts_with('|');
  };
  const std::span<const CommandEntry> behind(&entry + 1, kTable.data() + kTable.size());
  return behind.first(static_cast<std::size_t>(std::ranges::find_if_not(behind, is_within) - behind.begin()));
}

}  // namespace earshot::resp
