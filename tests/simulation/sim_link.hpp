#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "client/link.hpp"
#include "tests/simulation/network.hpp"

namespace earshot::simulation {

// The client's end of a simulated connection, in client/connection.hpp's place and by its rules: a call that is not
// answered within the timeout means that the connection is lost. Frames arrive whole here, so there is no progress
// between them that could count.
class SimLink final : public client::Link {
 public:
  SimLink(World& world, Network& network, std::shared_ptr<Process> process, client::LinkEvents& events,
          const client::Options& options, std::string address);
  ~SimLink() override;

  void open(LoginRequest request) override;
  void subscribe(DeliveryMode mode, std::uint32_t window_messages) override;
  void send(const client::Outbox::Call& call) override;
  void ack(const AckRequest& request) override;
  void nack(const NackRequest& request) override;
  void fetch(Sequence after, std::uint32_t limit, FetchCause cause, client::FetchDone done) override;
  void history(Sequence before, std::uint32_t limit, client::FetchDone done) override;
  void manage(const ManageRequest& request, client::Answer<ManageAnswer> done) override;
  void places(const PlacesRequest& /*request*/, client::Answer<PlacesReply> done) override {
    done(fail(ErrorCode::kUnavailable, "", "a simulated connection does not ask for places"));
  }
  void logout(std::function<void()> done) override;
  void detach() override;

  // ---- from the network: handed on to the process, which may be slow
  void arrived(const Frame& frame);
  void lost(const std::string& why);

 private:
  struct Call {
    std::uint64_t deadline_ms = 0;
    std::uint64_t send = 0;  // of a send: the outbox's id of it
    client::FetchDone done;
    client::Answer<ManageAnswer> managed;
    std::function<void()> logged_out;
    bool must_succeed = false;
  };

  Call& begin_call();
  void to_server(Frame frame);
  void post(std::function<void(SimLink&)> task);
  void handle(const Frame& frame);
  void delivered(const Frame& frame);
  void watch();
  void fail_with(Error reason);

  World& world_;
  Network& network_;
  const std::shared_ptr<Process> process_;
  client::LinkEvents* events_;  // null when detached
  const std::string address_;
  const std::uint64_t timeout_ms_;
  const std::shared_ptr<SimLink*> self_ = std::make_shared<SimLink*>(this);  // nulled with this object
  std::shared_ptr<Connection> connection_;
  std::map<std::uint64_t, Call> calls_;  // unanswered, oldest first
  std::uint64_t last_call_ = 0;
  bool watching_ = false;
};

}  // namespace earshot::simulation
