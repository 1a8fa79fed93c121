#include "storage/journal_environment.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <optional>
#include <set>
#include <shared_mutex>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>

#include "storage/files.hpp"
#include "storage/journal_index.hpp"
#include "storage/journal_reader.hpp"
#include "storage/journal_segment.hpp"
#include "storage/record_rules.hpp"
#include "storage/written_ahead.hpp"

namespace earshot::storage {
namespace {

using Version = JournalIndex::Version;

constexpr std::size_t kTablesMax = 255;
constexpr std::size_t kSparesMax = 3;
constexpr std::uint64_t kSmallTableBytes = 256 << 10;  // of a table that each new file begins with
constexpr std::uint64_t kFrameBytesMax = 1ull << 30;

// A key that a commit changes, or changed, and that has versions which are seen no more some time after.
struct Touched {
  std::uint64_t commit = 0;
  Table table = 0;
  std::string key;
};

class JournalEnvironment final : public Environment {
 public:
  static Result<std::unique_ptr<Environment>> open(const JournalOptions& options);
  JournalEnvironment(const JournalEnvironment&) = delete;
  JournalEnvironment& operator=(const JournalEnvironment&) = delete;
  ~JournalEnvironment() override;

  Result<std::unique_ptr<ReadTransaction>> begin_read() override;
  Result<std::unique_ptr<WriteTransaction>> begin_write() override;
  DiskUsage usage() override;
  Status check_pages(const std::function<void()>& on_page, const std::function<void(PageFlaw)>& on_flaw) override;

  // ---- for transactions
  Result<std::optional<std::string_view>> get(Table table, std::string_view key, std::uint64_t as_of);
  Status scan(Table table, std::string_view from, std::string_view to, std::uint64_t as_of,
              const ReadTransaction::Visit& visit);
  Status scan_back(Table table, std::string_view from, std::string_view to, std::uint64_t as_of,
                   const ReadTransaction::Visit& visit);
  void end_read(std::uint64_t as_of);

  [[nodiscard]] std::uint64_t next_commit() const { return committed_ + 1; }
  [[nodiscard]] std::uint64_t records(Table table);
  Status put(Table table, std::string_view key, std::string_view value, bool append);
  Result<bool> erase(Table table, std::string_view key);
  Status commit();
  void abandon();

 private:
  explicit JournalEnvironment(const JournalOptions& options) : options_(options), index_(options.tables) {}

  // ---- opening
  Status read_files();
  Status replay(const JournalContent& content);
  Status take_over(std::vector<std::unique_ptr<JournalSegment>> segments, const JournalContent& content);

  // ---- reading
  bool show(JournalIndex::Table::const_iterator at, std::uint64_t as_of, const ReadTransaction::Visit& visit,
            std::shared_lock<std::shared_mutex>& guard) const;

  // ---- writing
  Status write_frame();
  Status make_room();
  Status next_segment(std::uint64_t bytes);
  void copy_small_tables();
  void publish();
  void forget_unseen();
  void retire();
  void write_ahead_of_last();
  [[nodiscard]] std::string_view value_of(const Version& version) const {
    return version.segment == nullptr ? frame_.view(version.offset, version.bytes)
                                      : version.segment->view(version.offset, version.bytes);
  }

  const JournalOptions options_;
  std::optional<FileLock> lock_;
  JournalContent found_;  // read only

  mutable std::shared_mutex mutex_;  // guards what readers see: the four below
  JournalIndex index_;
  std::uint64_t committed_ = 0;
  std::multiset<std::uint64_t> readers_;                  // as of which commits
  std::deque<std::unique_ptr<JournalSegment>> segments_;  // in use; the last one is written to

  // ---- the writer's
  std::vector<std::unique_ptr<JournalSegment>> retired_;  // the next frame will say that they are not needed
  std::deque<std::unique_ptr<JournalSegment>> spares_;    // to be written again, the lowest number first
  std::optional<WrittenAhead> ahead_;                     // of the last segment
  bool ahead_to_be_synced_ = false;
  FrameWriter frame_;
  std::vector<Touched> touched_;    // by the open transaction
  std::deque<Touched> superseded_;  // by commits; readers may still see what was there
  std::atomic<bool> write_open_ = false;
  bool is_last_confirmed_ = true;  // a frame stands behind the last one that changed anything
};

// ---- transactions

class JournalRead final : public ReadTransaction {
 public:
  JournalRead(JournalEnvironment& environment, std::uint64_t as_of, std::vector<JournalIndex::Totals> totals)
      : environment_(environment), as_of_(as_of), totals_(std::move(totals)) {}
  JournalRead(const JournalRead&) = delete;
  JournalRead& operator=(const JournalRead&) = delete;
  ~JournalRead() override { environment_.end_read(as_of_); }

  Result<std::optional<std::string_view>> get(Table table, std::string_view key) override {
    return environment_.get(table, key, as_of_);
  }
  Status scan(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
    return environment_.scan(table, from, to, as_of_, visit);
  }
  Status scan_back(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
    return environment_.scan_back(table, from, to, as_of_, visit);
  }
  Result<std::uint64_t> count(Table table) override { return totals_.at(table).records; }

 private:
  JournalEnvironment& environment_;
  const std::uint64_t as_of_;
  const std::vector<JournalIndex::Totals> totals_;
};

class JournalWrite final : public WriteTransaction {
 public:
  explicit JournalWrite(JournalEnvironment& environment)
      : environment_(environment), as_of_(environment.next_commit()) {}
  JournalWrite(const JournalWrite&) = delete;
  JournalWrite& operator=(const JournalWrite&) = delete;
  ~JournalWrite() override {
    if (!is_over_) environment_.abandon();
  }

  Result<std::optional<std::string_view>> get(Table table, std::string_view key) override {
    check_usable();
    return environment_.get(table, key, as_of_);
  }
  Status scan(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
    check_usable();
    return environment_.scan(table, from, to, as_of_, visit);
  }
  Status scan_back(Table table, std::string_view from, std::string_view to, const Visit& visit) override {
    check_usable();
    return environment_.scan_back(table, from, to, as_of_, visit);
  }
  Result<std::uint64_t> count(Table table) override {
    check_usable();
    return environment_.records(table);
  }
  Status put(Table table, std::string_view key, std::string_view value) override {
    check_usable();
    return environment_.put(table, key, value, false);
  }
  Status append(Table table, std::string_view key, std::string_view value) override {
    check_usable();
    return environment_.put(table, key, value, true);
  }
  Result<bool> erase(Table table, std::string_view key) override {
    check_usable();
    return environment_.erase(table, key);
  }
  Status commit() override {
    check_usable();
    is_over_ = true;
    return environment_.commit();
  }

 private:
  void check_usable() const {
    EARSHOT_INVARIANT(std::this_thread::get_id() == thread_, "a write transaction stays on the thread that began it");
    EARSHOT_INVARIANT(!is_over_, "a committed transaction is used no more");
  }

  JournalEnvironment& environment_;
  const std::uint64_t as_of_;
  const std::thread::id thread_ = std::this_thread::get_id();
  bool is_over_ = false;
};

// ---- opening

Result<std::unique_ptr<Environment>> JournalEnvironment::open(const JournalOptions& options) {
  EARSHOT_INVARIANT(options.tables > 0 && options.tables <= kTablesMax, "a journal has from 1 to 255 tables");
  std::unique_ptr<JournalEnvironment> environment(new JournalEnvironment(options));
  if (!options.read_only) {
    if (auto made = make_directories(options.path); !made) return fail(std::move(made.error()));
    auto lock = FileLock::acquire(options.path + "/open.lock");
    if (!lock) return fail(std::move(lock.error()));
    environment->lock_.emplace(std::move(*lock));
  }
  if (auto read = environment->read_files(); !read) return fail(std::move(read.error()));
  return std::unique_ptr<Environment>(std::move(environment));
}

Status JournalEnvironment::read_files() {
  const auto numbers = JournalSegment::list(options_.path);
  if (!numbers) return fail(numbers.error());
  std::vector<std::unique_ptr<JournalSegment>> segments;
  for (const std::uint64_t number : *numbers) {
    auto segment = JournalSegment::open(options_.path, number, options_.read_only);
    if (!segment) return fail(std::move(segment.error()));
    segments.push_back(std::move(*segment));
  }
  JournalContent content = read_journal(segments);
  if (!options_.read_only && !content.missing.empty()) {
    return fail(ErrorCode::kCorrupt, "",
                options_.path + ": frame " + std::to_string(content.missing.front()) +
                    " is damaged or missing, and others stand behind it");
  }
  if (auto replayed = replay(content); !replayed) return replayed;
  if (!options_.read_only) return take_over(std::move(segments), content);
  for (auto& segment : segments) segments_.push_back(std::move(segment));
  found_ = std::move(content);
  return {};
}

Status JournalEnvironment::replay(const JournalContent& content) {
  for (const auto& [number, frame] : content.frames) {
    bool is_sound = true;
    const auto visit = [&, commit = number, &found = frame](const FrameChange& change) {
      if (change.table >= index_.tables() || !is_key(change.key)) {
        is_sound = false;
        return;
      }
      Version version;
      version.born = commit;
      if (change.value) {
        version.segment = found.segment;
        version.offset = static_cast<std::uint32_t>(found.offset + change.value_offset);
        version.bytes = static_cast<std::uint32_t>(change.value->size());
        index_.put(change.table, change.key, std::move(version));
        ++found.segment->records;
      } else if (index_.find(change.table, change.key, commit) != nullptr) {
        index_.erase(change.table, change.key, commit);
      }
      index_.prune(change.table, change.key, commit);
    };
    const bool is_whole = read_changes(frame.bytes(), visit);
    if (is_whole && is_sound) continue;
    return fail(ErrorCode::kCorrupt, "",
                frame.segment->path() + ": frame " + std::to_string(number) + " is whole and makes no sense");
  }
  if (!content.frames.empty()) committed_ = content.frames.rbegin()->first;
  return {};
}

// What a killed process wrote may not be on the disk yet, though it is read here.
Status JournalEnvironment::take_over(std::vector<std::unique_ptr<JournalSegment>> segments,
                                     const JournalContent& content) {
  std::uint64_t last = 0;
  for (const auto& [number, frame] : content.frames) {
    if (frame.segment->first_frame == 0) frame.segment->first_frame = number;
    frame.segment->set_end(frame.offset + frame_room(frame.head.bytes));
    last = std::max(last, frame.segment->number());
  }
  for (auto& segment : segments) {
    if (segment->first_frame != 0) {
      if (auto synced = segment->sync(); !synced) return synced;
      segments_.push_back(std::move(segment));
    } else if (segment->number() > last && spares_.size() < kSparesMax) {
      spares_.push_back(std::move(segment));
    } else if (auto removed = segment->remove(); !removed) {
      return removed;
    }
  }
  if (auto synced = sync_directory(options_.path); !synced) return synced;
  if (!segments_.empty()) write_ahead_of_last();
  is_last_confirmed_ = content.frames.empty();
  return {};
}

JournalEnvironment::~JournalEnvironment() {
  EARSHOT_INVARIANT(readers_.empty() && !write_open_, "transactions end before their environment");
  if (is_last_confirmed_) return;
  frame_.begin();
  (void)write_frame();  // a disk that is full has no room for it: then the last one is taken for a torn one if damaged
}

// ---- reading

Result<std::unique_ptr<ReadTransaction>> JournalEnvironment::begin_read() {
  const std::lock_guard guard(mutex_);
  readers_.insert(committed_);
  return std::make_unique<JournalRead>(*this, committed_, index_.totals());
}

void JournalEnvironment::end_read(std::uint64_t as_of) {
  const std::lock_guard guard(mutex_);
  readers_.erase(readers_.find(as_of));
}

Result<std::optional<std::string_view>> JournalEnvironment::get(Table table, std::string_view key,
                                                                std::uint64_t as_of) {
  const std::shared_lock guard(mutex_);
  const Version* version = index_.find(table, key, as_of);
  if (version == nullptr) return std::optional<std::string_view>{};
  return std::optional(value_of(*version));
}

// Shows a record to who sees it; false: that is enough. What a reader sees keeps its place while it reads: only finding
// the next one needs the lock.
bool JournalEnvironment::show(JournalIndex::Table::const_iterator at, std::uint64_t as_of,
                              const ReadTransaction::Visit& visit, std::shared_lock<std::shared_mutex>& guard) const {
  const Version* version = JournalIndex::seen(at->second, as_of);
  if (version == nullptr) return true;
  const std::string_view value = value_of(*version);
  guard.unlock();
  const bool goes_on = visit(at->first, value);
  guard.lock();
  return goes_on;
}

Status JournalEnvironment::scan(Table table, std::string_view from, std::string_view to, std::uint64_t as_of,
                                const ReadTransaction::Visit& visit) {
  std::shared_lock guard(mutex_);
  const JournalIndex::Table& records = index_.table(table);
  for (auto at = records.lower_bound(from); at != records.end() && (to.empty() || at->first < to); ++at) {
    if (!show(at, as_of, visit, guard)) return {};
  }
  return {};
}

Status JournalEnvironment::scan_back(Table table, std::string_view from, std::string_view to, std::uint64_t as_of,
                                     const ReadTransaction::Visit& visit) {
  std::shared_lock guard(mutex_);
  const JournalIndex::Table& records = index_.table(table);
  for (auto at = to.empty() ? records.end() : records.lower_bound(to); at != records.begin();) {
    --at;
    if (at->first < from) break;
    if (!show(at, as_of, visit, guard)) return {};
  }
  return {};
}

std::uint64_t JournalEnvironment::records(Table table) {
  const std::shared_lock guard(mutex_);
  return index_.totals().at(table).records;
}

// ---- writing

Result<std::unique_ptr<WriteTransaction>> JournalEnvironment::begin_write() {
  EARSHOT_INVARIANT(!options_.read_only, "an environment that is opened to read is not written");
  EARSHOT_INVARIANT(!write_open_.exchange(true), "an environment has one writer at a time");
  if (ahead_ && ahead_->keep_behind(segments_.back()->end())) ahead_to_be_synced_ = true;
  frame_.begin();
  return std::make_unique<JournalWrite>(*this);
}

Status JournalEnvironment::put(Table table, std::string_view key, std::string_view value, bool append) {
  if (auto fits = check_record(key, value); !fits) return fits;
  if (frame_.bytes() + value.size() > kFrameBytesMax) {
    return fail(ErrorCode::kTooLarge, "transaction", "may have " + std::to_string(kFrameBytesMax) + " bytes");
  }
  const std::lock_guard guard(mutex_);
  const JournalIndex::Table& records = index_.table(table);
  if (append && !records.empty()) {
    auto last = std::prev(records.end());
    while (last != records.begin() && last->second.erased) --last;
    if (!last->second.erased && last->first >= key)
      return fail(ErrorCode::kInvalidArgument, "key", "must be greater than every key in the table");
  }
  Version version;
  version.offset = static_cast<std::uint32_t>(frame_.put(table, key, value));
  version.bytes = static_cast<std::uint32_t>(value.size());
  version.born = next_commit();
  if (index_.put(table, key, std::move(version))) touched_.push_back({next_commit(), table, std::string(key)});
  return {};
}

Result<bool> JournalEnvironment::erase(Table table, std::string_view key) {
  const std::lock_guard guard(mutex_);
  if (!is_key(key) || index_.find(table, key, next_commit()) == nullptr) return false;
  frame_.erase(table, key);
  if (index_.erase(table, key, next_commit())) touched_.push_back({next_commit(), table, std::string(key)});
  return true;
}

void JournalEnvironment::abandon() {
  {
    const std::lock_guard guard(mutex_);
    for (const Touched& each : touched_) index_.undo(each.table, each.key, each.commit);
    touched_.clear();
  }
  write_open_ = false;
}

Status JournalEnvironment::commit() {
  if (touched_.empty()) {
    write_open_ = false;
    return {};
  }
  Status written = write_frame();
  if (!written) {
    abandon();
    return written;
  }
  publish();
  is_last_confirmed_ = false;
  write_open_ = false;
  return {};
}

Status JournalEnvironment::write_frame() {
  if (auto made = make_room(); !made) return made;
  JournalSegment& segment = *segments_.back();
  if (segment.first_frame == 0) segment.first_frame = next_commit();
  const std::string_view frame = frame_.finish(next_commit(), segments_.front()->first_frame);
  if (!ahead_to_be_synced_) return segment.append_synced(frame);
  if (auto written = segment.append(frame); !written) return written;
  if (auto synced = segment.sync(); !synced) return synced;
  ahead_to_be_synced_ = false;
  return {};
}

Status JournalEnvironment::make_room() {
  const auto fits = [&] {
    return segments_.back()->end() + frame_room(frame_.bytes()) <= segments_.back()->capacity();
  };
  if (!segments_.empty() && fits()) return {};
  copy_small_tables();
  return next_segment(frame_room(frame_.bytes()));
}

Status JournalEnvironment::next_segment(std::uint64_t bytes) {
  std::uint64_t number = 1;
  if (!segments_.empty()) number = segments_.back()->number() + 1;
  if (!spares_.empty()) {
    number = spares_.front()->number();
    spares_.pop_front();
  }
  auto segment = JournalSegment::open_new(options_.path, number, std::max(options_.segment_bytes, bytes));
  if (!segment) return fail(std::move(segment.error()));
  // Its name must be there before anything in it counts.
  if (auto synced = sync_directory(options_.path); !synced) return synced;
  const std::lock_guard guard(mutex_);
  segments_.push_back(std::move(*segment));
  write_ahead_of_last();
  return {};
}

void JournalEnvironment::write_ahead_of_last() {
  const JournalSegment& last = *segments_.back();
  ahead_.emplace(last.open_again(), options_.written_ahead_bytes, last.capacity());
}

void JournalEnvironment::copy_small_tables() {
  const std::lock_guard guard(mutex_);
  for (Table table = 0; table < index_.tables(); ++table) {
    if (index_.totals()[table].bytes > kSmallTableBytes) continue;
    for (const auto& [key, newest] : index_.table(table)) {
      if (newest.erased || newest.segment == nullptr) continue;
      Version copy;
      copy.offset = static_cast<std::uint32_t>(frame_.put(table, key, value_of(newest)));
      copy.bytes = newest.bytes;
      copy.born = next_commit();
      index_.put(table, key, std::move(copy));
      touched_.push_back({next_commit(), table, key});
    }
  }
}

void JournalEnvironment::publish() {
  JournalSegment& segment = *segments_.back();
  {
    const std::lock_guard guard(mutex_);
    for (Touched& each : touched_) {
      if (index_.settle(each.table, each.key, segment, segment.end())) superseded_.push_back(std::move(each));
    }
    touched_.clear();
    segment.set_end(segment.end() + frame_room(frame_.bytes()));
    ++committed_;
    forget_unseen();
  }
  retire();
}

void JournalEnvironment::forget_unseen() {
  const std::uint64_t oldest = readers_.empty() ? committed_ : *readers_.begin();
  for (; !superseded_.empty() && superseded_.front().commit <= oldest; superseded_.pop_front())
    index_.prune(superseded_.front().table, superseded_.front().key, oldest);
}

// The frame that was just synced says that what was retired before it is not needed.
void JournalEnvironment::retire() {
  for (auto& segment : retired_) {
    const std::uint64_t last = (spares_.empty() ? segments_ : spares_).back()->number();
    if (spares_.size() < kSparesMax && segment->become(last + 1)) {
      spares_.push_back(std::move(segment));
    } else {
      (void)segment->remove();
    }
  }
  retired_.clear();
  const std::lock_guard guard(mutex_);
  while (segments_.size() > 1 && segments_.front()->records == 0) {
    retired_.push_back(std::move(segments_.front()));
    segments_.pop_front();
  }
}

// ---- looking

DiskUsage JournalEnvironment::usage() {
  const std::shared_lock guard(mutex_);
  DiskUsage usage;
  for (const auto& segment : segments_) {
    usage.used_bytes += segment->end();
    usage.file_bytes += segment->file_bytes();
  }
  return usage;
}

Status JournalEnvironment::check_pages(const std::function<void()>& on_page,
                                       const std::function<void(PageFlaw)>& on_flaw) {
  for (const auto& [number, frame] : found_.frames) {
    for (std::uint64_t at = 0; at < frame.head.bytes; at += kFramePageBytes) on_page();
  }
  for (const std::uint64_t number : found_.missing) {
    PageFlaw flaw;
    flaw.of = PageFlaw::Of::kFrame;
    flaw.page = number;
    flaw.what = "is damaged or missing, and others stand behind it";
    on_flaw(std::move(flaw));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<Environment>> open_journal(const JournalOptions& options) {
  return JournalEnvironment::open(options);
}

}  // namespace earshot::storage
