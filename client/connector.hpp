#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <kj/async-io.h>

#include "base/random.hpp"
#include "client/loop.hpp"

namespace earshot::client {

inline constexpr unsigned kDefaultPort = 7400;

// Why a connection failed, in words: without the name of the system call, and what stands behind the reason.
std::string reason_of(const kj::Exception& exception);

// Connects to one address. A name may stand for several hosts: they are tried one after the other, in an order drawn at
// random, so that clients spread over them and one that is dead hides no other. To resolve the name, and each host, has
// the timeout to itself: a host that says nothing would else hold the client for the kernel's minutes.
//
// The loop's thread only; outlives what it has promised.
class Connector {
 public:
  Connector(Loop& loop, kj::Network& network, std::string address, std::uint64_t timeout_ms);

  // Rejects with what went wrong, in words, at each host if there are several.
  kj::Promise<kj::Own<kj::AsyncIoStream>> connect();

 private:
  using Stream = kj::Own<kj::AsyncIoStream>;
  kj::Promise<Stream> try_next();
  template <class T>
  kj::Promise<T> in_time(kj::Promise<T> work);

  Loop& loop_;
  kj::Network& network_;
  const std::string address_;
  const std::uint64_t timeout_ms_;
  Random random_;
  std::vector<std::string> hosts_;  // still to be tried, the next one last
  bool has_several_ = false;
  std::string complaints_;
};

}  // namespace earshot::client
