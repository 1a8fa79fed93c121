#include "tests/support/power_cut.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace earshot::tests {
namespace {

constexpr std::uint64_t kSectorBytes = 512;

std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw std::runtime_error("cannot read " + path);
  return bytes;
}

}  // namespace

PowerCut::PowerCut(const std::string& trace_file) : trace_(read_whole(trace_file)) {
  std::string_view rest = trace_;
  while (rest.size() >= sizeof(disk_record)) {
    Record record;
    std::memcpy(&record.head, rest.data(), sizeof record.head);
    rest.remove_prefix(sizeof record.head);
    record.payload = rest.substr(0, record.head.bytes);
    if (record.payload.size() < record.head.bytes) break;  // the process was killed while it recorded this
    rest.remove_prefix(record.payload.size());
    records_.push_back(record);
  }
}

void PowerCut::advance(std::uint64_t records) {
  for (; happened_ < records; ++happened_) happen(happened_, records_.at(happened_));
}

void PowerCut::happen(std::uint64_t number, const Record& record) {
  const disk_record& head = record.head;
  const auto file = [&]() -> File& {
    auto& known = files_[head.file];
    if (known == nullptr) known = std::make_shared<File>();
    return *known;
  };
  switch (head.kind) {
    case DISK_WRITE: return write(number, file(), head.offset, record.payload);
    case DISK_SYNCED_WRITE: {
      const disk_record& written = records_.at(head.upto).head;
      const std::uint64_t last = (written.offset + written.bytes - 1) / kSectorBytes;
      return sync_range(file(), written.offset / kSectorBytes, last, head.upto + 1);
    }
    case DISK_SYNC: return sync(file(), head.upto);
    case DISK_TRUNCATE: return set_length(number, file(), head.offset);
    case DISK_MAKE:
      files_[head.file] = std::make_shared<File>();
      return change_name(number, record.payload, {files_[head.file], nullptr});
    case DISK_MAKE_DIRECTORY: return change_name(number, record.payload, {nullptr, std::make_shared<Directory>()});
    case DISK_REMOVE: return change_name(number, record.payload, {});
    case DISK_RENAME: {
      const auto middle = record.payload.find('\0');
      const auto [from, name] = place_of(record.payload.substr(0, middle));
      change_name(number, record.payload.substr(middle + 1), from->current.at(name));
      return change_name(number, record.payload.substr(0, middle), {});
    }
    case DISK_SYNC_DIRECTORY: {
      Directory* directory = root_.get();
      if (!record.payload.empty()) {
        const auto [parent, name] = place_of(record.payload);
        directory = parent->current.at(name).directory.get();
      }
      auto& pending = directory->pending;
      for (; !pending.empty() && pending.front().record < head.upto; pending.pop_front())
        directory->synced[pending.front().name] = pending.front().node;
      return;
    }
    default: throw std::runtime_error("the trace holds a record of kind " + std::to_string(head.kind));
  }
}

void PowerCut::write(std::uint64_t number, File& file, std::uint64_t offset, std::string_view bytes) {
  if (offset + bytes.size() > file.length()) set_length(number, file, offset + bytes.size());
  while (!bytes.empty()) {
    const std::uint64_t begin = offset % kSectorBytes;
    const std::string_view part = bytes.substr(0, kSectorBytes - begin);
    file.pending[offset / kSectorBytes].push_back({number, static_cast<std::uint32_t>(begin), part});
    bytes.remove_prefix(part.size());
    offset += part.size();
  }
}

// A file that is made shorter is so at once: nothing here depends on such a change being lost.
void PowerCut::set_length(std::uint64_t number, File& file, std::uint64_t bytes) {
  if (bytes >= file.length()) return file.lengths.emplace_back(number, bytes), void();
  file.synced.resize(std::min<std::uint64_t>(bytes, file.synced.size()));
  file.pending.erase(file.pending.lower_bound((bytes + kSectorBytes - 1) / kSectorBytes), file.pending.end());
  file.lengths.assign(1, {number, bytes});
}

void PowerCut::sync_range(File& file, std::uint64_t first_sector, std::uint64_t last_sector, std::uint64_t upto) {
  for (auto sector = file.pending.lower_bound(first_sector);
       sector != file.pending.end() && sector->first <= last_sector;) {
    auto& pieces = sector->second;
    const auto later = std::find_if(pieces.begin(), pieces.end(), [&](const Piece& p) { return p.record >= upto; });
    for (auto piece = pieces.begin(); piece != later; ++piece) {
      const std::uint64_t at = sector->first * kSectorBytes + piece->begin;
      if (file.synced.size() < at + piece->bytes.size()) file.synced.resize(at + piece->bytes.size());
      piece->bytes.copy(file.synced.data() + at, piece->bytes.size());
    }
    pieces.erase(pieces.begin(), later);
    sector = pieces.empty() ? file.pending.erase(sector) : std::next(sector);
  }
}

void PowerCut::sync(File& file, std::uint64_t upto) {
  sync_range(file, 0, UINT64_MAX, upto);
  auto& lengths = file.lengths;
  const auto later = std::find_if(lengths.begin(), lengths.end(), [&](const auto& l) { return l.first >= upto; });
  if (later == lengths.begin()) return;
  file.synced.resize(std::max<std::uint64_t>(file.synced.size(), std::prev(later)->second));
  lengths.erase(lengths.begin(), later);
}

std::pair<PowerCut::Directory*, std::string> PowerCut::place_of(std::string_view path) {
  Directory* directory = root_.get();
  for (auto slash = path.find('/'); slash != std::string_view::npos; slash = path.find('/')) {
    directory = directory->current.at(std::string(path.substr(0, slash))).directory.get();
    path.remove_prefix(slash + 1);
  }
  return {directory, std::string(path)};
}

void PowerCut::change_name(std::uint64_t number, std::string_view path, Node node) {
  const auto [directory, name] = place_of(path);
  directory->current[name] = node;
  directory->pending.push_back({number, name, std::move(node)});
}

void PowerCut::leave(const std::string& directory, Random& random) const {
  std::filesystem::create_directories(directory);
  leave_directory(*root_, directory, random);
}

void PowerCut::leave_directory(const Directory& directory, const std::string& path, Random& random) {
  Names names = directory.synced;
  std::uint64_t survive = random.between(0, directory.pending.size());
  for (const NameChange& change : directory.pending) {
    if (survive-- == 0) break;
    names[change.name] = change.node;
  }
  for (const auto& [name, node] : names) {
    const std::string where = path + "/" + name;
    if (node.file != nullptr) leave_file(*node.file, where, random);
    if (node.directory == nullptr) continue;
    std::filesystem::create_directory(where);
    leave_directory(*node.directory, where, random);
  }
}

void PowerCut::leave_file(const File& file, const std::string& path, Random& random) {
  std::string bytes = file.synced;
  const std::uint64_t length_at = random.between(0, file.lengths.size());
  const std::uint64_t length =
      length_at == 0 ? bytes.size() : std::max<std::uint64_t>(bytes.size(), file.lengths[length_at - 1].second);
  const std::uint64_t written = file.pending.empty() ? 0 : (file.pending.rbegin()->first + 1) * kSectorBytes;
  bytes.resize(std::min(length, std::max<std::uint64_t>(bytes.size(), written)));
  // Of ten sectors so many are the newest; the others are of any age.
  const std::uint64_t newest_of_ten = random.between(0, 10);
  for (const auto& [sector, pieces] : file.pending) {
    const bool is_newest = random.below(10) < newest_of_ten;
    std::uint64_t survive = is_newest ? pieces.size() : random.between(0, pieces.size());
    for (const Piece& piece : pieces) {
      if (survive-- == 0) break;
      const std::uint64_t at = sector * kSectorBytes + piece.begin;
      if (at >= bytes.size()) break;
      piece.bytes.copy(bytes.data() + at, std::min<std::uint64_t>(piece.bytes.size(), bytes.size() - at));
    }
  }
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) throw std::runtime_error("cannot write " + path);
  std::filesystem::resize_file(path, length);
}

}  // namespace earshot::tests
