#include "storage/model_environment.hpp"

#include <algorithm>
#include <deque>
#include <iterator>
#include <mutex>
#include <set>
#include <utility>

#include "storage/record_rules.hpp"

namespace earshot::storage {
namespace {

// One value that a key had, from the commit `number` on until the next version; no value: erased then.
struct Version {
  std::uint64_t number = 0;
  std::unique_ptr<std::string> value;  // at an address of its own, since readers hold views of it
};
using Versions = std::vector<Version>;  // ascending, never empty
using Records = std::map<std::string, Versions, std::less<>>;

struct Write {
  std::uint64_t number = 0;
  Table table = 0;
  std::string key;
};

std::uint64_t bytes_of(std::string_view key, const Version& version) {
  return version.value ? key.size() + version.value->size() : 0;
}

}  // namespace

// Every commit has a number, and a key keeps each version that a reader, or a crash, could still ask for. A writer adds
// versions of the number to come, which nobody else looks at; aborting or crashing takes the versions above a number
// away. Nothing is ever copied but what was written.
struct ModelDisk::State {
  explicit State(std::size_t tables) : tables(tables) {}

  Records& records(Table table) {
    EARSHOT_INVARIANT(table < tables.size(), "a table is one of those the environment was opened with");
    return tables[table];
  }

  // The oldest commit that somebody may still want to see.
  [[nodiscard]] std::uint64_t oldest_needed() const {
    return readers.empty() ? synced : std::min(synced, *readers.begin());
  }

  // The value of a key as of commit `number`; nullptr when absent then.
  static const std::string* value_at(const Versions& versions, std::uint64_t number) {
    for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
      if (version->number <= number) return version->value.get();
    }
    return nullptr;
  }

  void drop_unneeded_versions() {
    const std::uint64_t oldest = oldest_needed();
    while (!writes.empty() && writes.front().number <= oldest) {
      drop_versions_below(writes.front(), oldest);
      writes.pop_front();
    }
  }

  void drop_versions_below(const Write& write, std::uint64_t oldest) {
    Records& all = records(write.table);
    const auto record = all.find(write.key);
    if (record == all.end()) return;
    Versions& versions = record->second;
    // The newest version at or below `oldest` is what `oldest` sees; those before it nobody does.
    auto kept = std::find_if(versions.begin(), versions.end(), [&](const Version& v) { return v.number > oldest; });
    if (kept != versions.begin()) --kept;
    versions.erase(versions.begin(), kept);
    if (versions.size() == 1 && !versions.front().value && versions.front().number <= oldest) all.erase(record);
  }

  void drop_versions_above(const Write& write, std::uint64_t number) {
    Records& all = records(write.table);
    const auto record = all.find(write.key);
    if (record == all.end()) return;
    std::erase_if(record->second, [&](const Version& version) { return version.number > number; });
    if (record->second.empty()) all.erase(record);
  }

  mutable std::mutex mutex;
  std::vector<Records> tables;
  std::deque<Write> writes;              // whose older versions are still kept, ascending by number
  std::multiset<std::uint64_t> readers;  // the commits that open readers look at
  std::uint64_t committed = 0;
  std::uint64_t synced = 0;
  std::uint64_t commits = 0;       // ever
  std::uint64_t bytes = 0;         // of committed keys and values
  std::uint64_t synced_bytes = 0;  //
  std::uint64_t capacity = 0;      // 0: none
  bool manual_sync = false;
  bool is_open = false;
  bool is_writing = false;
};

namespace {

using State = ModelDisk::State;

// Looks at the state as of one commit. The lock is held per step only, so that `visit` may use the environment: a
// record this reader sees stays in its place as long as the reader lives.
class View {
 public:
  View(State& state, std::uint64_t number) : state_(state), number_(number) {}

  std::optional<std::string_view> get(Table table, std::string_view key) const {
    const std::lock_guard guard(state_.mutex);
    const Records& records = state_.records(table);
    const auto record = records.find(key);
    const std::string* value = record == records.end() ? nullptr : State::value_at(record->second, number_);
    return value == nullptr ? std::nullopt : std::optional<std::string_view>(*value);
  }

  void scan(Table table, std::string_view from, std::string_view to, const ReadTransaction::Visit& visit) const {
    std::unique_lock lock(state_.mutex);
    const Records& records = state_.records(table);
    for (auto record = records.lower_bound(from); record != records.end(); ++record) {
      if (!to.empty() && record->first >= to) return;
      const std::string* value = State::value_at(record->second, number_);
      if (value == nullptr) continue;
      lock.unlock();
      if (!visit(record->first, *value)) return;
      lock.lock();
    }
  }

  [[nodiscard]] std::uint64_t count(Table table) const {
    std::uint64_t records = 0;
    scan(table, {}, {}, [&records](std::string_view, std::string_view) { return ++records > 0; });
    return records;
  }

  void scan_back(Table table, std::string_view from, std::string_view to, const ReadTransaction::Visit& visit) const {
    std::unique_lock lock(state_.mutex);
    const Records& records = state_.records(table);
    auto record = to.empty() ? records.end() : records.lower_bound(to);
    while (record != records.begin()) {
      --record;
      if (record->first < from) return;
      const std::string* value = State::value_at(record->second, number_);
      if (value == nullptr) continue;
      lock.unlock();
      if (!visit(record->first, *value)) return;
      lock.lock();
    }
  }

 private:
  State& state_;
  std::uint64_t number_;
};

class ModelRead final : public ReadTransaction {
 public:
  explicit ModelRead(State& state) : state_(state), number_(begin(state)), view_(state, number_) {}
  ModelRead(const ModelRead&) = delete;
  ModelRead& operator=(const ModelRead&) = delete;
  ~ModelRead() override {
    const std::lock_guard guard(state_.mutex);
    state_.readers.erase(state_.readers.find(number_));
    state_.drop_unneeded_versions();
  }

  Result<std::optional<std::string_view>> get(Table table, std::string_view key) override {
    return view_.get(table, key);
  }
  Status scan(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
    view_.scan(table, from, to, visit);
    return {};
  }
  Status scan_back(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
    view_.scan_back(table, from, to, visit);
    return {};
  }
  Result<std::uint64_t> count(Table table) override { return view_.count(table); }

 private:
  static std::uint64_t begin(State& state) {
    const std::lock_guard guard(state.mutex);
    state.readers.insert(state.committed);
    return state.committed;
  }

  State& state_;
  std::uint64_t number_;
  View view_;
};

class ModelWrite final : public WriteTransaction {
 public:
  explicit ModelWrite(State& state) : state_(state), number_(begin(state)), view_(state, number_) {}
  ModelWrite(const ModelWrite&) = delete;
  ModelWrite& operator=(const ModelWrite&) = delete;
  ~ModelWrite() override {
    const std::lock_guard guard(state_.mutex);
    if (!is_over_) abort();
  }

  Result<std::optional<std::string_view>> get(Table table, std::string_view key) override {
    return view_.get(table, key);
  }
  Status scan(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
    view_.scan(table, from, to, visit);
    return {};
  }
  Status scan_back(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
    view_.scan_back(table, from, to, visit);
    return {};
  }
  Result<std::uint64_t> count(Table table) override { return view_.count(table); }

  Status put(Table table, std::string_view key, std::string_view value) override {
    if (auto fits = check_record(key, value); !fits) return fits;
    const std::lock_guard guard(state_.mutex);
    write(table, key, std::make_unique<std::string>(value));
    return {};
  }

  Status append(Table table, std::string_view key, std::string_view value) override {
    if (auto fits = check_record(key, value); !fits) return fits;
    bool is_greatest = true;
    view_.scan_back(table, {}, {}, [&](std::string_view last, std::string_view) {
      is_greatest = key > last;
      return false;
    });
    if (!is_greatest) return fail(ErrorCode::kInvalidArgument, "key", "must be greater than every key in the table");
    const std::lock_guard guard(state_.mutex);
    write(table, key, std::make_unique<std::string>(value));
    return {};
  }

  Result<bool> erase(Table table, std::string_view key) override {
    if (!view_.get(table, key)) return false;
    const std::lock_guard guard(state_.mutex);
    write(table, key, nullptr);
    return true;
  }

  Status commit() override {
    const std::lock_guard guard(state_.mutex);
    EARSHOT_INVARIANT(!is_over_, "a committed transaction is used no more");
    const std::uint64_t bytes = state_.bytes + added_bytes_ - removed_bytes_;
    if (state_.capacity > 0 && bytes > state_.capacity && bytes > state_.bytes) {
      abort();
      return fail(ErrorCode::kStorageFull, "", "commit: the model's disk is full");
    }
    state_.bytes = bytes;
    state_.committed = number_;
    ++state_.commits;
    if (!state_.manual_sync) state_.synced = number_, state_.synced_bytes = bytes;
    std::move(writes_.begin(), writes_.end(), std::back_inserter(state_.writes));
    end();
    state_.drop_unneeded_versions();
    return {};
  }

 private:
  static std::uint64_t begin(State& state) {
    const std::lock_guard guard(state.mutex);
    EARSHOT_INVARIANT(!std::exchange(state.is_writing, true), "an environment has one writer at a time");
    return state.committed + 1;
  }

  // Adds this transaction's version of the key, or replaces it.
  void write(Table table, std::string_view key, std::unique_ptr<std::string> value) {
    EARSHOT_INVARIANT(!is_over_, "a committed transaction is used no more");
    Records& records = state_.records(table);
    auto record = records.lower_bound(key);
    if (record == records.end() || record->first != key) {
      record = records.emplace_hint(record, std::string(key), Versions{});
    }
    Versions& versions = record->second;
    if (!versions.empty()) removed_bytes_ += bytes_of(key, versions.back());
    if (versions.empty() || versions.back().number != number_) {
      versions.push_back(Version{number_, nullptr});
      writes_.push_back(Write{number_, table, std::string(key)});
    }
    versions.back().value = std::move(value);
    added_bytes_ += bytes_of(key, versions.back());
  }

  void abort() {
    for (const Write& write : writes_) state_.drop_versions_above(write, state_.committed);
    end();
  }

  void end() {
    state_.is_writing = false;
    is_over_ = true;
    writes_.clear();
  }

  State& state_;
  std::uint64_t number_;
  View view_;
  std::vector<Write> writes_;  // each key once
  std::uint64_t added_bytes_ = 0;
  std::uint64_t removed_bytes_ = 0;
  bool is_over_ = false;
};

class ModelEnvironment final : public Environment {
 public:
  explicit ModelEnvironment(std::shared_ptr<State> state) : state_(std::move(state)) {}
  ModelEnvironment(const ModelEnvironment&) = delete;
  ModelEnvironment& operator=(const ModelEnvironment&) = delete;
  ~ModelEnvironment() override {
    const std::lock_guard guard(state_->mutex);
    EARSHOT_INVARIANT(state_->readers.empty() && !state_->is_writing, "transactions end before their environment");
    state_->is_open = false;
  }

  Result<std::unique_ptr<ReadTransaction>> begin_read() override { return std::make_unique<ModelRead>(*state_); }
  Result<std::unique_ptr<WriteTransaction>> begin_write() override { return std::make_unique<ModelWrite>(*state_); }
  DiskUsage usage() override {
    const std::lock_guard guard(state_->mutex);
    return DiskUsage{state_->bytes, state_->bytes};
  }

 private:
  std::shared_ptr<State> state_;
};

}  // namespace

ModelDisk::ModelDisk(std::size_t tables) : state_(std::make_shared<State>(tables)) {}

ModelDisk::~ModelDisk() = default;

std::unique_ptr<Environment> ModelDisk::open() {
  const std::lock_guard guard(state_->mutex);
  EARSHOT_INVARIANT(!std::exchange(state_->is_open, true), "a disk is open in one environment at a time");
  return std::make_unique<ModelEnvironment>(state_);
}

void ModelDisk::set_manual_sync(bool manual) {
  const std::lock_guard guard(state_->mutex);
  state_->manual_sync = manual;
}

void ModelDisk::sync() {
  const std::lock_guard guard(state_->mutex);
  state_->synced = state_->committed;
  state_->synced_bytes = state_->bytes;
  state_->drop_unneeded_versions();
}

void ModelDisk::crash() {
  const std::lock_guard guard(state_->mutex);
  EARSHOT_INVARIANT(!state_->is_open, "a power cut ends the process: its environment is destroyed first");
  while (!state_->writes.empty() && state_->writes.back().number > state_->synced) {
    state_->drop_versions_above(state_->writes.back(), state_->synced);
    state_->writes.pop_back();
  }
  state_->committed = state_->synced;
  state_->bytes = state_->synced_bytes;
}

void ModelDisk::set_capacity(std::uint64_t bytes) {
  const std::lock_guard guard(state_->mutex);
  state_->capacity = bytes;
}

std::uint64_t ModelDisk::commits() const {
  const std::lock_guard guard(state_->mutex);
  return state_->commits;
}

std::uint64_t ModelDisk::used_bytes() const {
  const std::lock_guard guard(state_->mutex);
  return state_->bytes;
}

bool ModelDisk::damage(Table table, std::string_view key, std::uint64_t bit) {
  const std::lock_guard guard(state_->mutex);
  Records& records = state_->records(table);
  const auto record = records.find(key);
  if (record == records.end()) return false;
  std::string* value = nullptr;
  for (const Version& version : record->second) {
    if (version.number <= state_->committed) value = version.value.get();
  }
  if (value == nullptr || value->empty()) return false;
  const std::uint64_t place = bit % (value->size() * 8);
  (*value)[place / 8] = static_cast<char>((*value)[place / 8] ^ (1 << (place % 8)));
  return true;
}

bool ModelDisk::damage_key(Table table, std::string_view key, std::size_t from, std::uint64_t bit) {
  const std::lock_guard guard(state_->mutex);
  Records& records = state_->records(table);
  const auto record = records.find(key);
  if (record == records.end() || key.size() <= from) return false;
  const Versions& versions = record->second;
  if (versions.size() != 1 || !versions.front().value || versions.front().number > state_->synced) return false;
  std::string altered(key);
  const std::uint64_t place = from * 8 + bit % ((key.size() - from) * 8);
  altered[place / 8] = static_cast<char>(altered[place / 8] ^ (1 << (place % 8)));
  if (records.contains(altered)) return false;
  auto moved = records.extract(record);
  moved.key() = std::move(altered);
  records.insert(std::move(moved));
  return true;
}

}  // namespace earshot::storage
