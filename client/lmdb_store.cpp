#include "client/lmdb_store.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "client/store_codec.hpp"
#include "storage/keys.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/seal.hpp"

namespace earshot::client {
namespace {

namespace keys = storage::keys;

enum Tables : storage::Table { kHeads, kOutbox, kMessages, kLost };

constexpr std::string_view kOutboxHead = "outbox";
constexpr std::string_view kInboxHead = "inbox";

std::string ticket_key(Ticket ticket) {
  std::string key;
  keys::append_big_endian(key, ticket.value);
  return key;
}

std::string place_key(Epoch epoch, Sequence sequence) {
  std::string key;
  keys::append_big_endian(key, epoch.value);
  keys::append_big_endian(key, sequence.value);
  return key;
}

// The least key that is greater.
std::string key_after(Place place) {
  std::string key = place_key(place.epoch, place.sequence);
  key.push_back('\0');
  return key;
}

Result<std::string_view> open_value(std::string_view key, std::string_view sealed) {
  const auto value = storage::open_sealed(key, sealed);
  if (!value) return fail(ErrorCode::kCorrupt, "store", "a record fails its checksum");
  return *value;
}

// One asked-for transaction. The spans are the caller's, valid until `done`.
struct Operation {
  const OutboxHead* outbox_head = nullptr;
  const InboxHead* inbox_head = nullptr;
  std::span<const OutboxMessage> outbox;
  std::span<const Ticket> removed;
  std::span<const IncomingMessage> messages;
  std::span<const LostRange> lost;
  Done done;
};

}  // namespace

class LmdbStore::Impl {
 public:
  explicit Impl(std::unique_ptr<storage::Environment> environment)
      : environment_(std::move(environment)), writer_([this] { write_until_closed(); }) {}

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      closing_ = true;
    }
    asked_.notify_one();
    writer_.join();
  }

  void ask(Operation operation) {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back(std::move(operation));
    }
    asked_.notify_one();
  }

  Result<StoredState> load();

  // Calls visit(epoch, value) for records after `after`, at most `limit`.
  template <class Visit>
  Status read(storage::Table table, Place after, std::size_t limit, Visit visit);

 private:
  void write_until_closed();
  Status write(std::span<Operation> operations);
  Status apply(const Operation& operation, storage::WriteTransaction& transaction);

  // Seals what `fill` appends and puts it.
  template <class Value>
  Status put(storage::WriteTransaction& transaction, storage::Table table, std::string_view key, const Value& value) {
    storage::begin_sealed(buffer_);
    encode(value, buffer_);
    storage::finish_sealed(key, buffer_);
    return transaction.put(table, key, buffer_);
  }

  const std::unique_ptr<storage::Environment> environment_;
  std::string buffer_;  // the writer's
  std::mutex mutex_;
  std::condition_variable asked_;
  std::vector<Operation> queue_;
  bool closing_ = false;
  std::thread writer_;  // last: it uses the others
};

void LmdbStore::Impl::write_until_closed() {
  std::vector<Operation> operations;
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      asked_.wait(lock, [&] { return closing_ || !queue_.empty(); });
      if (queue_.empty()) return;
      operations.swap(queue_);
    }
    const Status together = write(operations);
    for (Operation& operation : operations) {
      // What does not fit together may fit alone, and one that cannot be written must not fail the others.
      Status status = together || operations.size() == 1 ? together : write(std::span(&operation, 1));
      operation.done(std::move(status));
    }
    operations.clear();
  }
}

Status LmdbStore::Impl::write(std::span<Operation> operations) {
  auto transaction = environment_->begin_write();
  if (!transaction) return fail(std::move(transaction.error()));
  for (const Operation& operation : operations)
    if (Status status = apply(operation, **transaction); !status) return status;
  return (*transaction)->commit();
}

Status LmdbStore::Impl::apply(const Operation& operation, storage::WriteTransaction& transaction) {
  if (operation.outbox_head != nullptr)
    if (Status status = put(transaction, kHeads, kOutboxHead, *operation.outbox_head); !status) return status;
  if (operation.inbox_head != nullptr)
    if (Status status = put(transaction, kHeads, kInboxHead, *operation.inbox_head); !status) return status;
  for (const OutboxMessage& message : operation.outbox)
    if (Status status = put(transaction, kOutbox, ticket_key(message.ticket), message); !status) return status;
  for (const Ticket ticket : operation.removed)
    if (auto erased = transaction.erase(kOutbox, ticket_key(ticket)); !erased) return fail(std::move(erased.error()));
  if (operation.messages.empty() && operation.lost.empty()) return {};
  const Epoch epoch = operation.inbox_head->epoch;
  for (const IncomingMessage& message : operation.messages)
    if (Status status = put(transaction, kMessages, place_key(epoch, message.sequence), message); !status)
      return status;
  for (const LostRange& range : operation.lost)
    if (Status status = put(transaction, kLost, place_key(epoch, range.first), range); !status) return status;
  return {};
}

Result<StoredState> LmdbStore::Impl::load() {
  auto transaction = environment_->begin_read();
  if (!transaction) return fail(std::move(transaction.error()));
  StoredState state;
  const auto read_head = [&](std::string_view key, auto& head, auto decode) -> Status {
    auto sealed = (*transaction)->get(kHeads, key);
    if (!sealed) return fail(std::move(sealed.error()));
    if (!*sealed) return {};
    auto value = open_value(key, **sealed);
    if (!value) return fail(std::move(value.error()));
    auto decoded = decode(*value);
    if (!decoded) return fail(std::move(decoded.error()));
    head = std::move(*decoded);
    return {};
  };
  if (Status status = read_head(kOutboxHead, state.outbox_head, decode_outbox_head); !status)
    return fail(status.error());
  if (Status status = read_head(kInboxHead, state.inbox_head, decode_inbox_head); !status) return fail(status.error());
  Status failure;
  const Status scanned = (*transaction)->scan(kOutbox, {}, {}, [&](std::string_view key, std::string_view sealed) {
    auto value = open_value(key, sealed);
    auto message = value ? decode_outbox_message(Ticket(keys::read_big_endian(key, 0)), *value)
                         : Result<OutboxMessage>(fail(value.error()));
    if (message) {
      state.outbox.push_back(std::move(*message));
    } else {
      failure = fail(std::move(message.error()));
    }
    return failure.has_value();
  });
  if (!scanned) return fail(scanned.error());
  if (!failure) return fail(failure.error());
  return state;
}

template <class Visit>
Status LmdbStore::Impl::read(storage::Table table, Place after, std::size_t limit, Visit visit) {
  if (limit == 0) return {};
  auto transaction = environment_->begin_read();
  if (!transaction) return fail(std::move(transaction.error()));
  Status failure;
  std::size_t count = 0;
  const Status scanned =
      (*transaction)->scan(table, key_after(after), {}, [&](std::string_view key, std::string_view sealed) {
        auto value = open_value(key, sealed);
        failure = value ? visit(Epoch(keys::read_big_endian(key, 0)), *value) : Status(fail(value.error()));
        return failure.has_value() && ++count < limit;
      });
  return scanned ? failure : scanned;
}

Result<std::shared_ptr<LmdbStore>> LmdbStore::open(const std::string& path) {
  storage::LmdbOptions options;
  options.path = path;
  options.tables = {"heads", "outbox", "messages", "lost"};
  auto environment = storage::open_lmdb(options);
  if (!environment) return fail(std::move(environment.error()));
  return std::shared_ptr<LmdbStore>(new LmdbStore(std::make_unique<Impl>(std::move(*environment))));
}

LmdbStore::LmdbStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LmdbStore::~LmdbStore() = default;

Result<StoredState> LmdbStore::load() { return impl_->load(); }

void LmdbStore::add(const OutboxHead& head, std::span<const OutboxMessage> messages, Done done) {
  Operation operation;
  operation.outbox_head = &head;
  operation.outbox = messages;
  operation.done = std::move(done);
  impl_->ask(std::move(operation));
}

void LmdbStore::remove(std::span<const Ticket> tickets, Done done) {
  Operation operation;
  operation.removed = tickets;
  operation.done = std::move(done);
  impl_->ask(std::move(operation));
}

void LmdbStore::welcome(const OutboxHead& outbox_head, const InboxHead& inbox_head,
                        std::span<const OutboxMessage> changed, Done done) {
  Operation operation;
  operation.outbox_head = &outbox_head;
  operation.inbox_head = &inbox_head;
  operation.outbox = changed;
  operation.done = std::move(done);
  impl_->ask(std::move(operation));
}

void LmdbStore::receive(const InboxHead& head, std::span<const IncomingMessage> messages,
                        std::span<const LostRange> lost, Done done) {
  Operation operation;
  operation.inbox_head = &head;
  operation.messages = messages;
  operation.lost = lost;
  operation.done = std::move(done);
  impl_->ask(std::move(operation));
}

Result<std::vector<ReceivedMessage>> LmdbStore::messages(Place after, std::size_t limit) {
  std::vector<ReceivedMessage> found;
  const Status status = impl_->read(kMessages, after, limit, [&](Epoch epoch, std::string_view value) -> Status {
    auto message = decode_incoming(value);
    if (!message) return fail(std::move(message.error()));
    found.push_back(ReceivedMessage{epoch, std::move(*message)});
    return {};
  });
  if (!status) return fail(status.error());
  return found;
}

Result<std::vector<ReceivedLoss>> LmdbStore::lost(Place after, std::size_t limit) {
  std::vector<ReceivedLoss> found;
  const Status status = impl_->read(kLost, after, limit, [&](Epoch epoch, std::string_view value) -> Status {
    auto range = decode_lost(value);
    if (!range) return fail(std::move(range.error()));
    found.push_back(ReceivedLoss{epoch, *range});
    return {};
  });
  if (!status) return fail(status.error());
  return found;
}

}  // namespace earshot::client
