#pragma once

#include "schema/broker.capnp.h"
#include "schema/errors.capnp.h"
#include "schema/messages.hpp"

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

void write(const Batch& from, schema::Batch::Builder to);
Result<Batch> read(schema::Batch::Reader from);

// ---- login

void write(const LoginRequest& from, schema::LoginRequest::Builder to);
// Neither judges the token nor the protocol range (common_protocol does).
Result<LoginRequest> read(schema::LoginRequest::Reader from);

void write(const Welcome& from, schema::Welcome::Builder to);
Result<Welcome> read(schema::Welcome::Reader from);

// ---- the session's calls: parameters

// The receiver is the caller's to set and to take.
void write(const SubscribeRequest& from, schema::Session::SubscribeParams::Builder to);
Result<SubscribeRequest> read(schema::Session::SubscribeParams::Reader from);

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

}  // namespace earshot::wire
