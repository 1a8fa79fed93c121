#pragma once

#include <cerrno>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/checksum.hpp"
#include "client/store.hpp"
#include "client/store_codec.hpp"

// A database of one's own, as small as it can honestly be: std::map in memory, and an append-only file that every
// transaction is written to, and synced, before it is reported done. Opening reads the file from the start.
//
// What it keeps: everything that was reported done survives a crash of the process and, as far as fdatasync() keeps its
// word, a power cut. A transaction is one record with a checksum, so a torn one at the end is as if it had never been.
// What it does not do: the file only grows; each transaction has its own sync; and since it commits before it returns,
// the library's thread waits for the disk. Good enough to show the shape; LmdbStore does all three better.
namespace earshot::examples {

class JournalStore final : public client::Store {
 public:
  static Result<std::shared_ptr<JournalStore>> open(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return fail(ErrorCode::kInternal, "path", std::strerror(errno));
    std::shared_ptr<JournalStore> store(new JournalStore(file));
    if (Status status = store->replay(); !status) return fail(status.error());
    return store;
  }
  ~JournalStore() override { ::close(file_); }

  Result<client::StoredState> load() override {
    const std::lock_guard lock(mutex_);
    client::StoredState state{outbox_head_, {}, inbox_head_};
    for (const auto& [ticket, message] : outbox_) state.outbox.push_back(message);
    return state;
  }

  void add(const client::OutboxHead& head, std::span<const client::OutboxMessage> messages,
           client::Done done) override {
    std::string record;
    put(record, 'O', 0, head);
    for (const auto& message : messages) put(record, 'A', message.ticket.value, message);
    done(commit(record));
  }
  void remove(std::span<const client::Ticket> tickets, client::Done done) override {
    std::string record;
    for (const auto ticket : tickets) put_entry(record, 'R', ticket.value, {});
    done(commit(record));
  }
  void welcome(const client::OutboxHead& outbox_head, const client::InboxHead& inbox_head,
               std::span<const client::OutboxMessage> changed, client::Done done) override {
    std::string record;
    put(record, 'O', 0, outbox_head);
    put(record, 'I', 0, inbox_head);
    for (const auto& message : changed) put(record, 'A', message.ticket.value, message);
    done(commit(record));
  }
  // The messages and the head that counts them are in one record: they are kept together or not at all.
  void receive(const client::InboxHead& head, std::span<const IncomingMessage> messages,
               std::span<const LostRange> lost, client::Done done) override {
    std::string record;
    put(record, 'I', 0, head);
    for (const auto& message : messages) put(record, 'M', head.epoch.value, message);
    for (const auto& range : lost) put(record, 'L', head.epoch.value, range);
    done(commit(record));
  }

  // By epoch and sequence.
  using Messages = std::map<std::pair<std::uint64_t, std::uint64_t>, IncomingMessage>;
  [[nodiscard]] Messages messages() const {
    const std::lock_guard lock(mutex_);
    return messages_;
  }

 private:
  explicit JournalStore(int file) : file_(file) {}

  // A record is: its size (4 bytes), its checksum (8), and its entries: kind (1), number (8), size (4), bytes.
  static constexpr std::size_t kFrameBytes = 12, kEntryBytes = 13;

  static void put_number(std::string& out, std::uint64_t value, std::size_t bytes) {
    while (bytes-- > 0) out.push_back(static_cast<char>(value >> (8 * bytes)));
  }
  static std::uint64_t number(std::string_view bytes) {
    std::uint64_t value = 0;
    for (const char c : bytes) value = value << 8 | static_cast<unsigned char>(c);
    return value;
  }
  static void put_entry(std::string& record, char kind, std::uint64_t number, std::string_view bytes) {
    record.push_back(kind);
    put_number(record, number, 8);
    put_number(record, bytes.size(), 4);
    record += bytes;
  }
  template <class Value>
  static void put(std::string& record, char kind, std::uint64_t number, const Value& value) {
    std::string bytes;
    client::encode(value, bytes);
    put_entry(record, kind, number, bytes);
  }

  Status commit(const std::string& record) {
    std::string framed;
    put_number(framed, record.size(), 4);
    put_number(framed, checksum_of(record), 8);
    framed += record;
    const std::lock_guard lock(mutex_);
    for (std::size_t written = 0; written < framed.size();) {
      const ssize_t n =
          ::pwrite(file_, framed.data() + written, framed.size() - written, static_cast<off_t>(end_ + written));
      if (n < 0 && errno == EINTR) continue;
      // Nothing counts until end_ moves: the next transaction overwrites what got there.
      if (n < 0) return fail(ErrorCode::kStorageFull, "", std::strerror(errno));
      written += static_cast<std::size_t>(n);
    }
    // After a failed sync nobody knows what is on the disk: going on would be guessing.
    EARSHOT_INVARIANT(::fdatasync(file_) == 0, "the disk keeps what it was given");
    end_ += framed.size();
    return apply(record);
  }

  Status replay() {
    struct stat info {};
    if (::fstat(file_, &info) != 0) return fail(ErrorCode::kInternal, "path", std::strerror(errno));
    std::string all(static_cast<std::size_t>(info.st_size), '\0');
    for (std::size_t got = 0; got < all.size();) {
      const ssize_t n = ::pread(file_, all.data() + got, all.size() - got, static_cast<off_t>(got));
      if (n <= 0) return fail(ErrorCode::kInternal, "path", "cannot be read");
      got += static_cast<std::size_t>(n);
    }
    std::string_view rest = all;
    while (rest.size() >= kFrameBytes) {
      const std::size_t size = number(rest.substr(0, 4));
      const std::uint64_t checksum = number(rest.substr(4, 8));
      const std::string_view record = rest.substr(kFrameBytes, size);
      if (record.size() != size || checksum_of(record) != checksum) break;  // torn: it was never reported done
      if (Status status = apply(record); !status) return status;
      rest.remove_prefix(kFrameBytes + size);
      end_ += kFrameBytes + size;
    }
    return {};
  }

  Status apply(std::string_view record) {
    while (record.size() >= kEntryBytes) {
      const char kind = record[0];
      const std::uint64_t n = number(record.substr(1, 8));
      const std::string_view bytes = record.substr(kEntryBytes, number(record.substr(9, 4)));
      record.remove_prefix(kEntryBytes + bytes.size());
      Status status;
      const auto keep = [&](auto decoded, auto&& assign) {
        if (decoded) {
          assign(std::move(*decoded));
        } else {
          status = fail(decoded.error());
        }
      };
      switch (kind) {
        case 'O': keep(client::decode_outbox_head(bytes), [&](auto head) { outbox_head_ = std::move(head); }); break;
        case 'I': keep(client::decode_inbox_head(bytes), [&](auto head) { inbox_head_ = std::move(head); }); break;
        case 'A':
          keep(client::decode_outbox_message(client::Ticket(n), bytes),
               [&](auto message) { outbox_.insert_or_assign(message.ticket, std::move(message)); });
          break;
        case 'R': outbox_.erase(client::Ticket(n)); break;
        case 'M':
          keep(client::decode_incoming(bytes), [&](auto message) {
            const std::pair place{n, message.sequence.value};
            messages_.insert_or_assign(place, std::move(message));
          });
          break;
        case 'L': break;  // an application would show them; this one has its log of them in the file
        default: return fail(ErrorCode::kCorrupt, "journal", "an entry of an unknown kind");
      }
      if (!status) return status;
    }
    return {};
  }

  const int file_;
  mutable std::mutex mutex_;
  std::uint64_t end_ = 0;  // of the records that count
  client::OutboxHead outbox_head_;
  client::InboxHead inbox_head_;
  std::map<client::Ticket, client::OutboxMessage> outbox_;
  Messages messages_;
};

}  // namespace earshot::examples
