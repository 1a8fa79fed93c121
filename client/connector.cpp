#include "client/connector.hpp"

#include <memory>
#include <string_view>
#include <utility>

#include <kj/debug.h>

#include "base/limits.hpp"

namespace earshot::client {
namespace {

kj::Exception failure(const std::string& text) {
  return {kj::Exception::Type::DISCONNECTED, __FILE__, __LINE__, kj::heapString(text.c_str())};
}

std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> parts;
  while (!list.empty() && parts.size() < limits::kNodeAddressesMax) {
    const std::size_t end = std::min(list.find(','), list.size());
    parts.emplace_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return parts;
}

}  // namespace

std::string reason_of(const kj::Exception& exception) {
  std::string_view text = exception.getDescription().cStr();
  constexpr std::string_view kCall = "connect(): ";
  if (text.starts_with(kCall)) text.remove_prefix(kCall.size());
  return std::string(text.substr(0, std::min(text.find(" ;"), text.find("; "))));
}

Connector::Connector(Loop& loop, kj::Network& network, std::string address, std::uint64_t timeout_ms)
    : loop_(loop), network_(network), address_(std::move(address)), timeout_ms_(timeout_ms), random_(loop.random()) {}

template <class T>
kj::Promise<T> Connector::in_time(kj::Promise<T> work) {
  auto paf = kj::newPromiseAndFulfiller<T>();
  // std::function wants to be copied; the fulfiller has one owner.
  auto late = std::make_shared<kj::Own<kj::PromiseFulfiller<T>>>(kj::mv(paf.fulfiller));
  loop_.after(timeout_ms_,
              [late, ms = timeout_ms_] { (*late)->reject(failure("no answer within " + std::to_string(ms) + " ms")); });
  return work.exclusiveJoin(kj::mv(paf.promise));
}

kj::Promise<kj::Own<kj::AsyncIoStream>> Connector::connect() {
  return in_time(kj::evalNow([&] { return network_.parseAddress(address_.c_str(), kDefaultPort); }))
      .then([this](kj::Own<kj::NetworkAddress> parsed) -> kj::Promise<Stream> {
        // KJ would try them too, but always in the same order, and without end where one is silent.
        hosts_ = split(parsed->toString().cStr());
        has_several_ = hosts_.size() > 1;
        if (!has_several_) return in_time(parsed->connect().attach(kj::mv(parsed)));
        for (std::size_t i = hosts_.size(); i > 1; --i) std::swap(hosts_[i - 1], hosts_[random_.below(i)]);
        return try_next();
      })
      .then([](Stream stream) -> kj::Promise<Stream> { return kj::mv(stream); },
            [this](kj::Exception&& exception) -> kj::Promise<Stream> {
              return failure(has_several_ ? complaints_ : reason_of(exception));
            });
}

kj::Promise<kj::Own<kj::AsyncIoStream>> Connector::try_next() {
  const std::string host = std::move(hosts_.back());
  hosts_.pop_back();
  return in_time(network_.parseAddress(host.c_str()).then([](kj::Own<kj::NetworkAddress> parsed) {
           auto connecting = parsed->connect();
           return connecting.attach(kj::mv(parsed));
         }))
      .then([](Stream stream) -> kj::Promise<Stream> { return kj::mv(stream); },
            [this, host](kj::Exception&& exception) -> kj::Promise<Stream> {
              complaints_ += (complaints_.empty() ? "" : ", ") + host + " " + reason_of(exception);
              if (hosts_.empty()) return kj::mv(exception);
              return try_next();
            });
}

}  // namespace earshot::client
