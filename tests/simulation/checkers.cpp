#include "tests/simulation/checkers.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "actors/ports.hpp"
#include "base/limits.hpp"

namespace earshot::simulation {
namespace {

// ---- reading

// One user's mailbox, page by page, as a device that never acks.
class Reader final : public actors::ClientPort, public std::enable_shared_from_this<Reader> {
 public:
  Reader(World& world, Host& host, UserId user, Audit& audit, std::function<void()> done)
      : world_(world), host_(host), user_(std::move(user)), audit_(audit), done_(std::move(done)) {}

  void start() {
    LoginRequest request;
    request.device = DeviceId::trusted("auditor");
    inbox_ = host_.open_session(Identity{user_, Role::kUser, 0}, request, shared_from_this());
  }

  void logged_in(Result<Welcome> welcome) override {
    if (!welcome) return end("login: " + welcome.error().to_string());
    // Not from inside the call that makes the session.
    world_.after(0, [self = shared_from_this()] { self->fetch(); });
  }
  void answered(actors::CallId, Result<Batch> batch) override {
    if (!batch) return end("fetch: " + batch.error().to_string());
    Sequence last = after_;
    auto& mailbox = audit_.mailboxes[user_];
    for (IncomingMessage& message : batch->messages) {
      last = std::max(last, message.sequence);
      mailbox.push_back(std::move(message));
    }
    auto& lost = audit_.lost[user_];
    for (const LostRange& range : batch->lost) {
      last = std::max(last, range.last);
      lost.push_back(range);
    }
    if (last >= batch->last_sequence) return end({});
    if (last == after_) return end("fetch brings nothing after " + std::to_string(last.value));
    after_ = last;
    fetch();
  }
  void answered(actors::CallId, std::vector<SendAnswer>) override {}
  void answered(actors::CallId, Status) override {}
  void answered(actors::CallId, Result<ManageAnswer>) override {}
  void answered(actors::CallId, Result<Sequence>) override {}
  void deliver(actors::Delivery) override {}
  void go_away(GoAway) override {}
  void closed(Error reason) override { end("closed: " + reason.to_string()); }

 private:
  void fetch() {
    if (inbox_) inbox_->post(actors::ClientFetch{++calls_, after_, limits::kFetchMessagesMax, FetchCause::kCatchUp});
  }
  void end(const std::string& failure) {
    if (!done_) return;
    if (!failure.empty()) audit_.failures.push_back("mailbox " + user_.text() + " cannot be read: " + failure);
    if (inbox_) std::exchange(inbox_, nullptr)->post(actors::ClientGone{});
    std::exchange(done_, nullptr)();
  }

  World& world_;
  Host& host_;
  const UserId user_;
  Audit& audit_;
  std::function<void()> done_;
  std::shared_ptr<actors::SessionInbox> inbox_;
  Sequence after_;
  actors::CallId calls_ = 0;
};

// ---- judging

struct Place {
  Sequence sequence;
  std::size_t times = 0;
};
using Places = std::map<MessageId, Place>;

class Judge {
 public:
  Judge(History& history, const Audit& audit) : history_(history), audit_(audit) {
    for (const auto& [user, mailbox] : audit.mailboxes) {
      for (const IncomingMessage& message : mailbox) {
        history_.check_content(user, message);
        if (message.replay_of != Sequence()) continue;
        Place& place = (message.copy_of.empty() ? messages_ : copies_)[user][message.id];
        place.sequence = message.sequence;
        ++place.times;
      }
    }
  }

  std::vector<std::string> judge() {
    failures_ = audit_.failures;
    if (!failures_.empty()) return failures_;
    for (const auto& [user, mailbox] : audit_.mailboxes) {
      check_contiguous(user, mailbox);
      if (const auto wrong_one = history_.lives().ended_and_shown(mailbox, audit_.committed_ms_min.at(user)))
        wrong("mailbox " + user.text() + ": " + *wrong_one);
      for (std::string& failure : history_.lives().check(user, mailbox, end_of(user))) wrong(std::move(failure));
    }
    for (const auto& [id, message] : history_.messages()) check_message(id, message);
    for (const auto& [device, ids] : history_.order()) check_order(device, ids);
    for (const auto& [name, device] : history_.devices()) check_device(name, device);
    return failures_;
  }

 private:
  void wrong(std::string what) { failures_.push_back(std::move(what)); }
  static std::string text(Sequence sequence) { return std::to_string(sequence.value); }

  [[nodiscard]] bool is_lost(const UserId& user, Sequence sequence) const {
    const auto lost = audit_.lost.find(user);
    if (lost == audit_.lost.end()) return false;
    return std::any_of(lost->second.begin(), lost->second.end(),
                       [&](const LostRange& r) { return r.first <= sequence && sequence <= r.last; });
  }
  [[nodiscard]] bool any_lost(const UserId& user) const {
    const auto lost = audit_.lost.find(user);
    return lost != audit_.lost.end() && !lost->second.empty();
  }
  [[nodiscard]] Sequence end_of(const UserId& user) const {
    Sequence end;
    const auto mailbox = audit_.mailboxes.find(user);
    if (mailbox != audit_.mailboxes.end() && !mailbox->second.empty()) end = mailbox->second.back().sequence;
    const auto lost = audit_.lost.find(user);
    if (lost != audit_.lost.end() && !lost->second.empty()) end = std::max(end, lost->second.back().last);
    return end;
  }

  void check_contiguous(const UserId& user, const std::vector<IncomingMessage>& mailbox) {
    Sequence next(1);
    for (const IncomingMessage& message : mailbox) {
      for (; next < message.sequence; next = next.next()) {
        if (!is_lost(user, next)) wrong("mailbox " + user.text() + " has a silent hole at " + text(next));
      }
      if (message.sequence < next) wrong("mailbox " + user.text() + " has " + text(message.sequence) + " twice");
      next = message.sequence.next();
    }
    const auto lost = audit_.lost.find(user);
    if (lost == audit_.lost.end()) return;
    for (const LostRange& range : lost->second) {
      for (Sequence s = range.first; s <= range.last; s = s.next()) {
        if (const auto why = history_.lives().lost(user, nullptr, s, range.reason))
          wrong("mailbox " + user.text() + ": " + *why);
      }
    }
  }

  static const Place* find(const std::map<UserId, Places>& places, const UserId& user, MessageId id) {
    const auto mailbox = places.find(user);
    if (mailbox == places.end()) return nullptr;
    const auto place = mailbox->second.find(id);
    return place == mailbox->second.end() ? nullptr : &place->second;
  }

  void check_message(MessageId id, const Accepted& message) {
    const std::string name = "message " + id.to_string() + " of " + message.from.text() + " to " + message.to.text();
    const Place* place = find(messages_, message.to, id);
    if (message.expired) {
      if (place != nullptr) wrong(name + " came too late and is there");
    } else if (message.uncertain) {
      // stored or not
    } else if (!message.answer) {
      wrong(name + " was accepted and never answered");
    } else if (place == nullptr) {
      if (!is_lost(message.to, message.answer->sequence))
        wrong(name + " was answered at " + text(message.answer->sequence) + " and is not there");
    } else if (place->sequence != message.answer->sequence) {
      wrong(name + " was answered at " + text(message.answer->sequence) + " and is at " + text(place->sequence));
    }
    if (place != nullptr && place->times > 1) wrong(name + " is stored " + std::to_string(place->times) + " times");
    if (!message.copy_to_self) return;
    const Place* copy = find(copies_, message.from.user, id);
    if (message.expired && copy != nullptr) wrong(name + " came too late and has a copy");
    const bool has_copy = message.answer && !message.uncertain;
    if (copy == nullptr && has_copy && !any_lost(message.from.user))
      wrong(name + " has no copy in its sender's mailbox");
    if (copy != nullptr && copy->times > 1) wrong(name + " has " + std::to_string(copy->times) + " copies");
  }

  void check_order(const DeviceName& device, const std::vector<MessageId>& ids) {
    std::map<UserId, Sequence> last;
    for (const MessageId id : ids) {
      const UserId& to = history_.messages().at(id).to;
      const Place* place = find(messages_, to, id);
      // What the device was told to be uncertain may come late: it was on its way between nodes when the device was
      // removed, and nobody waits for it any more.
      if (place == nullptr || history_.messages().at(id).uncertain) continue;
      if (place->sequence <= last[to])
        wrong(device.text() + "'s messages to " + to.text() + " changed their order at " + text(place->sequence));
      last[to] = place->sequence;
    }
  }

  void check_device(const DeviceName& name, const Received& device) {
    const Sequence end = end_of(name.user);
    if (device.last_received != end)
      wrong(name.text() + " has everything up to " + text(device.last_received) + ", its mailbox ends at " + text(end));
    // What was damaged after the device had it, it has; what it was told to be lost may be there after all.
    for (const auto& message : audit_.mailboxes.contains(name.user) ? audit_.mailboxes.at(name.user) : kNone) {
      if (message.sequence <= device.began_at) continue;  // Lives::check finds it
      const auto has = device.messages.find(message.sequence);
      const bool told_lost = std::any_of(device.lost.begin(), device.lost.end(), [&](const LostRange& r) {
        return r.first <= message.sequence && message.sequence <= r.last;
      });
      if (has == device.messages.end() ? !told_lost : has->second != message.id)
        wrong(name.text() + " does not have " + text(message.sequence));
    }
  }

  static inline const std::vector<IncomingMessage> kNone;
  History& history_;
  const Audit& audit_;
  std::map<UserId, Places> messages_, copies_;
  std::vector<std::string> failures_;
};

}  // namespace

void read_mailboxes(World& world, Host& host, const History& history, std::vector<UserId> users,
                    std::function<void(Audit)> done) {
  struct Reading {
    Audit audit;
    std::size_t left;
  };
  auto reading = std::make_shared<Reading>(Reading{{}, users.size()});
  for (const UserId& user : users) {
    reading->audit.mailboxes[user];
    reading->audit.committed_ms_min[user] = history.lives().committed_ms_min(user);
  }
  for (UserId& user : users) {
    const auto one_done = [reading, done] {
      if (--reading->left == 0) done(std::move(reading->audit));
    };
    std::make_shared<Reader>(world, host, std::move(user), reading->audit, one_done)->start();
  }
}

std::vector<std::string> check_at_rest(History& history, const Audit& audit) { return Judge(history, audit).judge(); }

}  // namespace earshot::simulation
