#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "actors/ack_merger.hpp"
#include "actors/client_reads.hpp"
#include "actors/mailbox_feed.hpp"
#include "actors/manage_desk.hpp"
#include "actors/ports.hpp"
#include "actors/requests.hpp"
#include "actors/session_options.hpp"

namespace earshot::actors {

// What a session asks of shards, in its name: of its home shard, where its user's mailbox, cursors and registrations
// are, and of those that its client's messages and management calls go to. Every request is open in requests() from
// then on, until its answer closes it or its deadline comes.
// Thread: its session's. Times are monotonic ms.
class ShardRequests {
 public:
  // `options` outlive it.
  ShardRequests(const SessionOptions& options, std::shared_ptr<SessionPort> self, std::shared_ptr<const Router> router)
      : options_(options),
        self_(std::move(self)),
        router_(std::move(router)),
        home_(shard_of(options.user, router_->shard_count())),
        listing_(options.directory, home_, options.id, self_),
        requests_(options.request_timeout_ms) {}

  [[nodiscard]] ShardId home() const { return home_; }
  [[nodiscard]] std::uint16_t shard_count() const { return router_->shard_count(); }
  [[nodiscard]] Requests& requests() { return requests_; }

  void log_in(std::uint64_t now_ms) { log_in_as(requests_.open(RequestKind::kLogin, now_ms)); }
  // Changes name the session by it from then on.
  void logged_in(std::uint64_t login_number) { login_number_ = login_number; }
  // From the moment that the shard knows of the session, an earlier session of the device is out, and this one will be
  // told when a later one comes.
  void register_session(bool push, ProducerId producer);
  void unregister_session();

  // `call`: of the client.
  RequestId send(CallId call, ShardId shard, ProducerId producer, std::vector<SendItem> items, std::uint64_t now_ms);
  RequestId manage(CallId call, ShardId shard, ManageRequest request, std::uint64_t now_ms) {
    const RequestId id = requests_.open(RequestKind::kManage, now_ms);
    manage_as(id, call, shard, std::move(request));
    return id;
  }
  void ack(AckRequest ack, std::uint64_t now_ms) { ack_as(requests_.open(RequestKind::kAck, now_ms), std::move(ack)); }
  void attempts(std::vector<AttemptsCommand::Note> notes, std::uint64_t now_ms);
  // The session ends: nobody waits for an answer.
  void last_attempts(std::vector<AttemptsCommand::Note> notes);
  void read_mailbox(const MailboxRead& read, std::uint64_t now_ms);
  RequestId read(const ClientReads::Read& read, std::uint64_t now_ms) {
    const RequestId id = requests_.open(RequestKind::kRead, now_ms);
    read_as(id, read);
    return id;
  }

  // Asks again what was put off in requests() and is due; `desk` may be null.
  void ask_again(const AckMerger& acks, ClientReads& reads, ManageDesk* desk, std::uint64_t now_ms);

 private:
  // The posts, under an id that requests() gave.
  void log_in_as(RequestId request);
  void manage_as(RequestId request, CallId call, ShardId shard, ManageRequest manage);
  void ack_as(RequestId request, AckRequest ack);
  void read_as(RequestId request, const ClientReads::Read& read);

  [[nodiscard]] ShardInbox& home_shard() const { return router_->shard(home_); }
  [[nodiscard]] const DeviceId& device() const { return options_.request.device; }

  const SessionOptions& options_;
  const std::shared_ptr<SessionPort> self_;
  const std::shared_ptr<const Router> router_;
  const ShardId home_;
  std::uint64_t login_number_ = 0;     // LoginOutcome::number; 0: the login is not complete
  SessionDirectory::Listing listing_;  // in the node's directory
  Requests requests_;
};

}  // namespace earshot::actors
