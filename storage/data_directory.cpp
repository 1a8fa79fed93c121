#include "storage/data_directory.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/random.hpp"
#include "storage/files.hpp"
#include "storage/journal_environment.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/log_in_lmdb.hpp"
#include "storage/node_identity.hpp"
#include "storage/state_store.hpp"
#include "storage/table_sums.hpp"

namespace earshot::storage {

class DataDirectory::Lock {
 public:
  explicit Lock(FileLock lock) : lock_(std::move(lock)) {}

 private:
  FileLock lock_;
};

namespace {

constexpr std::uint32_t kFormatWithLogInLmdb = 2;
constexpr std::uint32_t kFormatWithoutSums = 1;
constexpr std::size_t kIdentityFileBytesMax = 64 << 10;

constexpr std::array<std::string_view, 8> kOwnNames = {"identity", "identity.new", "nodes", "nodes.new",
                                                       "lock",     "log",          "state", "ballast"};

// Whether a node may move in at `path` although there is a file of this name.
Status check_harmless(const std::string& path, const std::string& name) {
  if (std::ranges::find(kOwnNames, name) == kOwnNames.end()) {
    return fail(ErrorCode::kInvalidArgument, "data",
                path + " is no data directory and holds other files (" + name + "): name an empty or a new one");
  }
  // The identity is there before these are made, so it was lost after.
  if (name == "log" || name == "state")
    return fail(ErrorCode::kCorrupt, "", path + " holds data (" + name + ") but its identity file is missing");
  return {};
}

// Whether there is nothing at `path` that this program, or anybody, could miss when a node moves in.
Status check_vacant(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return {};
  std::filesystem::directory_iterator entries(path, error);
  if (error) return fail(file_error(error.value(), "read the directory", path));
  for (const auto& entry : entries) {
    if (auto vacant = check_harmless(path, entry.path().filename().string()); !vacant) return vacant;
  }
  return {};
}

using Place = NodeIdentity::Place;
using Start = DataDirectory::Start;

Status keep_identity(const std::string& path, const NodeIdentity& identity) {
  return replace_file(path + "/identity", encode_identity(identity));
}

NodeIdentity new_identity(Start start, std::uint16_t shard_count, std::uint64_t random) {
  NodeIdentity identity;
  Random numbers(random);
  if (start == Start::kJoin) {
    identity.place = Place::kJoining;
    identity.node = NodeId();
    while (identity.join_nonce == MessageId()) identity.join_nonce = numbers.message_id();
    return identity;
  }
  identity.place = start == Start::kBootstrap ? Place::kFounding : Place::kAlone;
  while (identity.cluster_id == 0) identity.cluster_id = numbers.next();
  identity.shard_count = shard_count;
  return identity;
}

Status check_shards(std::uint16_t asked, std::uint16_t stored) {
  if (asked == 0 || asked == stored) return {};
  return fail(ErrorCode::kInvalidArgument, "shards",
              "the directory was made with " + std::to_string(stored) + " shards, not " + std::to_string(asked) +
                  ": the number is fixed for the cluster's life");
}

tl::unexpected<Error> not_for(std::string detail) {
  return fail(ErrorCode::kInvalidArgument, "start", std::move(detail));
}

// What a directory that is there already becomes for a node that starts so: the table in the header.
Result<Place> place_after(Start start, const NodeIdentity& identity, const std::string& path) {
  const bool has_joined = identity.join_nonce != MessageId();
  const std::string node = "node " + std::to_string(identity.node.value);
  switch (identity.place) {
    case Place::kAlone:
      if (start == Start::kAlone) return Place::kAlone;
      if (start != Start::kJoin) return Place::kFounding;
      return not_for(path +
                     " holds the data of a node that was alone, which no cluster has a place for: join with an "
                     "empty directory, or have others join this node");
    case Place::kJoining:
      if (start == Start::kJoin) return Place::kJoining;
      return not_for(path +
                     " is of a node that is joining a cluster and has no identity yet: start it with --join, "
                     "or remove the directory");
    case Place::kFounding:
    case Place::kMember:
      if (start == Start::kAlone) {
        return not_for(path + " is of " + node + " of a cluster: start it with the address that its peers reach it at");
      }
      if (start == Start::kBootstrap && has_joined) {
        return not_for(path + " is of " + node + ", which joined a cluster that is there: start it with --join");
      }
      if (start == Start::kJoin && !has_joined) {
        return not_for(path +
                       " is of the first node of a cluster, which has joined nothing: start it with --bootstrap");
      }
      return identity.place;
  }
  return fail(ErrorCode::kCorrupt, "", path + " has an identity of an unknown kind");
}

// The environments and what is in them, for an identity that is known.
Status open_data(const std::string& path, DataDirectory& directory) {
  const auto claims = std::make_shared<RoomClaims>();
  NodeIdentity& identity = directory.identity;
  if (identity.format <= kFormatWithLogInLmdb) {
    if (auto moved = move_log_out_of_lmdb(path + "/log"); !moved) return moved;
  }
  auto log_environment = open_journal(JournalOptions{.path = path + "/log", .tables = LogStore::tables().size()});
  if (!log_environment) return fail(std::move(log_environment.error()));
  directory.log_environment = std::move(*log_environment);

  LmdbOptions state_options;
  state_options.claims = claims;
  state_options.path = path + "/state";
  state_options.tables = state_tables();
  auto state_environment = open_lmdb(state_options);
  if (!state_environment) return fail(std::move(state_environment.error()));
  directory.state_environment = std::move(*state_environment);

  auto log = LogStore::open(*directory.log_environment);
  if (!log) return fail(std::move(log.error()));
  directory.log = std::move(*log);

  if (identity.format == kFormatWithoutSums) {
    // Stored before the identity says that they are there: whoever crashes between counts once more.
    if (auto done = store_counted_sums(*directory.state_environment, identity.shard_count); !done) return done;
    directory.sums_were_counted = true;
  }
  if (identity.format < NodeIdentity::kFormat) {
    identity.format = NodeIdentity::kFormat;
    if (auto written = keep_identity(path, identity); !written) return written;
  }
  if (auto removed = remove_log_in_lmdb(path + "/log"); !removed) return removed;
  // Nobody else has what is missing here; of a cluster, each replica looks at its own.
  if (identity.place == Place::kAlone) {
    if (auto checked = check_sums(*directory.state_environment, identity.shard_count); !checked) return checked;
  }

  auto space = open_disk_space(path, claims);
  if (!space) return fail(std::move(space.error()));
  directory.space = std::move(*space);
  return {};
}

// As open_data(), telling what to do about damage.
Status open_all(DataDirectory& directory) {
  auto opened = open_data(directory.path, directory);
  if (!opened && opened.error().code == ErrorCode::kCorrupt) {
    opened.error().detail +=
        "; nothing is served on a guess: `earshot verify --data " + directory.path + "` says what is lost";
  }
  return opened;
}

// What can be said without touching anything: a place that cannot take a new identity.
Status check_before_making(const std::string& path, const std::string& file, Start start, std::uint16_t shard_count) {
  if (shard_count > limits::kShardsMax) {
    return fail(ErrorCode::kInvalidArgument, "shards", "must be at most " + std::to_string(limits::kShardsMax));
  }
  std::error_code error;
  if (std::filesystem::exists(path, error) && !std::filesystem::is_directory(path, error)) {
    return fail(ErrorCode::kInvalidArgument, "data", path + " is not a directory");
  }
  if (std::filesystem::exists(file, error)) return {};
  if (auto vacant = check_vacant(path); !vacant) return vacant;
  if (start == Start::kAgain) {
    return fail(ErrorCode::kInvalidArgument, "data",
                path + " is no data directory yet: say whether the node is to bootstrap a cluster or to join one");
  }
  if (start == Start::kJoin || shard_count > 0) return {};
  return fail(ErrorCode::kInvalidArgument, "shards",
              path + " is no data directory yet: a new one needs a number of shards");
}

// The identity that is there, as it is to be from now on, or a new one; kept.
Result<NodeIdentity> settle_identity(const std::string& path, Start start, std::uint16_t shard_count,
                                     std::uint64_t random) {
  const std::string file = path + "/identity";
  auto stored = read_file(file, kIdentityFileBytesMax);
  if (!stored) return fail(std::move(stored.error()));
  if (!*stored) {
    const NodeIdentity made = new_identity(start, shard_count, random);
    if (auto kept = keep_identity(path, made); !kept) return fail(std::move(kept.error()));
    return made;
  }
  auto identity = decode_identity(**stored, file);
  if (!identity) return identity;
  auto place = place_after(start, *identity, path);
  if (!place) return fail(std::move(place.error()));
  if (*place != Place::kJoining && start != Start::kJoin) {
    if (auto fits = check_shards(shard_count, identity->shard_count); !fits) return fail(std::move(fits.error()));
  }
  if (*place == identity->place) return identity;
  // The format of what lies beside it is as before: open_data() sees to that.
  identity->place = *place;
  if (identity->format < NodeIdentity::kFormat) return identity;
  if (auto kept = keep_identity(path, *identity); !kept) return fail(std::move(kept.error()));
  return identity;
}

}  // namespace

DataDirectory::Start DataDirectory::usual_start(const std::string& path) {
  const std::string file = path + "/identity";
  const auto stored = read_file(file, kIdentityFileBytesMax);
  if (!stored || !*stored) return Start::kAlone;
  const auto identity = decode_identity(**stored, file);
  return !identity || identity->place == Place::kAlone ? Start::kAlone : Start::kAgain;
}

Result<DataDirectory> DataDirectory::open(const std::string& path, Start start, std::uint16_t shard_count,
                                          std::uint64_t random) {
  if (auto checked = check_before_making(path, path + "/identity", start, shard_count); !checked)
    return fail(std::move(checked.error()));
  if (auto made = make_directories(path); !made) return fail(std::move(made.error()));
  auto locked = FileLock::acquire(path + "/lock");
  if (!locked) return fail(std::move(locked.error()));

  DataDirectory directory;
  directory.path = path;
  directory.lock = std::make_shared<Lock>(std::move(*locked));
  // Read under the lock: another process may have made it a moment ago.
  auto identity = settle_identity(path, start, shard_count, random);
  if (!identity) return fail(std::move(identity.error()));
  directory.identity = *identity;
  if (directory.is_joining()) return directory;
  if (auto opened = open_all(directory); !opened) return fail(std::move(opened.error()));
  return directory;
}

Status DataDirectory::finish_join(std::uint64_t cluster_id, NodeId node, std::uint16_t shard_count) {
  EARSHOT_INVARIANT(is_joining(), "only a node that is joining is given an identity");
  NodeIdentity given = identity;
  given.place = Place::kMember;
  given.cluster_id = cluster_id;
  given.node = node;
  given.shard_count = shard_count;
  if (auto valid = check_identity(given, path); !valid) return valid;
  if (auto kept = keep_identity(path, given); !kept) return kept;
  identity = given;
  return open_all(*this);
}

Status DataDirectory::founded() {
  EARSHOT_INVARIANT(is_founding(), "only a cluster that is being founded has been founded");
  NodeIdentity member = identity;
  member.place = Place::kMember;
  if (auto kept = keep_identity(path, member); !kept) return kept;
  identity = member;
  return {};
}

Result<DataDirectory> DataDirectory::open_identity(const std::string& path) {
  const std::string file = path + "/identity";
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    return fail(ErrorCode::kInvalidArgument, "data", path + " is not a directory");
  }
  if (!std::filesystem::exists(file, error)) {
    if (auto vacant = check_vacant(path); !vacant) return fail(std::move(vacant.error()));
    return fail(ErrorCode::kInvalidArgument, "data", path + " is no data directory");
  }
  auto locked = FileLock::acquire(path + "/lock");
  if (!locked) return fail(std::move(locked.error()));
  DataDirectory directory;
  directory.path = path;
  directory.lock = std::make_shared<Lock>(std::move(*locked));
  auto stored = read_file(file, kIdentityFileBytesMax);
  if (!stored) return fail(std::move(stored.error()));
  auto identity = decode_identity(stored->value_or(""), file);
  if (!identity) return fail(std::move(identity.error()));
  if (identity->place == Place::kJoining) {
    return fail(ErrorCode::kInvalidArgument, "data",
                path + " is of a node that is joining a cluster: it holds no data");
  }
  directory.identity = *identity;
  return directory;
}

}  // namespace earshot::storage
