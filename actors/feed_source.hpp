#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "actors/feed_faults.hpp"
#include "actors/feed_message.hpp"
#include "actors/version_history.hpp"
#include "base/ids.hpp"
#include "base/limits.hpp"
#include "cluster/cell_map.hpp"

namespace earshot::actors {

// The leader's side of a shard's feeds: tells each node that has subscribed where the members are that belong to its
// regions, and holds answers back until whoever may say "that is all" has been told.
//
//   subscribe ──► scan begins ──► page ──(taken in)──► page … ──► scan ends ──► fed whole
//                      changes go between, in one order with the pages
//
// A page goes out at the moment in which it is read, numbered in one row with the changes, so none can bring back what
// a later change has taken away: that is what other designs keep tombstones for. A node is told where members go that
// leave its regions, and by a scan of all that have moved of late: it follows them for a while (places/lingerers.hpp).
// Frames may get lost, doubled or late: they are kept until they are acked, and sent again. A node that is too far
// behind is not fed any more.
//
// Leases. A node asks for one; it is granted after a check, begun later, that this replica leads still. Until it has
// run out, an answer waits for that node's ack of what was told before the answer. Whoever begins to lead does not know
// of the leases of others, so it answers nothing before those have run out.
//
// Pure: time is what the caller says (monotonic). Thread: owned by the shard.
class FeedSource {
 public:
  using Send = std::function<void(NodeId to, FeedTiding tiding)>;
  using Answer = std::function<void()>;

  FeedSource(NodeId self, Send send, const FeedFaults& faults = {})
      : self_(self), send_(std::move(send)), faults_(faults) {}

  void lead(Term term, std::uint64_t now_ms);
  // It does not lead any more: nobody is fed. Answers wait until no lease is left.
  void end();
  // Whether it leads or not: the newest change that its state shows.
  void note_version(std::uint64_t version, std::uint64_t now_ms) { versions_.note(version, now_ms); }
  // The state shows all that any leader before this one can have told: scans may begin.
  void caught_up() { is_caught_up_ = true; }
  // The number of the last change that this replica told ahead of the log, and of the one up to which all have their
  // place in it by now, or were taken back, and are told so. A page does not show the others: no scan that began after
  // they were told ends before they are settled.
  void note_aheads(std::uint64_t told, std::uint64_t settled) { aheads_told_ = told, aheads_settled_ = settled; }

  void handle(NodeId from, const FeedRequest& request, std::uint64_t now_ms);

  // ---- what an entry has changed, in the order of versions; nothing while it does not lead
  void tell(const std::vector<cluster::Move>& moves, const std::vector<cluster::ClearedLayer>& cleared,
            std::uint64_t now_ms);
  void tell(const std::vector<cluster::PrivacyChange>& privacies, std::uint64_t now_ms);

  // ---- scans: whoever can read the state does what is wanted until nothing is
  struct Wanted {  // a page, or, first, that the scan begins
    NodeId node;
    std::string from;
    bool is_first = false;
  };
  [[nodiscard]] std::optional<Wanted> wanted() const;
  void begin_scan(NodeId node, const std::vector<cluster::PrivacyChange>& privacies, std::uint64_t now_ms);
  // All members between `from` and `next`; empty: that was all.
  void page(NodeId node, std::vector<cluster::Move> moves, std::string next, std::uint64_t now_ms);
  // Nodes that have all pages, and are not told so yet: `end_scans` tells them.
  [[nodiscard]] bool has_read_all() const;
  void end_scans(std::uint64_t now_ms);

  // ---- leases: checks as of ReadGate
  [[nodiscard]] bool wants_check(std::uint64_t now_ms) const;
  void check_began(std::uint64_t number, LogIndex index, std::uint64_t now_ms);
  void put_off_check(std::uint64_t now_ms);
  void check_confirmed(std::uint64_t number);

  // ---- answers
  // Calls it, now or later, when all that has been told until now is seen wherever somebody might say so.
  void hold(Answer answer, std::uint64_t now_ms);
  [[nodiscard]] bool is_full() const;
  [[nodiscard]] std::size_t held() const { return held_.size(); }

  // Grants leases, lets answers go, sends again: after every event, and when the time comes that wake_at() says.
  void go_on(LogIndex applied, std::uint64_t now_ms);
  [[nodiscard]] std::uint64_t wake_at() const;  // 0: never

  [[nodiscard]] std::size_t feeds() const { return feeds_.size(); }

 private:
  struct Unacked {
    std::shared_ptr<const FeedItems> items;
    std::uint64_t event = 0;  // the change that it tells of; a page: the next one
    std::size_t bytes = 0;
  };
  enum class Scan : std::uint8_t { kWanted, kReading, kRead, kTold };
  struct Feed {
    Feed(FeedId of, std::vector<NodeId> view, std::uint64_t now_ms)
        : id(of), cells(std::move(view)), heard_ms(now_ms) {}

    FeedId id;
    cluster::CellMap cells;
    Scan scan = Scan::kWanted;
    std::string scan_from;
    std::uint64_t number = 0;  // of the last frame
    std::uint64_t pages = 0;
    std::uint64_t pages_taken = 0;
    std::deque<Unacked> unacked;
    std::size_t unacked_bytes = 0;
    std::uint64_t heard_ms = 0;
    std::uint64_t progress_ms = 0;  // something was acked, or sent again
    // Whoever has a newer version has moved of late, and is told of wherever it is: none is known, nobody.
    std::uint64_t late_above = UINT64_MAX;
    std::uint64_t aheads_before = 0;       // changes that were told ahead before its scan began
    std::shared_ptr<FeedItems> late_page;  // a planted bug
  };
  struct Lease {
    FeedId id;
    std::uint64_t until_ms = 0;
  };
  struct Ask {
    NodeId node;
    FeedId id;
    std::uint64_t ask = 0;
    std::uint64_t arrived_ms = 0;
    std::uint64_t check = 0;  // 0: none is begun
    LogIndex index;
  };
  struct Held {
    Answer answer;
    std::uint64_t event = 0;
  };

  void subscribe(NodeId from, const FeedSubscribe& subscribe, std::uint64_t now_ms);
  void acked(Feed& feed, const FeedAck& ack, std::uint64_t now_ms);
  void asked(NodeId from, const FeedAskLease& ask, std::uint64_t now_ms);
  // Each feed that is being told anything; `tell_one` sends it something.
  template <class TellOne>
  void tell_each(TellOne tell_one);
  void send(NodeId node, Feed& feed, FeedItems items, std::uint64_t event, std::uint64_t now_ms);
  [[nodiscard]] bool may_end(const Feed& feed) const {
    return feed.scan == Scan::kRead && feed.pages_taken == feed.pages && aheads_settled_ >= feed.aheads_before;
  }
  void send_late_page(NodeId node, Feed& feed, std::uint64_t now_ms);
  void send_again(std::uint64_t now_ms);
  void drop_those_behind(std::uint64_t now_ms);
  void grant(LogIndex applied, std::uint64_t now_ms);
  // Up to which change it has been told.
  [[nodiscard]] std::uint64_t told_through(NodeId node, const Lease& lease) const;
  [[nodiscard]] bool may_go(std::uint64_t event, std::uint64_t now_ms) const;
  void let_go(std::uint64_t now_ms);

  const NodeId self_;
  const Send send_;
  const FeedFaults faults_;
  Term term_;  // 0: it does not lead
  VersionHistory versions_{limits::kLingerMs};
  bool is_caught_up_ = false;
  std::uint64_t quiet_until_ms_ = 0;  // leases of the leader before may last so long
  std::map<NodeId, Feed> feeds_;
  std::map<NodeId, FeedId> dropped_;  // of each node the last that it is not fed by any more, and never will be again
  std::map<NodeId, Lease> leases_;
  std::uint64_t event_ = 0;  // counts what was told
  std::uint64_t aheads_told_ = 0;
  std::uint64_t aheads_settled_ = 0;
  std::deque<Held> held_;  // by event, ascending

  std::vector<Ask> asks_;
  std::uint64_t confirmed_ = 0;
  std::uint64_t check_under_way_ = 0;  // the newest
  std::uint64_t check_again_at_ms_ = 0;
};

}  // namespace earshot::actors
