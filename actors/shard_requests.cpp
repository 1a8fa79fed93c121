#include "actors/shard_requests.hpp"

#include <utility>

#include "base/limits.hpp"

namespace earshot::actors {

void ShardRequests::log_in_as(RequestId request) {
  const LoginRequest& login = options_.request;
  home_shard().post(ShardLogin{self_, request,
                               LoginCommand{options_.user, login.device, login.producer, login.epoch,
                                            login.last_received, login.start_at, login.order}});
}

void ShardRequests::register_session(bool push, ProducerId producer) {
  listing_.registered(options_.user, device(), push);
  home_shard().post(ShardRegister{self_, options_.id, options_.user, device(), push, options_.request.order, producer,
                                  options_.node});
}

void ShardRequests::unregister_session() {
  listing_.unregistered();
  home_shard().post(ShardUnregister{options_.id, options_.user, device(), options_.node});
}

RequestId ShardRequests::send(CallId call, ShardId shard, ProducerId producer, std::vector<SendItem> items,
                              std::uint64_t now_ms) {
  const RequestId request = requests_.open(RequestKind::kSend, now_ms);
  router_->shard(shard).post(
      ShardSend{self_, request, SendCommand{producer, options_.user, device(), std::move(items)}, call});
  return request;
}

void ShardRequests::manage_as(RequestId id, CallId call, ShardId shard, ManageRequest request) {
  router_->shard(shard).post(
      ShardManage{self_, id, std::move(request), call, Mover{options_.user, device(), login_number_}});
}

void ShardRequests::ack_as(RequestId request, AckRequest ack) {
  home_shard().post(ShardAck{self_, request, AckCommand{options_.user, device(), ack.up_to, std::move(ack.above)}});
}

void ShardRequests::attempts(std::vector<AttemptsCommand::Note> notes, std::uint64_t now_ms) {
  const RequestId request = requests_.open(RequestKind::kAttempts, now_ms);
  home_shard().post(ShardAttempts{self_, request, AttemptsCommand{options_.user, device(), std::move(notes)}});
}

void ShardRequests::last_attempts(std::vector<AttemptsCommand::Note> notes) {
  home_shard().post(ShardAttempts{nullptr, 0, AttemptsCommand{options_.user, device(), std::move(notes)}});
}

void ShardRequests::read_mailbox(const MailboxRead& read, std::uint64_t now_ms) {
  const RequestId request = requests_.open(RequestKind::kMailbox, now_ms);
  home_shard().post(ShardFetch{self_, request, options_.user, read.after, read.limit, read.bytes_max});
}

void ShardRequests::read_as(RequestId request, const ClientReads::Read& read) {
  if (read.kind == ClientReads::Kind::kFetch) {
    home_shard().post(
        ShardFetch{self_, request, options_.user, read.from, read.limit, limits::kBatchBytesMax, read.call});
  } else {
    home_shard().post(
        ShardHistory{self_, request, options_.user, read.from, read.limit, limits::kBatchBytesMax, read.call});
  }
}

void ShardRequests::ask_again(const AckMerger& acks, ClientReads& reads, ManageDesk* desk, std::uint64_t now_ms) {
  while (const auto again = requests_.next_again(now_ms)) {
    switch (again->kind) {
      case RequestKind::kLogin: log_in_as(again->id); break;
      case RequestKind::kAck: ack_as(again->id, acks.under_way()); break;
      case RequestKind::kRead: read_as(again->id, reads.again(again->was, again->id)); break;
      case RequestKind::kManage: {
        auto [call, shard, request] = desk->again(again->was, again->id);
        manage_as(again->id, call, shard, std::move(request));
        break;
      }
      // Never put off: they go back to the client's lane, to the feed, to the notes.
      case RequestKind::kSend:
      case RequestKind::kMailbox:
      case RequestKind::kAttempts: break;
    }
  }
}

}  // namespace earshot::actors
