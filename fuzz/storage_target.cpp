// What a node finds on its disk beside the records: the log's own, its journal, LMDB's file as `earshot verify` and a
// start read it, and the identity. Checksums are also made to fit, or nothing would come past them.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "fuzz/target.hpp"
#include "storage/data_directory.hpp"
#include "storage/journal_environment.hpp"
#include "storage/journal_frame.hpp"
#include "storage/lmdb_meta.hpp"
#include "storage/lmdb_page.hpp"
#include "storage/lmdb_walk.hpp"
#include "storage/log_codec.hpp"
#include "storage/seal.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::fuzz {
namespace {

using namespace storage;

constexpr std::size_t kPageBytes = 4096;
constexpr std::size_t kNoteBytes = 32;
constexpr std::string_view kIdentityMagic = "EARSHOT\n";

const std::string& place() {
  static const tests::TemporaryDirectory directory;
  static const std::string path = directory.path();
  return path;
}

std::string write(const char* name, std::string_view bytes) {
  std::string path = place() + "/" + name;
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  return path;
}

std::string sealed(std::string_view key, std::string_view bytes) {
  std::string buffer;
  begin_sealed(buffer);
  buffer += bytes;
  finish_sealed(key, buffer);
  return buffer;
}

void try_log_record(std::string_view bytes) {
  std::string key;
  encode_running_number(7, key);
  (void)describe_damaged_record(bytes);
  (void)decode_log_record(key, bytes);
  const std::string value = sealed(key, bytes);
  const auto record = decode_log_record(key, value);
  if (!record) return;
  std::string again;
  encode_log_record(key, record->group,
                    {record->index, record->term, record->type, std::make_shared<const std::string>(record->data)},
                    again);
  require(again == value);
}

void try_small_records(std::string_view bytes) {
  const std::string key = encode_group(GroupId(3));
  const std::string value = sealed(key, bytes);
  if (const auto state = decode_hard_state(key, value)) require(encode_hard_state(key, *state) == value);
  if (const auto snapshot = decode_snapshot(key, value)) require(encode_snapshot(key, *snapshot) == value);
  (void)decode_running_number(bytes);
  (void)decode_group(bytes);
}

void try_page(std::string_view bytes, lmdb::TreePage::Kind kind) {
  std::string page(bytes.substr(0, kPageBytes));
  page.resize(kPageBytes);
  std::uint64_t number = 0;
  for (std::size_t i = 8; i > 0; --i) number = number << 8 | static_cast<unsigned char>(page[i - 1]);
  const auto parsed = lmdb::TreePage::parse(std::move(page), number, kind);
  if (!parsed) return;
  std::size_t used = 0;
  for (std::size_t i = 0; i < parsed->size(); ++i) {
    const lmdb::Node node = parsed->node(i);
    for (const std::string_view part : {node.key, node.stored})
      for (const char byte : part) used += byte != 0 ? 1 : 0;  // a sanitizer looks on
  }
  require(used <= kPageBytes);
}

void try_file(std::string_view bytes) {
  (void)walk_pages(
      write("data.mdb", bytes), [] {}, [](const PageFlaw&) {});
}

// The note of the heads stands before them.
void try_heads(std::string_view bytes) {
  const std::string note = write("meta.note", bytes.substr(0, kNoteBytes));
  const std::string data = write("heads.mdb", bytes.substr(std::min(bytes.size(), kNoteBytes)));
  if (check_meta_pages(data, note))
    (void)walk_pages(
        data, [] {}, [](const PageFlaw&) {});
}

// A file of the log's journal as it is found, and what a frame says whose checksum fits.
void try_journal(std::string_view bytes) {
  std::filesystem::create_directory(place() + "/journal");
  write("journal/000000000001.journal", bytes);
  const auto journal = open_journal({.path = place() + "/journal", .tables = 3, .read_only = true});
  if (journal) (void)(*journal)->begin_read();
  std::string frame(kFrameHeadBytes, '\0');
  frame += bytes;
  std::size_t used = 0;
  (void)read_changes(frame,
                     [&](const FrameChange& change) { used += change.key.size() + change.value.value_or("").size(); });
  require(used <= bytes.size());
}

void try_identity(std::string_view bytes) {
  for (const std::string& file : {std::string(bytes), sealed(kIdentityMagic, bytes)}) {
    write("identity", file);
    const auto directory = DataDirectory::open_identity(place());
    if (directory) require(directory->identity.shard_count > 0);
  }
}

}  // namespace
}  // namespace earshot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace earshot;
  using Kind = storage::lmdb::TreePage::Kind;
  std::string_view bytes = fuzz::view(data, size);
  switch (fuzz::choose(bytes, 8)) {
    case 0: fuzz::try_log_record(bytes); break;
    case 1: fuzz::try_small_records(bytes); break;
    case 2: fuzz::try_page(bytes, Kind::kLeaf); break;
    case 3: fuzz::try_page(bytes, Kind::kBranch); break;
    case 4: fuzz::try_file(bytes); break;
    case 5: fuzz::try_heads(bytes); break;
    case 7: fuzz::try_journal(bytes); break;
    default: fuzz::try_identity(bytes); break;
  }
  return 0;
}
