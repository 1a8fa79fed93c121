#include "cluster/devices.hpp"

#include <algorithm>
#include <string_view>
#include <utility>

#include "storage/keys.hpp"

namespace earshot::cluster {

namespace keys = storage::keys;

namespace {

std::uint64_t unacked(const MailboxHead& head, const CursorRecord& cursor) {
  const Sequence below = std::max(cursor.up_to, head.first.previous());
  if (below >= head.last) return 0;
  const auto above = std::lower_bound(cursor.above.begin(), cursor.above.end(), head.first);
  return head.last.value - below.value - static_cast<std::uint64_t>(cursor.above.end() - above);
}

// Between which marks the cursor passed the sequence. What was acked beyond the cursor has no mark of its own.
void note_times(const CursorRecord& cursor, Sequence sequence, DeviceFate& fate) {
  for (const CursorRecord::AckMark& mark : cursor.marks) {
    if (mark.up_to >= sequence) {
      fate.acked_by_ms = mark.at_ms;
      return;
    }
    fate.acked_after_ms = mark.at_ms;
  }
  fate.acked_after_ms = 0;
}

}  // namespace

void Devices::touch(const TouchCommand& command, std::uint64_t now_ms) {
  for (const auto& name : command.devices) {
    if (CursorRecord* cursor = cursors_.edit(name.user, name.device)) cursor->last_seen_ms = now_ms;
  }
}

Status Devices::remove(const UserId& user, const DeviceId& device, std::uint64_t now_ms, Effects& effects) {
  if (!cursors_.has(user, device)) return fail(ErrorCode::kNotFound, "device", "the user has no such device");
  // A damaged cursor is listed and takes a device's place, so it can be removed; it has lost its count of parked ones.
  const CursorRecord* cursor = cursors_.find(user, device);
  if (cursor == nullptr || cursor->parked > 0) parked_.take_all(user, device);
  cursors_.remove(user, device, now_ms);
  if (mailboxes_.head(user).has_value()) mailboxes_.discount_device(user);
  effects.removed_devices.push_back(RemovedDevice{user, device});
  return {};
}

template <class Visit>
Status Devices::for_each(const UserId& user, Visit&& visit) {
  cursors_.write_back();
  std::vector<std::pair<DeviceId, CursorRecord>> found;
  const auto collect = [&](std::string_view key, std::optional<std::string_view> value) {
    auto cursor = value.has_value() ? decode_cursor_record(*value) : Result<CursorRecord>(CursorRecord{});
    // A damaged cursor is a device all the same: it starts again at its next login.
    found.emplace_back(keys::device_of(key, user), cursor.has_value() ? std::move(*cursor) : CursorRecord{});
    return true;
  };
  auto scanned = state_.scan(keys::cursors_from(user), keys::cursors_to(user), collect);
  if (!scanned.has_value()) return scanned;
  for (const auto& [device, cursor] : found) {
    if (auto visited = visit(device, cursor); !visited.has_value()) return visited;
  }
  return {};
}

Result<std::vector<DeviceInfo>> Devices::list(const UserId& user) {
  const auto head = mailboxes_.head_for_reading(user);
  if (!head.has_value()) return fail(head.error());
  std::vector<DeviceInfo> devices;
  auto visited = for_each(user, [&](const DeviceId& device, const CursorRecord& cursor) -> Status {
    devices.push_back(
        DeviceInfo{device, cursor.up_to, unacked(*head, cursor), cursor.parked, cursor.last_seen_ms, false});
    return {};
  });
  if (!visited.has_value()) return fail(std::move(visited.error()));
  return devices;
}

Result<std::vector<ParkedMessage>> Devices::parked(const UserId& user, const DeviceId& device, Sequence after,
                                                   std::size_t limit, std::size_t bytes_max, const EndRules& rules) {
  std::vector<ParkedMessage> all;
  const bool of_all = device.empty();
  auto added = for_each(user, [&](const DeviceId& one, const CursorRecord& cursor) -> Status {
    if (!of_all && one != device) return {};
    auto some = parked_.list(user, one, cursor, after, limit);
    if (!some.has_value()) return fail(std::move(some.error()));
    all.insert(all.end(), std::make_move_iterator(some->begin()), std::make_move_iterator(some->end()));
    return {};
  });
  if (!added.has_value()) return fail(std::move(added.error()));
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.sequence < b.sequence; });

  // A page ends between two sequences, since the next one begins after a sequence.
  std::size_t bytes = 0;
  std::size_t group = 0;  // where this sequence begins, one entry for each device
  for (std::size_t i = 0; i < all.size(); ++i) {
    const bool is_next = i > 0 && all[i].sequence != all[i - 1].sequence;
    if (is_next) group = i;
    if (i >= limit && group > 0) {
      all.resize(group);
      break;
    }
    auto record = mailboxes_.message(user, all[i].sequence);
    const bool is_alive = record.has_value() && !ended_reason(*record, rules).has_value();
    if (is_alive && of_all) record->body.clear();
    bytes += is_alive ? record->body.size() : 0;
    if (is_next && bytes > bytes_max) {
      all.resize(i);
      break;
    }
    if (is_alive) all[i].message = incoming_of(all[i].sequence, std::move(*record));
  }
  return all;
}

Result<std::vector<DeviceFate>> Devices::fates(const UserId& user, Sequence sequence) {
  std::vector<DeviceFate> fates;
  auto visited = for_each(user, [&](const DeviceId& device, const CursorRecord& cursor) -> Status {
    DeviceFate fate;
    fate.device = device;
    const auto parked = parked_.find(user, device, cursor, sequence);
    if (!parked.has_value()) return fail(parked.error());
    const auto attempt = std::find_if(cursor.attempts.begin(), cursor.attempts.end(),
                                      [&](const auto& one) { return one.sequence == sequence; });
    if (attempt != cursor.attempts.end()) fate.deliveries = attempt->count;
    if (parked->has_value()) {
      fate.state = DeliveryState::kParked;
      fate.deliveries = (*parked)->deliveries;
      fate.parked_at_ms = (*parked)->parked_at_ms;
    } else if (is_acked(cursor, sequence)) {
      fate.state = DeliveryState::kAcked;
      if (sequence <= cursor.up_to) note_times(cursor, sequence, fate);
    }
    fates.push_back(std::move(fate));
    return {};
  });
  if (!visited.has_value()) return fail(std::move(visited.error()));
  return fates;
}

}  // namespace earshot::cluster
