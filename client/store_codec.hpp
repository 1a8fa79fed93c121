#pragma once

#include <string>
#include <string_view>

#include "client/store.hpp"

// A store's values as bytes, for LmdbStore and for any store that keeps blobs: one format byte, then the fields in
// their order; integers big-endian, texts with their length before them. A field that is added later goes to the end
// under a new format byte. Guarding the bytes against damage is the caller's business; still, decoding never reads
// beyond them nor allocates more than they are long.
namespace earshot::client {

// Appends to `out`.
void encode(const OutboxHead& head, std::string& out);
void encode(const InboxHead& head, std::string& out);
void encode(const OutboxMessage& message, std::string& out);  // without its ticket, which is the key
void encode(const IncomingMessage& message, std::string& out);
void encode(const LostRange& range, std::string& out);

// kCorrupt for bytes that were not encoded so, kUnsupportedVersion for those of a newer format.
Result<OutboxHead> decode_outbox_head(std::string_view bytes);
Result<InboxHead> decode_inbox_head(std::string_view bytes);
Result<OutboxMessage> decode_outbox_message(Ticket ticket, std::string_view bytes);
Result<IncomingMessage> decode_incoming(std::string_view bytes);
Result<LostRange> decode_lost(std::string_view bytes);

}  // namespace earshot::client
