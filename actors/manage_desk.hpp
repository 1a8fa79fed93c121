#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "actors/ports.hpp"

namespace earshot::actors {

// A session's calls that look after mailboxes: who may ask for what, which shards it goes to, and when its answer is
// whole.
//
//   who        own user       another user, or all
//   user       everything     nothing
//   service    everything     devices, parked, explain, policy
//   operator   everything     everything
//
// But for setPolicy, which is the operator's alone. A request goes to the shard of its user; one about all mailboxes is
// asked of one shard (they agree) and changed in every one. What is explained is completed by the sessions that have
// the message now, as far as they answer within explain_wait_ms.
//
// A request may be asked again, when a change of leader left it without an outcome: doing it twice is doing it once.
// But what the second asking is told need not be true of both: a device that the first one removed is not found, which
// is what was wanted; and what the first one replayed is parked no more, which must not pass for "was not parked".
//
// Thread: its session's. Times are monotonic ms.
class ManageDesk {
 public:
  struct Answer {
    CallId call = 0;
    Result<ManageAnswer> answer;
  };
  // Posts a part to its shard and returns the id of that request.
  using Forward = std::function<RequestId(ShardId shard, ManageRequest request)>;

  ManageDesk(UserId self, Role role, std::uint16_t shard_count);

  // Forwards a call, or gives its answer when that is a refusal.
  std::optional<Answer> start(ClientManage call, const Forward& forward);
  // A part's answer, or the error that stands for it. The call's, when it is whole.
  std::optional<Answer> answered(ManageAnswered part, std::uint64_t now_ms);
  // What to ask again for a request, which has another id from now on.
  struct Again {
    CallId call = 0;
    ShardId shard;
    ManageRequest request;
  };
  Again again(RequestId was, RequestId id);
  // What another session knows.
  std::optional<Answer> explained(SessionExplained part);
  // An explanation that has waited long enough for sessions. Call until there is none.
  std::optional<Answer> expire(std::uint64_t now_ms);

  // 0: nothing waits for a time.
  [[nodiscard]] std::uint64_t wake_at() const;

 private:
  struct Call {
    CallId id = 0;
    std::size_t parts_left = 0;
    std::optional<Result<ManageAnswer>> answer;
    std::uint32_t live_left = 0;
    std::vector<DeviceFate> live;
    std::uint64_t until_ms = 0;  // with live_left > 0
  };
  struct Part {
    std::shared_ptr<Call> call;
    ShardId shard;
    ManageRequest request;
    bool is_repeat = false;
  };
  using Parts = std::unordered_map<RequestId, Part>;

  [[nodiscard]] Status check(const ManageRequest& request) const;
  Answer finish(Parts::iterator part);

  const UserId self_;
  const Role role_;
  const std::uint16_t shard_count_;
  Parts parts_;  // by the requests that they wait for
};

}  // namespace earshot::actors
