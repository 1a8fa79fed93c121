#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <variant>
#include <vector>

#include <caf/allowed_unsafe_message_type.hpp>
#include <caf/type_id.hpp>

#include "actors/damage.hpp"
#include "actors/places.hpp"
#include "actors/ports.hpp"
#include "cluster/group_keeper.hpp"
#include "places/cell_port.hpp"
#include "places/cell_tree.hpp"
#include "places/layer.hpp"
#include "storage/log_types.hpp"
#include "storage/shard_state.hpp"

// Every message that an actor of a node takes, and which actor takes it. The messages of the ports are in ports.hpp;
// the ones below never leave the actors.
//
//   actor         takes
//   session       SessionMessage, which is one of
//                 Client*                       from the connection, through SessionInbox
//                 SendsAnswered LoginAnswered AckAnswered FetchAnswered ManageAnswered AttemptsAnswered MailboxPush
//                 MessagesEnded ParkingRule SessionExplain SessionEvicted LeaderAnnounced
//                                               from shards, through SessionPort
//                 SessionExplained              from other sessions, through SessionPort
//                 TimerFired                    from its own timer
//   layer         LayerMoves LayerCleared       from shards, through Places
//                 LayerScan                     from feeds, through Places
//                 NearbyQuestion ScoresQuestion SizeQuestion RangeQuestion
//                                               from whoever asks, through Places
//                 LayerFilled                   from its cells
//                 EndLayer                      from the node
//   cell          CellChanges CellSearch CellSplit CellMerge CellEnd
//                                               from its layer, through CellPort
//                 CellFill                      from other cells, through CellPort
//   shard         ShardSend ShardLogin ShardAck ShardFetch ShardHistory ShardManage ShardAttempts ShardRegister
//                 ShardUnregister
//                                               from sessions, through ShardInbox
//                 ShardPositions ShardWhere     from whoever moves members, or asks for them, through ShardInbox
//                 ShardTransfer ShardTransferred from other shards, through ShardInbox
//                 FromPeer                      from other nodes, through ReplicaInbox
//                 LogPersisted                  from the log writer
//                 StateFlushed                  from the state writer
//                 GatherNow ScanPositions TimerFired
//                                               from itself
//                 BeatNow                       from the beat
//                 JoinShards WantMembers StopShard DigestShard
//                                               from the node
//   meta group    MetaCall                      from other threads, through MetaPort
//                 FromPeer                      from other nodes, through ReplicaInbox
//                 LogPersisted StateFlushed TimerFired StopShard
//                                               as shards do
//   questions     QuestionsCall                 from other threads, through QuestionPort
//                 TimerFired                    from its own timer
//                 StopWriter                    from the node
//   log writer    LogWrites                     from shards and the meta group
//                 GatherNow TimerFired          from itself
//                 StopWriter                    from the node
//   state writer  FlushOverlay                  from shards and the meta group
//                 GatherNow TimerFired          from itself
//                 StopWriter                    from the node
//
// Rules. A message is one struct, moved in by anon_send or send; a handler takes it by mutable reference and moves out
// of it, so that no vector is copied on the way: CAF copies only what is shared, and none of these is ever sent to two
// receivers. No message crosses CAF's network, so none needs to be serialised ("unsafe" is CAF's word for that).
namespace earshot::actors {

class MetaGroup;
class Questions;

// What a session takes, as one type: each of its many thousand actors keeps a table of the types that it takes.
struct SessionMessage {
  SessionEvent what;
};

// A timer of its actor, which knows it by this number: the time for which it was armed, or what it is for.
struct TimerFired {
  std::uint64_t number = 0;
};

// To itself, behind the messages that wait already: what has arrived by then goes into one log entry.
struct GatherNow {};

// From itself, or whoever has taken in the page before: go on telling where everybody is.
struct ScanPositions {};

// Members of one shard are elsewhere, or nowhere, in the layer that this comes to.
struct LayerMoves {
  ShardId shard;
  std::vector<places::MemberMove> moves;
  places::UntilTaken until_taken = {};
};

// All members of one shard are about to be told anew, or have been.
struct LayerScan {
  ShardId shard;
  bool begins = true;
};

// Members of one shard that have this version or an older one have left the layer.
struct LayerCleared {
  ShardId shard;
  std::uint64_t version = 0;
};

// A cell has taken over from others.
struct LayerFilled {
  places::CellTree::LeafId leaf = 0;
  places::CellFilled filled;
};

// The node stops: the layer ends, and its cells with it.
struct EndLayer {};

// One group's change to its log, for the next group commit. Answered by LogPersisted.
struct LogWrites {
  ShardId shard;  // who sent it: whom to answer
  storage::LogWrite write;
};

// These writes of the receiver are synced, in the order in which they were sent.
struct LogPersisted {
  std::vector<std::uint64_t> tickets;
};

// A frozen overlay to be written to the state environment. Answered by StateFlushed.
struct FlushOverlay {
  std::shared_ptr<const storage::FrozenOverlay> overlay;
};

// The receiver's frozen overlay is written, or cannot be.
struct StateFlushed {
  FlushOutcome outcome = FlushOutcome::kWritten;
};

// The other shards of the node, once all of them exist.
struct JoinShards {
  std::shared_ptr<const Router> router;
};

// From the beat: the time that the shard wanted has come.
struct BeatNow {};

// Which nodes should have a replica of the shard, who should lead first.
struct WantMembers {
  std::vector<cluster::WantedMember> wanted;
};

// The cells have taken in the page of a shard's feed.
struct FeedPageTaken {
  ShardId shard;
  FeedId feed;
};

// Somebody wants to know whether what the feeds have told is exact.
struct FeedWanted {};

// Say what the state of this shard is, as one number: equal logs give equal states. Called on the shard's thread.
struct DigestShard {
  std::function<void(ShardId, Result<std::uint64_t>)> done;
};

// Do this with the meta group of the node, on its thread. A call that comes after its end is dropped.
struct MetaCall {
  std::function<void(MetaGroup&)> call;
};

// Do this with the questions between this node and others, on their thread. A call that comes after its end is dropped.
struct QuestionsCall {
  std::function<void(Questions&)> call;
};

// Refuse new requests, flush, and end.
struct StopShard {};

// Write what is queued, and end. Sent when every shard has ended.
struct StopWriter {};

}  // namespace earshot::actors

CAF_BEGIN_TYPE_ID_BLOCK(earshot, caf::first_custom_type_id)

CAF_ADD_TYPE_ID(earshot, (earshot::actors::SessionMessage))

CAF_ADD_TYPE_ID(earshot, (earshot::actors::ShardSend))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::ShardLogin))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::ShardAck))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::ShardFetch))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::ShardHistory))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::ShardManage))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::ShardAttempts))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::ShardRegister))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::ShardUnregister))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::ShardPositions))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::ShardWhere))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::QuestionsCall))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::ScanPositions))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::LayerMoves))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::LayerCleared))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::LayerScan))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::LayerFilled))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::EndLayer))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::NearbyQuestion))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::ScoresQuestion))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::SizeQuestion))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::RangeQuestion))
CAF_ADD_TYPE_ID(earshot, (earshot::places::CellChanges))
CAF_ADD_TYPE_ID(earshot, (earshot::places::CellSearch))
CAF_ADD_TYPE_ID(earshot, (earshot::places::CellSplit))
CAF_ADD_TYPE_ID(earshot, (earshot::places::CellMerge))
CAF_ADD_TYPE_ID(earshot, (earshot::places::CellFill))
CAF_ADD_TYPE_ID(earshot, (earshot::places::CellEnd))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::ShardTransfer))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::ShardTransferred))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::FromPeer))

CAF_ADD_TYPE_ID(earshot, (earshot::actors::FeedDelivery))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::FeedFrame))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::FeedLeader))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::FeedNodes))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::FeedPageTaken))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::FeedWanted))

CAF_ADD_TYPE_ID(earshot, (earshot::actors::TimerFired))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::GatherNow))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::LogWrites))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::LogPersisted))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::FlushOverlay))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::StateFlushed))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::StopShard))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::BeatNow))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::WantMembers))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::DigestShard))
CAF_ADD_TYPE_ID(earshot, (earshot::actors::MetaCall))

CAF_END_TYPE_ID_BLOCK(earshot)

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::SessionMessage)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ShardSend)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ShardLogin)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ShardAck)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ShardFetch)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ShardHistory)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ShardManage)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ShardAttempts)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ShardRegister)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ShardUnregister)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ShardPositions)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ShardWhere)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::QuestionsCall)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ScanPositions)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::LayerMoves)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::LayerCleared)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::LayerScan)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::LayerFilled)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::EndLayer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::NearbyQuestion)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ScoresQuestion)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::SizeQuestion)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::RangeQuestion)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::places::CellChanges)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::places::CellSearch)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::places::CellSplit)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::places::CellMerge)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::places::CellFill)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::places::CellEnd)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ShardTransfer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::ShardTransferred)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::FromPeer)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::FeedDelivery)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::FeedFrame)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::FeedLeader)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::FeedNodes)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::FeedPageTaken)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::FeedWanted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::TimerFired)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::GatherNow)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::LogWrites)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::LogPersisted)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::FlushOverlay)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::StateFlushed)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::JoinShards)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::StopShard)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::BeatNow)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::WantMembers)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::DigestShard)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::MetaCall)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(earshot::actors::StopWriter)
