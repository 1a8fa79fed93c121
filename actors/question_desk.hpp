#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "actors/node_gather.hpp"
#include "actors/node_question.hpp"
#include "base/call_scope.hpp"
#include "base/error.hpp"
#include "base/ids.hpp"
#include "base/request_tag.hpp"
#include "cluster/cell_map.hpp"

namespace earshot::actors {

// A question for all nodes that have some of its answer.
struct NodesQuestion {
  LayerId layer;
  std::vector<cluster::Region> regions;  // of the layer, that have the answer; none: all nodes have some
  QuestionPart part;
  std::uint32_t deadline_ms = 0;
  // Once, on the desk's thread. kOverloaded: as many are asked as may be, or their answers take as much as they may.
  std::function<void(Result<NodesAnswer>)> done;
  RequestTag tag = CallScope::current();  // for log lines
};

// What a desk needs of its node.
class QuestionHost {
 public:
  virtual ~QuestionHost() = default;
  // By whom it asks which node.
  virtual std::shared_ptr<const cluster::CellMap> cells() = 0;
  // To another node, or to this one, whose answer comes back as theirs do, but not before send() has returned. False:
  // it does not go now.
  virtual bool send(NodeId to, const NodeQuestion& question) = 0;
};

// The questions of a node to all that have some of the answer, until they are answered or their deadline comes. Pure.
// Thread: its actor's. Times are monotonic ms.
class QuestionDesk {
 public:
  struct Limits {
    std::size_t open_max;
    std::size_t bytes_max;
  };

  // `last`: questions are numbered from the next one on. No two starts of a node may give the same numbers: a node that
  // waits until it can answer answers the one that asked, also when that has died meanwhile and come back.
  QuestionDesk(QuestionHost& host, const Limits& limits, std::uint64_t last = 0)
      : host_(host), limits_(limits), last_(last) {}

  void ask(NodesQuestion question, std::uint64_t now_ms);
  void answered(NodeId from, NodeAnswer answer, std::uint64_t now_ms);
  // What that node was asked, or has answered, may be lost; or it can be asked now.
  void link_changed(NodeId node, std::uint64_t now_ms);
  void wake(std::uint64_t now_ms);
  // 0: never.
  [[nodiscard]] std::uint64_t wake_at() const { return due_.empty() ? 0 : due_.begin()->first; }

  [[nodiscard]] std::size_t open() const { return open_.size(); }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Open {
    QuestionPart part;
    NodeGather gather;
    std::uint64_t deadline_ms;
    std::uint64_t due_ms = 0;  // as in due_; 0: it is not there
    std::function<void(Result<NodesAnswer>)> done;
    RequestTag tag;
  };
  using Questions = std::map<std::uint64_t, Open>;

  // Those who have not told all; by another view everybody, and under another number.
  void ask_nodes(Questions::iterator question, std::uint64_t now_ms);
  void finish(Questions::iterator question);
  // Something is to be done about it then, or at its deadline.
  void set_due(Questions::iterator question, std::uint64_t at_ms);
  // Out of everything.
  Open take_out(Questions::iterator question);
  void note_bytes(std::size_t before, std::size_t after) { bytes_ = bytes_ - before + after; }

  QuestionHost& host_;
  const Limits limits_;
  Questions open_;                                         // by the number of their round
  std::set<std::pair<std::uint64_t, std::uint64_t>> due_;  // when, and which
  std::uint64_t last_;
  std::size_t bytes_ = 0;
};

}  // namespace earshot::actors
