#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "client/client.hpp"
#include "client/outbox.hpp"

namespace earshot::client {

// What a link reports. Always from the loop, never from inside a call to the link.
class LinkEvents {
 public:
  virtual ~LinkEvents() = default;
  virtual void logged_in(Result<Welcome> welcome) = 0;
  virtual void sent(std::uint64_t call, std::span<SendAnswer> answers) = 0;
  virtual void acked(Status status) = 0;
  // `taken` is to be called when the batch is taken in: that is the flow control.
  virtual void delivered(Batch batch, std::function<void()> taken) = 0;
  virtual void go_away(GoAway request) = 0;  // the node asks to log in elsewhere; the link goes on
  virtual void closed(Error reason) = 0;     // by the server
  virtual void lost(Error reason) = 0;       // by the network, or a server that breaks the protocol
};

// One connection to a node as the engine sees it, from connecting to its loss. Connection is the real one. An address
// that does not take a connection within the connect timeout, and a call that is not answered within the request
// timeout, counted from the last progress on the line, mean that the link is lost.
//
// Thread: the loop's. After detach() it reports nothing more. It must not be destroyed from inside one of its own
// events.
class Link {
 public:
  virtual ~Link() = default;

  // Connects and logs in.
  virtual void open(LoginRequest request) = 0;
  // The rest after logged_in().
  virtual void subscribe(DeliveryMode mode, std::uint32_t window_messages) = 0;
  virtual void send(const Outbox::Call& call) = 0;
  virtual void ack(const AckRequest& request) = 0;
  virtual void nack(const NackRequest& request) = 0;
  virtual void fetch(Sequence after, std::uint32_t limit, FetchCause cause, FetchDone done) = 0;
  virtual void history(Sequence before, std::uint32_t limit, FetchDone done) = 0;
  virtual void manage(const ManageRequest& request, Answer<ManageAnswer> done) = 0;
  virtual void places(const PlacesRequest& request, Answer<PlacesReply> done) = 0;
  // Ends the session in order, then calls `done`, answered or not.
  virtual void logout(std::function<void()> done) = 0;

  // Reports nothing more; calls that wait for their answer get kUnavailable.
  virtual void detach() = 0;
};

}  // namespace earshot::client
