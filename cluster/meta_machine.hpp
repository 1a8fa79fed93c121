#pragma once

#include <optional>
#include <string_view>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "schema/meta.hpp"

namespace earshot::cluster {

// Whether the node was removed from the cluster. Ids are given in their order, so that those which are not remembered
// any more count as well.
[[nodiscard]] bool was_removed(const MetaState& state, NodeId id);

// The state machine of the meta group: who the nodes are and where shards live. Deterministic: equal logs give equal
// states; what is refused changes nothing, on every replica. Pure.
//
//             addNode                setNodeState(up)              setNodeState(removed)
//   (nobody) ─────────► joining ──────────────────────► up ─────────────────────────────► removed
//                          └───────────────────────────────── setNodeState(removed) ──────►┘
class MetaMachine {
 public:
  // A command's outcome: the node that it is about (AddNode: whose id was given), 0 where it is about none.
  using Outcome = Result<NodeId>;

  MetaMachine() = default;
  explicit MetaMachine(MetaRecord record) : record_(std::move(record)) {}

  // Nothing when apply() could take the entry; else why not.
  [[nodiscard]] static std::optional<Error> objection_to(std::string_view entry);
  // An entry of the group's log, in their order. Stops the process when it is no command: a release that knows more has
  // written it, and to pass it over would part this replica from the others.
  Outcome apply(LogIndex index, Term term, std::string_view bytes);

  // What would become of a command now, or becomes of it:
  //  * CreateCluster: kConflict when there is another cluster already; the same one again changes nothing.
  //  * AddNode: the same nonce again gives the same id, with its addresses set anew. kOverloaded(nodes) at
  //    kClusterNodesMax.
  //  * SetAddresses, SetNodeState: kNotFound for a node that is not there; kConflict for one that is removed, and for a
  //    way back in the picture above. A placement may still name a removed node: the next one does not.
  //  * SetPlacement: kConflict when the state has another version by now; kInvalidArgument when a row names nobody,
  //  more
  //    than kReplicasMax, one twice, or one that is not up.
  //  * kInvalidArgument, kTooLarge: addresses or counts that break a limit. kUnavailable: no cluster was created yet.
  Outcome apply(const MetaCommand& command);

  [[nodiscard]] const MetaState& state() const { return record_.state; }
  [[nodiscard]] const MetaRecord& record() const { return record_; }

 private:
  Outcome apply_one(const CreateCluster& command);
  Outcome apply_one(const AddNode& command);
  Outcome apply_one(const SetAddresses& command);
  Outcome apply_one(const SetNodeState& command);
  Outcome apply_one(const SetPlacement& command);
  Result<MetaNode*> find(NodeId id);
  void forget_removed();

  MetaRecord record_;
};

}  // namespace earshot::cluster
