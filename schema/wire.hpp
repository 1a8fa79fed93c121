#pragma once

#include "schema/broker.capnp.h"
#include "schema/errors.capnp.h"
#include "schema/messages.hpp"

// Conversions between the protocol's C++ types and their Cap'n Proto form. Readers check every field against its rule and
// limit and name the field at fault; they never trust a length, an enum or a text.
namespace earshot::wire {

void write(const Error& from, schema::Error::Builder to);
Error read(schema::Error::Reader from);

void write(const OutgoingMessage& from, schema::Outgoing::Builder to);
// Does not compare the checksum with the body: that is the session's to answer per message.
Result<OutgoingMessage> read(schema::Outgoing::Reader from);

void write(const SendAnswer& from, schema::SendAnswer::Builder to);
SendAnswer read(schema::SendAnswer::Reader from);

void write(const Batch& from, schema::Batch::Builder to);
Result<Batch> read(schema::Batch::Reader from);

void write(const LoginRequest& from, schema::LoginRequest::Builder to);
Result<LoginRequest> read(schema::LoginRequest::Reader from);

void write(const Welcome& from, schema::Welcome::Builder to);
Result<Welcome> read(schema::Welcome::Reader from);

}  // namespace earshot::wire
