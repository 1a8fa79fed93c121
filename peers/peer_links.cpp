#include "peers/peer_links.hpp"

#include <future>
#include <mutex>
#include <span>
#include <thread>
#include <utility>

#include <kj/async-io.h>
#include <spdlog/spdlog.h>

#include "base/random.hpp"
#include "peers/greeting_io.hpp"
#include "peers/peer_loop.hpp"
#include "transport/kj_log.hpp"

namespace earshot::peers {
namespace {

// Events handled in a row before sockets are looked at again.
constexpr unsigned kBusyPollInterval = 256;

Result<std::unique_ptr<PeerTls>> open_tls(const PeerLinksOptions& options, const Clock& clock) {
  if (options.tls.empty()) return nullptr;
  return PeerTls::open(options.tls, options.node, clock);
}

class RunningLinks final : public PeerLinks {
 public:
  RunningLinks(PeerLinksOptions options, cluster::PeerEvents& events, const Clock& clock, std::unique_ptr<PeerTls> tls,
               std::optional<transport::Listener> listener)
      : port_(listener ? listener->port : std::uint16_t{0}), tls_(std::move(tls)) {
    if (options.boot == 0) options.boot = Random::from_system().between(1, UINT64_MAX);
    if (tls_) tls_->tell();
    // Behind a pointer: what a thread is given may not throw when it is moved.
    auto parts = std::make_unique<PeerLoop::Parts>(PeerLoop::Parts{.options = std::move(options),
                                                                   .events = events,
                                                                   .clock = clock,
                                                                   .tls = tls_.get(),
                                                                   .tasks = tasks_,
                                                                   .boxes = boxes_,
                                                                   .counters = counters_,
                                                                   .listener = std::move(listener)});
    thread_ = std::thread([this, parts = std::move(parts)]() mutable { serve(std::move(parts)); });
  }
  ~RunningLinks() override { end(); }

  bool send(NodeId to, PeerFrame frame) override {
    const auto box = boxes_.find(to);
    const auto put = box ? box->put(std::move(frame)) : SendBox::Put::kRefused;
    if (put == SendBox::Put::kTakenWakes) post([to](PeerLoop& loop) { loop.wake(to); });
    if (put == SendBox::Put::kRefused) count(counters_.sends_refused);
    return put != SendBox::Put::kRefused;
  }
  [[nodiscard]] bool is_up(NodeId node) const override {
    const auto box = boxes_.find(node);
    return box && box->is_open();
  }
  [[nodiscard]] std::vector<cluster::PeerReading> readings() const override { return boxes_.readings(); }
  void set_nodes(std::vector<cluster::PeerNode> nodes) override {
    post([nodes = std::move(nodes)](PeerLoop& loop) { loop.set_nodes(nodes); });
  }
  void set_removed(std::function<bool(NodeId)> was_removed) override {
    post([was_removed = std::move(was_removed)](PeerLoop& loop) { loop.set_removed(was_removed); });
  }

  [[nodiscard]] std::uint16_t port() const override { return port_; }
  [[nodiscard]] const PeerCounters& counters() const override { return counters_; }

  void ask(const std::string& address, std::string request, std::function<void(Result<std::string>)> done) override {
    if (request.size() > limits::kPeerRequestBytesMax)
      return done(fail(ErrorCode::kTooLarge, "request",
                       "is larger than " + std::to_string(limits::kPeerRequestBytesMax) + " bytes"));
    // Answered also when the thread ends before it takes the task.
    const auto question = std::make_shared<Unasked>(std::move(done));
    post([address, request = std::move(request), question](PeerLoop& loop) {
      loop.ask(address, request, question->take());
    });
  }

  Status reload() override {
    if (!tls_) return {};
    Status read = tls_->reload();
    if (read) tls_->tell();
    return read;
  }
  void stop() override { end(); }

 private:
  // A question that nobody has taken up.
  class Unasked {
   public:
    explicit Unasked(Question::Done done) : done_(std::move(done)) {}
    ~Unasked() {
      if (done_) done_(fail(ErrorCode::kClosed, "peer", "the links have ended"));
    }
    Unasked(const Unasked&) = delete;
    Unasked& operator=(const Unasked&) = delete;
    Question::Done take() { return std::exchange(done_, nullptr); }

   private:
    Question::Done done_;
  };

  template <class Task>
  void post(Task task) {
    // The loop lives until the queue is closed.
    tasks_->post([this, task = std::move(task)] { task(*loop_); });
  }

  void serve(std::unique_ptr<PeerLoop::Parts> parts) {
    transport::KjLog log;
    try {
      auto io = kj::setupAsyncIo();
      io.waitScope.setBusyPollInterval(kBusyPollInterval);
      PeerLoop loop(std::move(*parts), io);
      loop_ = &loop;
      loop.run().wait(io.waitScope);
      tasks_->close();
    } catch (const kj::Exception& exception) {
      invariant_broken("the thread of the links between nodes handles its exceptions", __FILE__, __LINE__,
                       exception.getDescription().cStr());
    }
  }

  void end() {
    const std::lock_guard lock(stop_mutex_);
    if (!thread_.joinable()) return;
    post([](PeerLoop& loop) { loop.stop(); });
    thread_.join();
  }

  const std::uint16_t port_;
  const std::unique_ptr<PeerTls> tls_;
  const std::shared_ptr<TaskQueue> tasks_ = std::make_shared<TaskQueue>();
  BoxTable boxes_;
  PeerCounters counters_;
  PeerLoop* loop_ = nullptr;  // of the thread, while it runs
  std::mutex stop_mutex_;
  std::thread thread_;
};

}  // namespace

PeerLinksOptions options_of(const NodeConfig& config, std::uint64_t cluster_id, NodeId node) {
  PeerLinksOptions options;
  options.cluster_id = cluster_id;
  options.node = node;
  if (!config.peer_address.empty()) {
    options.address = config.peer_address;
    options.port = config.peer_port;
  }
  options.tls = {config.peer_tls_certificate, config.peer_tls_key, config.peer_tls_ca};
  return options;
}

Status PeerLinks::check(const PeerLinksOptions& options, const Clock& clock) {
  auto tls = open_tls(options, clock);
  if (!tls) return fail(std::move(tls.error()));
  const auto loopback = transport::is_loopback(options.address, "peer_address");
  if (!loopback) return fail(loopback.error());
  if (options.port && !*tls && !*loopback)
    return fail(ErrorCode::kInvalidArgument, "peer_tls_certificate",
                "is needed where others can listen in: without one, peer_address must be a loopback address");
  return {};
}

Result<std::unique_ptr<PeerLinks>> PeerLinks::start(const PeerLinksOptions& options, cluster::PeerEvents& events,
                                                    const Clock& clock) {
  if (auto fit = check(options, clock); !fit) return fail(std::move(fit.error()));
  auto tls = open_tls(options, clock);
  if (!tls) return fail(std::move(tls.error()));
  std::optional<transport::Listener> listener;
  if (options.port) {
    auto opened = transport::open_listener(options.address, *options.port, {"peer_address", "peer_port"});
    if (!opened) return fail(std::move(opened.error()));
    listener = std::move(*opened);
  }
  return std::make_unique<RunningLinks>(options, events, clock, std::move(*tls), std::move(listener));
}

Result<std::string> ask_and_wait(const PeerLinksOptions& options, const std::string& address, std::string request,
                                 const Clock& clock) {
  class Nobody final : public cluster::PeerEvents {
    void received(NodeId, std::span<PeerFrame>) override {}
    void link_up(NodeId) override {}
    void link_down(NodeId) override {}
  } nobody;
  PeerLinksOptions own = options;
  own.node = NodeId(0);
  own.cluster_id = 0;
  own.port.reset();
  auto links = PeerLinks::start(own, nobody, clock);
  if (!links) return fail(std::move(links.error()));
  std::promise<Result<std::string>> answered;
  (*links)->ask(address, std::move(request),
                [&](Result<std::string> answer) { answered.set_value(std::move(answer)); });
  return answered.get_future().get();
}

}  // namespace earshot::peers
