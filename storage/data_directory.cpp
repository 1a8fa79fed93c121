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
#include "storage/keys.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/log_in_lmdb.hpp"
#include "storage/seal.hpp"
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

// The identity file: a seal (checksum) over all that follows, the magic, the format, then what that format says. Seal,
// magic and format stay where they are in every format, so that a newer one is told from damage.
constexpr std::string_view kMagic = "EARSHOT\n";
constexpr std::size_t kFormatOffset = kMagic.size();
constexpr std::size_t kClusterOffset = kFormatOffset + 4;
constexpr std::size_t kNodeOffset = kClusterOffset + 8;
constexpr std::size_t kShardsOffset = kNodeOffset + 8;
constexpr std::size_t kIdentityBytes = kShardsOffset + 2;
constexpr std::uint32_t kFormat = 3;
constexpr std::uint32_t kFormatWithLogInLmdb = 2;
constexpr std::uint32_t kFormatWithoutSums = 1;
constexpr std::size_t kIdentityFileBytesMax = 64 << 10;

constexpr std::array<std::string_view, 6> kOwnNames = {"identity", "identity.new", "lock", "log", "state", "ballast"};

std::string encode_identity(const NodeIdentity& identity) {
  std::string bytes;
  begin_sealed(bytes);
  bytes.append(kMagic);
  keys::append_big_endian(bytes, identity.format, 4);
  keys::append_big_endian(bytes, identity.cluster_id);
  keys::append_big_endian(bytes, identity.node.value);
  keys::append_big_endian(bytes, identity.shard_count, 2);
  finish_sealed(kMagic, bytes);
  return bytes;
}

Result<NodeIdentity> decode_identity(std::string_view file, const std::string& path) {
  const auto bytes = open_sealed(kMagic, file);
  if (!bytes || !bytes->starts_with(kMagic) || bytes->size() < kClusterOffset) {
    return fail(ErrorCode::kCorrupt, "", path + " is damaged, or is no Earshot identity");
  }
  NodeIdentity identity;
  identity.format = static_cast<std::uint32_t>(keys::read_big_endian(*bytes, kFormatOffset, 4));
  if (identity.format == 0 || identity.format > kFormat) {
    return fail(ErrorCode::kUnsupportedVersion, "",
                path + " has format " + std::to_string(identity.format) + ", this program knows formats up to " +
                    std::to_string(kFormat) + ": use the release that wrote it, or a newer one");
  }
  identity.cluster_id = keys::read_big_endian(*bytes, kClusterOffset);
  identity.node = NodeId(keys::read_big_endian(*bytes, kNodeOffset));
  identity.shard_count = static_cast<std::uint16_t>(keys::read_big_endian(*bytes, kShardsOffset, 2));
  if (bytes->size() != kIdentityBytes || identity.shard_count == 0 || identity.shard_count > limits::kShardsMax) {
    return fail(ErrorCode::kCorrupt, "", path + " holds no valid identity");
  }
  return identity;
}

// Whether there is nothing at `path` that this program, or anybody, could miss when a node moves in.
Status check_vacant(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return {};
  std::filesystem::directory_iterator entries(path, error);
  if (error) return fail(file_error(error.value(), "read the directory", path));
  for (const auto& entry : entries) {
    const std::string name = entry.path().filename().string();
    if (std::ranges::find(kOwnNames, name) == kOwnNames.end()) {
      return fail(ErrorCode::kInvalidArgument, "data",
                  path + " is no data directory and holds other files (" + name + "): name an empty or a new one");
    }
    // The identity is there before these are made, so it was lost after.
    if (name == "log" || name == "state") {
      return fail(ErrorCode::kCorrupt, "", path + " holds data (" + name + ") but its identity file is missing");
    }
  }
  return {};
}

Result<NodeIdentity> make_identity(const std::string& file, std::uint16_t shard_count, std::uint64_t random) {
  NodeIdentity identity;
  identity.format = kFormat;
  Random numbers(random);
  while (identity.cluster_id == 0) identity.cluster_id = numbers.next();
  identity.shard_count = shard_count;
  if (auto written = replace_file(file, encode_identity(identity)); !written) return fail(std::move(written.error()));
  return identity;
}

Status check_shards(std::uint16_t asked, std::uint16_t stored) {
  if (asked == 0 || asked == stored) return {};
  return fail(ErrorCode::kInvalidArgument, "shards",
              "the directory was made with " + std::to_string(stored) + " shards, not " + std::to_string(asked) +
                  ": the number is fixed for the cluster's life");
}

Status set_format(const std::string& path, NodeIdentity& identity, std::uint32_t format) {
  identity.format = format;
  return replace_file(path + "/identity", encode_identity(identity));
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
  if (identity.format < kFormat) {
    if (auto written = set_format(path, identity, kFormat); !written) return written;
  }
  if (auto removed = remove_log_in_lmdb(path + "/log"); !removed) return removed;
  if (auto checked = check_sums(*directory.state_environment, identity.shard_count); !checked) return checked;

  auto space = open_disk_space(path, claims);
  if (!space) return fail(std::move(space.error()));
  directory.space = std::move(*space);
  return {};
}

// What can be said without touching anything: an existing identity that does not fit, or a place that cannot take a new
// one.
Status check_before_making(const std::string& path, const std::string& file, std::uint16_t shard_count) {
  if (shard_count > limits::kShardsMax) {
    return fail(ErrorCode::kInvalidArgument, "shards", "must be at most " + std::to_string(limits::kShardsMax));
  }
  std::error_code error;
  if (std::filesystem::exists(path, error) && !std::filesystem::is_directory(path, error)) {
    return fail(ErrorCode::kInvalidArgument, "data", path + " is not a directory");
  }
  if (std::filesystem::exists(file, error)) return {};
  if (auto vacant = check_vacant(path); !vacant) return vacant;
  if (shard_count > 0) return {};
  return fail(ErrorCode::kInvalidArgument, "shards",
              path + " is no data directory yet: a new one needs a number of shards");
}

}  // namespace

Result<DataDirectory> DataDirectory::open(const std::string& path, std::uint16_t shard_count, std::uint64_t random) {
  const std::string file = path + "/identity";
  if (auto checked = check_before_making(path, file, shard_count); !checked) return fail(std::move(checked.error()));
  if (auto made = make_directories(path); !made) return fail(std::move(made.error()));
  auto locked = FileLock::acquire(path + "/lock");
  if (!locked) return fail(std::move(locked.error()));

  DataDirectory directory;
  directory.lock = std::make_shared<Lock>(std::move(*locked));
  // Read under the lock: another process may have made it a moment ago.
  auto stored = read_file(file, kIdentityFileBytesMax);
  if (!stored) return fail(std::move(stored.error()));
  auto identity = *stored ? decode_identity(**stored, file) : make_identity(file, shard_count, random);
  if (!identity) return fail(std::move(identity.error()));
  directory.identity = *identity;
  if (auto fits = check_shards(shard_count, identity->shard_count); !fits) return fail(std::move(fits.error()));

  if (auto opened = open_data(path, directory); !opened) {
    Error error = std::move(opened.error());
    if (error.code == ErrorCode::kCorrupt) {
      error.detail += "; nothing is served on a guess: `earshot verify --data " + path + "` says what is lost";
    }
    return fail(std::move(error));
  }
  return directory;
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
  directory.lock = std::make_shared<Lock>(std::move(*locked));
  auto stored = read_file(file, kIdentityFileBytesMax);
  if (!stored) return fail(std::move(stored.error()));
  auto identity = decode_identity(stored->value_or(""), file);
  if (!identity) return fail(std::move(identity.error()));
  directory.identity = *identity;
  return directory;
}

}  // namespace earshot::storage
