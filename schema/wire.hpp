#pragma once

#include "schema/broker.capnp.h"
#include "schema/cluster_status.hpp"
#include "schema/errors.capnp.h"
#include "schema/manage.hpp"
#include "schema/messages.hpp"
#include "schema/node_removal.hpp"
#include "schema/places.hpp"

// Conversions between the protocol's C++ types and their Cap'n Proto form, for the server's and the client's side
// alike. Readers check every field against its rule and limit and name the field at fault, as it is spelled in
// broker.capnp; they never trust a length, an enum or a text, and malformed messages are an Error, not an exception.
// Order and contiguity of what a batch holds are not their business but the inbox's, which repairs gaps.
namespace earshot::wire {

// ---- errors

void write(const Error& from, schema::Error::Builder to);
// Never fails: an unknown code is kInternal, over-long texts are cut.
Error read(schema::Error::Reader from);

// ---- sending

void write(const OutgoingMessage& from, schema::Outgoing::Builder to);
// Does not compare the checksum with the body: that is the session's to answer per message.
Result<OutgoingMessage> read(schema::Outgoing::Reader from);
// What a message that read() refused still says about its place: number, answered_below and id, without recipient and
// body, so that the final refusal can use up its number. An Error when not even these can stand: then the whole call is
// refused.
Result<OutgoingMessage> read_refused(schema::Outgoing::Reader from);
// The shard of the message's lane. Any text has one: a message with a bad recipient stands in a lane too.
ShardId lane_of(schema::Outgoing::Reader from, std::uint16_t shard_count);
// Count and body bytes of a send call against batch_messages_max and batch_bytes_max: kTooLarge(messages).
Status check_size(capnp::List<schema::Outgoing>::Reader messages);

void write(const SendAnswer& from, schema::SendAnswer::Builder to);
// An answer that cannot be understood is Held(kInternal): sending again is safe and gets the first answer, while taking
// it for stored or refused might not be true.
SendAnswer read(schema::SendAnswer::Reader from);

// ---- delivery

void write(const IncomingMessage& from, schema::Incoming::Builder to);
// One stored message goes to several devices, each with its own attempt.
void write(const IncomingMessage& from, std::uint32_t attempt, schema::Incoming::Builder to);
Result<IncomingMessage> read(schema::Incoming::Reader from);

void write(const LostRange& from, schema::LostRange::Builder to);
Result<LostRange> read(schema::LostRange::Reader from);
// One that a newer peer invented is kUnknown: it only informs.
LostReason read_reason(schema::LostReason from);

void write(const Batch& from, schema::Batch::Builder to);
Result<Batch> read(schema::Batch::Reader from);

// ---- login

void write(const LoginRequest& from, schema::LoginRequest::Builder to);
// Neither judges the token nor the protocol range (common_protocol does).
Result<LoginRequest> read(schema::LoginRequest::Reader from);

void write(const Welcome& from, schema::Welcome::Builder to);
Result<Welcome> read(schema::Welcome::Reader from);

// Addresses only help: what breaks a rule, or is beyond node_addresses_max, is left out.
void write(const GoAway& from, schema::Receiver::GoAwayParams::Builder to);
Result<GoAway> read(schema::Receiver::GoAwayParams::Reader from);

// ---- the session's calls: parameters

// The receiver is the caller's to set and to take.
void write(const SubscribeRequest& from, schema::Session::SubscribeParams::Builder to);
Result<SubscribeRequest> read(schema::Session::SubscribeParams::Reader from);

void write(const std::vector<Sequence>& from, capnp::List<std::uint64_t>::Builder to);  // of the same size

void write(const AckRequest& from, schema::Session::AckParams::Builder to);
Result<AckRequest> read(schema::Session::AckParams::Reader from);

void write(const NackRequest& from, schema::Session::NackParams::Builder to);
Result<NackRequest> read(schema::Session::NackParams::Reader from);

void write(const FetchRequest& from, schema::Session::FetchParams::Builder to);
Result<FetchRequest> read(schema::Session::FetchParams::Reader from);

void write(const HistoryRequest& from, schema::Session::HistoryParams::Builder to);
Result<HistoryRequest> read(schema::Session::HistoryParams::Reader from);

// ---- the session's calls: answers. An answer of an unknown kind is an Error, kInternal.

void write(const Status& from, schema::StatusAnswer::Builder to);
Status read(schema::StatusAnswer::Reader from);

void write(const Result<Sequence>& from, schema::AckAnswer::Builder to);
Result<Sequence> read(schema::AckAnswer::Reader from);

void write(const Result<Batch>& from, schema::FetchAnswer::Builder to);
Result<Batch> read(schema::FetchAnswer::Reader from);

// ---- looking after mailboxes (wire_manage.cpp): parameters

void write(const DevicesRequest& from, schema::Session::DevicesParams::Builder to);
Result<DevicesRequest> read(schema::Session::DevicesParams::Reader from);

void write(const RemoveDeviceRequest& from, schema::Session::RemoveDeviceParams::Builder to);
Result<RemoveDeviceRequest> read(schema::Session::RemoveDeviceParams::Reader from);

void write(const ParkedRequest& from, schema::Session::ParkedParams::Builder to);
Result<ParkedRequest> read(schema::Session::ParkedParams::Reader from);  // a limit of 0 becomes parked_page_max

void write(const ReplayRequest& from, schema::Session::ReplayParams::Builder to);
Result<ReplayRequest> read(schema::Session::ReplayParams::Reader from);

void write(const DropParkedRequest& from, schema::Session::DropParkedParams::Builder to);
Result<DropParkedRequest> read(schema::Session::DropParkedParams::Reader from);

void write(const ExplainRequest& from, schema::Session::ExplainParams::Builder to);
Result<ExplainRequest> read(schema::Session::ExplainParams::Reader from);

void write(const PolicyRequest& from, schema::Session::PolicyParams::Builder to);
Result<PolicyRequest> read(schema::Session::PolicyParams::Reader from);

void write(const SetPolicyRequest& from, schema::Session::SetPolicyParams::Builder to);
Result<SetPolicyRequest> read(schema::Session::SetPolicyParams::Reader from);

// ---- looking after mailboxes: answers. removeDevice, dropParked and setPolicy answer with a StatusAnswer.

void write(const Result<std::vector<DeviceInfo>>& from, schema::DevicesAnswer::Builder to);
Result<std::vector<DeviceInfo>> read(schema::DevicesAnswer::Reader from);

void write(const Result<std::vector<ParkedMessage>>& from, schema::ParkedAnswer::Builder to);
Result<std::vector<ParkedMessage>> read(schema::ParkedAnswer::Reader from);

void write(const std::vector<ParkedMessage>& from, schema::ParkedAnswer::Builder to);  // without a copy of the bodies

void write(const Result<Replayed>& from, schema::ReplayAnswer::Builder to);
Result<Replayed> read(schema::ReplayAnswer::Reader from);

void write(const Result<Explanation>& from, schema::ExplainAnswer::Builder to);
Result<Explanation> read(schema::ExplainAnswer::Reader from);

void write(const DeviceFate& from, schema::DeviceFate::Builder to);
Result<DeviceFate> read(schema::DeviceFate::Reader from);

void write(const Result<PolicyInfo>& from, schema::PolicyAnswer::Builder to);
Result<PolicyInfo> read(schema::PolicyAnswer::Reader from);

// ---- where members are (wire_places.cpp): parameters. An empty layer becomes the default one; an empty member stays.

void write(const SetPositionsRequest& from, schema::Session::SetPositionsParams::Builder to);
Result<SetPositionsRequest> read(schema::Session::SetPositionsParams::Reader from);

void write(const ClearPositionsRequest& from, schema::Session::ClearPositionsParams::Builder to);
Result<ClearPositionsRequest> read(schema::Session::ClearPositionsParams::Reader from);

void write(const ClearLayerRequest& from, schema::Session::ClearLayerParams::Builder to);
Result<ClearLayerRequest> read(schema::Session::ClearLayerParams::Reader from);

void write(const NearbyRequest& from, schema::Session::NearbyParams::Builder to);
Result<NearbyRequest> read(schema::Session::NearbyParams::Reader from);

void write(const PositionsRequest& from, schema::Session::PositionsParams::Builder to);
Result<PositionsRequest> read(schema::Session::PositionsParams::Reader from);

void write(const DistanceRequest& from, schema::Session::DistanceParams::Builder to);
Result<DistanceRequest> read(schema::Session::DistanceParams::Reader from);

void write(const LayersRequest& from, schema::Session::LayersParams::Builder to);
Result<LayersRequest> read(schema::Session::LayersParams::Reader from);

void write(const LayerPrivacyRequest& from, schema::Session::LayerPrivacyParams::Builder to);
Result<LayerPrivacyRequest> read(schema::Session::LayerPrivacyParams::Reader from);

void write(const SetLayerPrivacyRequest& from, schema::Session::SetLayerPrivacyParams::Builder to);
Result<SetLayerPrivacyRequest> read(schema::Session::SetLayerPrivacyParams::Reader from);

// ---- where members are: answers

void write(const Result<PositionOutcomes>& from, schema::SetPositionsAnswer::Builder to);
Result<PositionOutcomes> read(schema::SetPositionsAnswer::Reader from);

void write(const Result<PositionsCleared>& from, schema::ClearPositionsAnswer::Builder to);
Result<PositionsCleared> read(schema::ClearPositionsAnswer::Reader from);

void write(const Result<LayerCleared>& from, schema::ClearLayerAnswer::Builder to);
Result<LayerCleared> read(schema::ClearLayerAnswer::Reader from);

void write(const Result<NearbyFound>& from, schema::NearbyAnswer::Builder to);
Result<NearbyFound> read(schema::NearbyAnswer::Reader from);

void write(const Result<Positions>& from, schema::PositionsAnswer::Builder to);
Result<Positions> read(schema::PositionsAnswer::Reader from);

void write(const Result<Distance>& from, schema::DistanceAnswer::Builder to);
Result<Distance> read(schema::DistanceAnswer::Reader from);

void write(const Result<LayersPage>& from, schema::LayersAnswer::Builder to);
Result<LayersPage> read(schema::LayersAnswer::Reader from);

void write(const Result<LayerPrivacyInfo>& from, schema::LayerPrivacyAnswer::Builder to);
Result<LayerPrivacyInfo> read(schema::LayerPrivacyAnswer::Reader from);

// ---- watching a cluster (wire_cluster.cpp)

// The token of who asks. kTooLarge(token).
Result<std::string> read(schema::Broker::ClusterStatusParams::Reader from);

void write(const Result<ClusterStatus>& from, schema::ClusterStatusAnswer::Builder to);
Result<ClusterStatus> read(schema::ClusterStatusAnswer::Reader from);

// kTooLarge(token), kInvalidArgument(node).
Result<RemoveNodeRequest> read(schema::Broker::RemoveNodeParams::Reader from);

void write(const Result<RemovalAnswer>& from, schema::RemoveNodeAnswer::Builder to);
Result<RemovalAnswer> read(schema::RemoveNodeAnswer::Reader from);

}  // namespace earshot::wire
