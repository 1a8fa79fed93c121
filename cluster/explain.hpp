#pragma once

#include <cstddef>

#include "base/error.hpp"
#include "base/ids.hpp"
#include "cluster/devices.hpp"
#include "cluster/expiry.hpp"
#include "cluster/mailbox.hpp"
#include "schema/manage.hpp"
#include "storage/shard_state.hpp"

namespace earshot::cluster {

// The newest message of the mailbox with this id. Looks back over at most `messages_max` messages (and
// explain_bytes_max): kNotFound(id) says so.
Result<Sequence> find_message(storage::ShardState& state, const UserId& user, const MailboxHead& head, MessageId id,
                              std::size_t messages_max);

// The life of a message as the shard's state tells it; epoch, shard and node are the caller's to fill in.
// kNotFound(sequence): there never was one.
Result<Explanation> explain(Mailboxes& mailboxes, Devices& devices, const UserId& user, Sequence sequence,
                            const EndRules& rules);

}  // namespace earshot::cluster
