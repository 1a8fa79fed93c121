#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "geo/area.hpp"
#include "geo/gather.hpp"
#include "geo/point.hpp"

// What a client of Redis's protocol asks for, once its words were read. Keys are layers; nothing here knows whether
// there is such a layer.
namespace earshot::resp {

// ---- places and scores

enum class AddCondition : std::uint8_t { kAlways, kIfNew, kIfExists };  // -, NX, XX

struct ScoredMember {
  std::string member;
  double score = 0;
  bool operator==(const ScoredMember&) const = default;
};

struct Add {  // GEOADD, ZADD. Answer: integer
  std::string key;
  AddCondition condition = AddCondition::kAlways;
  bool counts_changed = false;  // CH: also those whose score changed
  std::vector<ScoredMember> members;
};
struct Remove {  // ZREM. Answer: integer
  std::string key;
  std::vector<std::string> members;
};

struct Circle {
  double radius_m = 0;
};
struct Box {
  double width_m = 0;
  double height_m = 0;
};
struct StoreInto {  // GEOSEARCHSTORE, STORE, STOREDIST. The answer becomes an integer
  std::string key;
  bool distances = false;  // as scores, in the search's unit
};
enum class Order : std::uint8_t { kNone, kNearestFirst, kFarthestFirst };

struct Search {  // GEOSEARCH, GEORADIUS … and their kin
  std::string key;
  std::variant<geo::Point, std::string> centre;  // a point, or where a member is
  std::variant<Circle, Box> shape;
  double unit_m = 1;  // that distances are told in
  std::size_t count_max = std::numeric_limits<std::size_t>::max();
  bool any = false;            // any `count_max`, not the nearest
  Order order = Order::kNone;  // COUNT without ANY and without an order has set kNearestFirst
  bool with_distance = false;
  bool with_hash = false;
  bool with_coordinates = false;
  std::optional<StoreInto> store;
};

struct PositionsOf {  // GEOPOS
  std::string key;
  std::vector<std::string> members;
};
struct HashesOf {  // GEOHASH
  std::string key;
  std::vector<std::string> members;
};
struct DistanceBetween {  // GEODIST
  std::string key;
  std::string from;
  std::string to;
  double unit_m = 1;
};
struct ScoreOf {  // ZSCORE
  std::string key;
  std::string member;
};
struct Cardinality {  // ZCARD
  std::string key;
};

// ---- ZRANGE: members in the order of (score, name)

struct IndexRange {  // from 0; negative: from the end, -1 the last
  std::int64_t first = 0;
  std::int64_t last = 0;
};
struct ScoreRange {
  double min = 0;
  double max = 0;
  bool min_exclusive = false;
  bool max_exclusive = false;
};
struct NameRange {                 // BYLEX
  std::optional<std::string> min;  // none: no bound
  std::optional<std::string> max;
  bool min_exclusive = false;
  bool max_exclusive = false;
  bool is_empty = false;  // the bounds are the wrong way round: "+" as the least, or "-" as the greatest
};
struct Range {
  std::string key;
  std::variant<IndexRange, ScoreRange, NameRange> range;
  bool reversed = false;   // REV; min and max are in order here all the same
  std::size_t offset = 0;  // LIMIT
  std::size_t limit = std::numeric_limits<std::size_t>::max();
  bool with_scores = false;
};

// ---- keys

struct Delete {  // DEL, UNLINK. Answer: how many there were
  std::vector<std::string> keys;
};
struct Exists {  // EXISTS. A key named twice counts twice
  std::vector<std::string> keys;
};
struct TypeOf {  // TYPE
  std::string key;
};
struct Keys {  // KEYS
  std::string pattern;
};
struct Scan {  // SCAN
  std::uint64_t cursor = 0;
  std::string pattern = "*";
  std::size_t count = 10;
  bool none = false;  // TYPE asks for something that there is not
};
struct KeyCount {};   // DBSIZE
struct DeleteAll {};  // FLUSHDB, FLUSHALL

// ---- the connection

struct Ping {
  std::optional<std::string> text;
};
struct Echo {
  std::string text;
};
struct Ok {};  // what is answered "OK" and changes nothing here: SELECT 0, CLIENT SETINFO, …
struct Auth {
  std::optional<std::string> user;
  std::string password;
};
struct Hello {
  std::optional<int> protocol;  // 2 or 3; none: as it is
  std::optional<Auth> auth;
  std::optional<std::string> name;
};
struct ClientId {};
struct ClientGetName {};
struct ClientSetName {
  std::string name;
};
struct ClientInfo {};  // CLIENT INFO and CLIENT LIST: of this connection
struct Info {
  std::vector<std::string> sections;  // lower case; none: the default ones
};
struct ConfigGet {
  std::vector<std::string> patterns;  // lower case; settings are compared without regard to it
};
struct CommandCount {};
struct CommandList {};
struct CommandInfo {                              // COMMAND, COMMAND INFO
  std::optional<std::vector<std::string>> names;  // none: every command
};
struct CommandDocs {  // COMMAND DOCS
  std::optional<std::vector<std::string>> names;
};
struct Quit {};
struct Reset {};

using Command = std::variant<Add, Remove, Search, PositionsOf, HashesOf, DistanceBetween, ScoreOf, Cardinality, Range,
                             Delete, Exists, TypeOf, Keys, Scan, KeyCount, DeleteAll, Ping, Echo, Ok, Auth, Hello,
                             ClientId, ClientGetName, ClientSetName, ClientInfo, Info, ConfigGet, CommandCount,
                             CommandList, CommandInfo, CommandDocs, Quit, Reset>;

}  // namespace earshot::resp
