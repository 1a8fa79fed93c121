#include "nearby_rpc.hpp"

#include <algorithm>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>

#include "client/loop.hpp"
#include "client/memory_store.hpp"

namespace earshot::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t kConnectMs = 30'000;

// One run: all but the constructor on the runtime's thread.
class Round {
 public:
  Round(const std::vector<std::unique_ptr<client::Client>>& clients, const RpcCallers::Next& next,
        std::chrono::milliseconds time_max)
      : clients_(clients), next_(next), time_max_(time_max) {}

  void begin() {
    begin_ = last_ = Clock::now();
    working_ = clients_.size();
    for (const auto& client : clients_) call(*client);
  }
  std::future<void> over() { return over_->get_future(); }

  RespLoadResult result() {
    result_.requests = times_us_.size();
    result_.seconds = std::chrono::duration<double>(last_ - begin_).count();
    if (times_us_.empty()) return result_;
    const auto p99 = times_us_.begin() + static_cast<std::ptrdiff_t>((times_us_.size() - 1) * 99 / 100);
    std::nth_element(times_us_.begin(), p99, times_us_.end());
    result_.p99_us = static_cast<double>(*p99);
    return result_;
  }

 private:
  void call(client::Client& client) {
    const auto sent = Clock::now();
    if (sent - begin_ >= time_max_) {
      if (--working_ > 0) return;
      const auto over = over_;  // whoever waits for it destroys this
      return over->set_value();
    }
    PlacesRequest request = next_();
    if (auto* question = std::get_if<NearbyRequest>(&request)) {
      client.nearby(std::move(*question), [this, &client, sent](Result<NearbyFound> found) {
        if (found) result_.strings += found->members.size();
        answered(client, sent, found ? nullptr : &found.error());
      });
    } else {
      client.set_positions(std::get<SetPositionsRequest>(std::move(request)),
                           [this, &client, sent](const Result<PositionOutcomes>& outcomes) {
                             answered(client, sent, outcomes ? nullptr : &outcomes.error());
                           });
    }
  }
  void answered(client::Client& client, Clock::time_point sent, const Error* error) {
    last_ = Clock::now();
    times_us_.push_back(std::chrono::duration<float, std::micro>(last_ - sent).count());
    if (error != nullptr && result_.errors++ == 0) result_.first_error = error->to_string();
    call(client);
  }

  const std::vector<std::unique_ptr<client::Client>>& clients_;
  const RpcCallers::Next& next_;
  const std::chrono::milliseconds time_max_;
  RespLoadResult result_;
  std::vector<float> times_us_;
  Clock::time_point begin_;
  Clock::time_point last_;
  std::size_t working_ = 0;
  std::shared_ptr<std::promise<void>> over_ = std::make_shared<std::promise<void>>();
};

template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  return std::move(result).value();
}

}  // namespace

RpcCallers::RpcCallers(std::uint16_t port, std::uint32_t count) : runtime_(must(client::Runtime::start())) {
  client::Options options;
  options.addresses = {"127.0.0.1:" + std::to_string(port)};
  options.device = "bench";
  options.receive = false;
  for (std::uint32_t i = 0; i < count; ++i) {
    options.token = "caller-" + std::to_string(i);
    clients_.push_back(must(client::Client::open(options, std::make_shared<client::MemoryStore>(), {}, runtime_)));
  }
  for (const auto& client : clients_)
    if (const Status connected = client->wait_connected(kConnectMs); !connected)
      throw std::runtime_error(connected.error().to_string());
}

RpcCallers::~RpcCallers() = default;

RespLoadResult RpcCallers::run(const Next& next, std::chrono::milliseconds time_max) {
  Round round(clients_, next, time_max);
  auto over = round.over();
  // Where it goes on, so that nothing has to be locked.
  runtime_->loop()->post([&round] { round.begin(); });
  over.get();
  return round.result();
}

}  // namespace earshot::bench
