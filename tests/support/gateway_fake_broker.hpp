#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>
#include <variant>
#include <vector>

#include "actors/broker.hpp"

// A broker behind a gateway under test: its sessions record what they are told, and answer what the test tells them to.
namespace earshot::tests {

inline constexpr std::chrono::seconds kPatience{20};  // until a test that waits in vain fails; never slept

using FromClient = std::variant<actors::ClientSend, actors::ClientSubscribe, actors::ClientAck, actors::ClientNack,
                                actors::ClientFetch, actors::ClientHistory, actors::ClientManage,
                                actors::ClientDelivered, actors::ClientGone>;

// Thread-safe.
class FakeSession final : public actors::SessionInbox {
 public:
  // Gets each message instead of the record, on the gateway's thread.
  using Handler = std::function<void(FakeSession&, FromClient&)>;

  FakeSession(UserId session_user, LoginRequest login, std::shared_ptr<actors::ClientPort> port, Handler handler)
      : user(std::move(session_user)),
        request(std::move(login)),
        client(std::move(port)),
        handler_(std::move(handler)) {}

  void post(actors::ClientSend message) override { record(std::move(message)); }
  void post(actors::ClientSubscribe message) override { record(std::move(message)); }
  void post(actors::ClientAck message) override { record(std::move(message)); }
  void post(actors::ClientNack message) override { record(std::move(message)); }
  void post(actors::ClientFetch message) override { record(std::move(message)); }
  void post(actors::ClientHistory message) override { record(std::move(message)); }
  void post(actors::ClientManage message) override { record(std::move(message)); }
  void post(actors::ClientDelivered message) override { record(std::move(message)); }
  void post(actors::ClientGone message) override { record(std::move(message)); }

  // The oldest recorded message, which must be of this kind; waits for it.
  template <class T>
  T next() {
    std::unique_lock lock(mutex_);
    if (!arrived_.wait_for(lock, kPatience, [&] { return !messages_.empty(); }))
      throw std::runtime_error("the session was told nothing");
    FromClient message = std::move(messages_.front());
    messages_.pop_front();
    return std::get<T>(std::move(message));
  }
  // Puts it on record, as sessions without a handler do with all they are told.
  void remember(FromClient message) {
    const std::lock_guard lock(mutex_);
    messages_.push_back(std::move(message));
    arrived_.notify_all();
  }
  // How many messages wait to be looked at.
  [[nodiscard]] std::size_t waiting() const {
    const std::lock_guard lock(mutex_);
    return messages_.size();
  }

  const UserId user;
  const LoginRequest request;
  const std::shared_ptr<actors::ClientPort> client;

 private:
  void record(FromClient message) {
    if (handler_) return handler_(*this, message);
    remember(std::move(message));
  }

  const Handler handler_;
  mutable std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<FromClient> messages_;
};

inline constexpr std::uint64_t kLoginNumber = 17;  // of everybody's

inline Welcome welcome_for(const UserId& user) {
  Welcome welcome;
  welcome.user = user;
  welcome.shard_count = 8;
  welcome.login.producer = ProducerId(7);
  welcome.login.epoch = Epoch(1);
  welcome.login.number = kLoginNumber;
  welcome.node = NodeId(1);
  return welcome;
}

// Thread-safe.
class FakeBroker final : public actors::Broker {
 public:
  // Answers each login, on the gateway's thread. By default everybody is welcome.
  using Login = std::function<void(FakeSession&)>;

  FakeBroker() = default;
  explicit FakeBroker(Login login, FakeSession::Handler handler = {})
      : login_(std::move(login)), handler_(std::move(handler)) {}

  std::shared_ptr<actors::SessionInbox> open_session(Identity identity, LoginRequest request,
                                                     std::shared_ptr<actors::ClientPort> client) override {
    auto session =
        std::make_shared<FakeSession>(std::move(identity.user), std::move(request), std::move(client), handler_);
    {
      const std::lock_guard lock(mutex_);
      sessions_.push_back(session);
      opened_.notify_all();
    }
    login_(*session);
    return session;
  }

  // Before the gateway starts.
  void know(ClusterStatus status) { status_ = std::move(status); }
  [[nodiscard]] ClusterStatus cluster_status() const override { return status_; }
  // Gets each request to remove a node, on the gateway's thread.
  using Remove = std::function<void(NodeId, std::function<void(Result<RemovalAnswer>)>)>;
  void remove_by(Remove remove) { remove_ = std::move(remove); }
  void remove_node(NodeId node, std::function<void(Result<RemovalAnswer>)> done) override {
    remove_(node, std::move(done));
  }
  void keep_places(std::shared_ptr<const actors::PlaceDesk> desk) { desk_ = std::move(desk); }
  std::shared_ptr<const actors::PlaceDesk> place_desk() override { return desk_; }

  // The session that was opened as number `index`, from 0; waits for it.
  std::shared_ptr<FakeSession> session(std::size_t index = 0) {
    std::unique_lock lock(mutex_);
    if (!opened_.wait_for(lock, kPatience, [&] { return sessions_.size() > index; }))
      throw std::runtime_error("no session was opened");
    return sessions_[index];
  }
  [[nodiscard]] std::size_t sessions() const {
    const std::lock_guard lock(mutex_);
    return sessions_.size();
  }

 private:
  Login login_ = [](FakeSession& session) { session.client->logged_in(welcome_for(session.user)); };
  FakeSession::Handler handler_;
  std::shared_ptr<const actors::PlaceDesk> desk_;
  ClusterStatus status_;
  Remove remove_;
  mutable std::mutex mutex_;
  std::condition_variable opened_;
  std::vector<std::shared_ptr<FakeSession>> sessions_;
};

}  // namespace earshot::tests
