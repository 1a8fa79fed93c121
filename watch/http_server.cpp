#include "watch/http_server.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <kj/async-io.h>
#include <kj/async-unix.h>
#include <kj/compat/http.h>
#include <kj/debug.h>
#include <kj/exception.h>
#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <spdlog/spdlog.h>

#include "gateway/acceptor.hpp"
#include "watch/http_stream.hpp"
#include "watch/process_metrics.hpp"

namespace earshot::watch {
namespace {

constexpr kj::StringPtr kMetricsType = "text/plain; version=0.0.4; charset=utf-8"_kj;
constexpr kj::StringPtr kJsonType = "application/json"_kj;
constexpr kj::StringPtr kTextType = "text/plain; charset=utf-8"_kj;
constexpr unsigned kSocketFlags =
    kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC | kj::LowLevelAsyncIoProvider::ALREADY_NONBLOCK;

enum class Path : std::uint8_t { kMetrics, kHealthz, kReadyz, kOther };

Path path_of(std::string_view url) {
  const std::string_view path = url.substr(0, url.find('?'));
  if (path == "/metrics") return Path::kMetrics;
  if (path == "/healthz") return Path::kHealthz;
  if (path == "/readyz") return Path::kReadyz;
  return Path::kOther;
}

const char* name_of(Path path) {
  switch (path) {
    case Path::kMetrics: return "/metrics";
    case Path::kHealthz: return "/healthz";
    case Path::kReadyz: return "/readyz";
    case Path::kOther: break;
  }
  return "other";  // whatever strangers ask for must make no labels
}

const char* words_of(unsigned status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 503: return "Service Unavailable";
    default: return "Internal Server Error";
  }
}

struct Reply {
  unsigned status = 200;
  kj::StringPtr type = kTextType;
  std::shared_ptr<const std::string> text;  // shared: many slow readers hold one page
};

Reply reply_of(unsigned status, kj::StringPtr type, std::string text) {
  return {status, type, std::make_shared<const std::string>(std::move(text))};
}

// What the port counts of itself. On its thread.
class OwnMetrics {
 public:
  OwnMetrics()
      : registry_(std::make_shared<prometheus::Registry>()),
        requests_(prometheus::BuildCounter()
                      .Name("earshot_http_requests_total")
                      .Help("Requests that the http port has answered.")
                      .Register(*registry_)),
        gathering_(prometheus::BuildHistogram()
                       .Name("earshot_metrics_gather_seconds")
                       .Help("How long it took to gather all metrics and to write them down.")
                       .Register(*registry_)
                       .Add({}, prometheus::Histogram::BucketBoundaries{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                                                        0.25, 0.5, 1})),
        refused_(prometheus::BuildCounter()
                     .Name("earshot_http_connections_refused_total")
                     .Help("Connections that the http port has closed at once, being too many.")
                     .Register(*registry_)
                     .Add({})) {}

  void answered(Path path, unsigned status) {
    requests_.Add({{"path", name_of(path)}, {"status", std::to_string(status)}}).Increment();
  }
  void gathered(double seconds) { gathering_.Observe(seconds); }
  void refused() { refused_.Increment(); }
  [[nodiscard]] std::shared_ptr<const prometheus::Collectable> registry() const { return registry_; }

 private:
  std::shared_ptr<prometheus::Registry> registry_;
  prometheus::Family<prometheus::Counter>& requests_;
  prometheus::Histogram& gathering_;
  prometheus::Counter& refused_;
};

// Whether actors run: one question at a time, however many ask.
class Pulse {
 public:
  Pulse(kj::Timer& timer, std::uint64_t timeout_ms)
      : timer_(timer), timeout_(static_cast<std::int64_t>(timeout_ms) * kj::MILLISECONDS) {}

  kj::Promise<bool> feel(const Watcher::Ping& ping) {
    if (under_way_ == nullptr) ask(ping);
    auto late = timer_.afterDelay(timeout_).then([] { return false; });
    return KJ_ASSERT_NONNULL(under_way_)
        .addBranch()
        .then([] { return true; }, [](kj::Exception&&) { return false; })
        .exclusiveJoin(kj::mv(late));
  }

 private:
  void ask(const Watcher::Ping& ping) {
    auto paf = kj::newPromiseAndCrossThreadFulfiller<void>();
    auto bell = std::make_shared<kj::Own<kj::CrossThreadPromiseFulfiller<void>>>(kj::mv(paf.fulfiller));
    auto answered = paf.promise.fork();
    ended_ = answered.addBranch()
                 .then([] {}, [](kj::Exception&&) {})
                 .then([this] { under_way_ = nullptr; })
                 .eagerlyEvaluate(nullptr);
    under_way_ = kj::mv(answered);
    ping([bell] { (*bell)->fulfill(); });
  }

  kj::Timer& timer_;
  const kj::Duration timeout_;
  kj::Maybe<kj::ForkedPromise<void>> under_way_;
  kj::Promise<void> ended_ = nullptr;
};

// The work of the thread.
class HttpLoop final : private kj::HttpService, private kj::HttpServerErrorHandler, private kj::TaskSet::ErrorHandler {
 public:
  HttpLoop(gateway::Listener listener, const WatchOptions& options, Watched& watched, kj::AsyncIoContext& io);

  kj::Promise<void> run() { return acceptor_.run(); }

 private:
  void take(kj::AutoCloseFd socket);
  kj::Promise<void> request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& headers,
                            kj::AsyncInputStream& body, Response& response) override;
  kj::Promise<Reply> reply_to(Path path);
  Reply failed(const kj::Exception& why);
  kj::Promise<Reply> health();
  Reply readiness();
  Reply metrics();
  [[nodiscard]] std::string gather();
  kj::Promise<void> send(Path path, const Reply& reply, Response& response, bool is_wrong_method = false);

  kj::Promise<void> handleClientProtocolError(kj::HttpHeaders::ProtocolError error, Response& response) override;
  kj::Promise<void> handleApplicationError(kj::Exception exception, kj::Maybe<Response&> response) override;
  void taskFailed(kj::Exception&& exception) override;

  const WatchOptions options_;
  Watched& watched_;
  kj::AsyncIoContext& io_;
  kj::Timer& timer_;
  const kj::TimePoint began_at_;
  OwnMetrics own_;
  Pulse pulse_;
  // Given to whoever asks so soon after.
  struct Made {
    kj::TimePoint at;
    Reply reply;
  };
  std::optional<Made> page_;
  std::optional<Made> readiness_;
  kj::HttpHeaderTable::Builder headers_;
  const kj::HttpHeaderId allow_ = headers_.add("Allow");
  const kj::Own<kj::HttpHeaderTable> table_ = headers_.build();
  kj::HttpServer server_;
  std::size_t connections_ = 0;
  gateway::Acceptor acceptor_;
  gateway::RareLog failures_;
  kj::TaskSet tasks_;  // the connections
};

kj::HttpServerSettings settings_of(const WatchOptions& options, kj::HttpServerErrorHandler& errors) {
  kj::HttpServerSettings settings;
  settings.headerTimeout = static_cast<std::int64_t>(options.request_timeout_ms) * kj::MILLISECONDS;
  settings.pipelineTimeout = static_cast<std::int64_t>(options.idle_ms) * kj::MILLISECONDS;
  settings.canceledUploadGraceBytes = options.request_bytes_max;
  settings.errorHandler = errors;
  return settings;
}

HttpLoop::HttpLoop(gateway::Listener listener, const WatchOptions& options, Watched& watched, kj::AsyncIoContext& io)
    : options_(options),
      watched_(watched),
      io_(io),
      timer_(io.provider->getTimer()),
      began_at_(timer_.now()),
      pulse_(timer_, options.health_timeout_ms),
      server_(timer_, *table_, static_cast<kj::HttpService&>(*this),
              settings_of(options, static_cast<kj::HttpServerErrorHandler&>(*this))),
      acceptor_(io.unixEventPort, timer_, kj::mv(listener.fd),
                [this](kj::AutoCloseFd socket) { take(kj::mv(socket)); }),
      failures_(timer_),
      tasks_(*this) {
  watched_.metrics.add(own_.registry());
}

void HttpLoop::take(kj::AutoCloseFd socket) {
  if (connections_ >= options_.connections_max) {
    own_.refused();
    if (failures_.due()) spdlog::warn("http: a connection is refused, {} are open", connections_);
    return;
  }
  const auto serve = [&] {
    auto stream = kj::heap<HttpStream>(io_.lowLevelProvider->wrapSocketFd(kj::mv(socket), kSocketFlags), timer_,
                                       options_.request_bytes_max, options_.write_timeout_ms);
    ++connections_;
    tasks_.add(server_.listenHttp(kj::mv(stream)).attach(kj::defer([this] { --connections_; })));
  };
  KJ_IF_MAYBE (failure, kj::runCatchingExceptions(serve)) taskFailed(kj::mv(*failure));
}

kj::Promise<void> HttpLoop::request(kj::HttpMethod method, kj::StringPtr url, const kj::HttpHeaders& /*headers*/,
                                    kj::AsyncInputStream& /*body*/, Response& response) {
  const Path path = path_of({url.begin(), url.size()});
  if (path == Path::kOther) return send(path, reply_of(404, kTextType, "not found\n"), response);
  if (method != kj::HttpMethod::GET && method != kj::HttpMethod::HEAD)
    return send(path, reply_of(405, kTextType, "only GET and HEAD\n"), response, true);
  return kj::evalNow([&] { return reply_to(path); })
      .catch_([this](kj::Exception&& why) -> kj::Promise<Reply> { return failed(why); })
      .then([this, path, &response](Reply&& reply) { return send(path, reply, response); });
}

Reply HttpLoop::failed(const kj::Exception& why) {
  if (failures_.due()) spdlog::error("http: a request cannot be answered: {}", why.getDescription().cStr());
  return reply_of(500, kTextType, "this cannot be answered\n");
}

kj::Promise<Reply> HttpLoop::reply_to(Path path) {
  switch (path) {
    case Path::kMetrics: return metrics();
    case Path::kReadyz: return readiness();
    default: return health();
  }
}

kj::Promise<void> HttpLoop::send(Path path, const Reply& reply, Response& response, bool is_wrong_method) {
  own_.answered(path, reply.status);
  kj::HttpHeaders headers(*table_);
  headers.set(kj::HttpHeaderId::CONTENT_TYPE, reply.type);
  if (is_wrong_method) headers.set(allow_, "GET, HEAD"_kj);
  auto body = response.send(reply.status, words_of(reply.status), headers, reply.text->size());
  auto written = body->write(reply.text->data(), reply.text->size());
  return written.attach(kj::mv(body), kj::heap(reply.text));
}

// ---- what is answered

kj::Promise<Reply> HttpLoop::health() {
  const auto ping = watched_.ping();
  // A node that starts reads its logs, which takes as long as it takes.
  if (!ping) return reply_of(200, kJsonType, health_json(true, ""));
  return pulse_.feel(ping).then([this](bool is_alive) {
    if (is_alive) return reply_of(200, kJsonType, health_json(true, ""));
    return reply_of(503, kJsonType,
                    health_json(false, "no actor has run for " + std::to_string(options_.health_timeout_ms) + " ms"));
  });
}

Reply HttpLoop::readiness() {
  switch (watched_.phase) {
    case Phase::kStarting: return reply_of(503, kJsonType, readiness_json({{"starting", "shards are being opened"}}));
    case Phase::kStopping: return reply_of(503, kJsonType, readiness_json({{"stopping", "the node is shutting down"}}));
    case Phase::kServing: break;
  }
  if (!readiness_ || timer_.now() - readiness_->at >= static_cast<std::int64_t>(options_.reuse_ms) * kj::MILLISECONDS) {
    const auto missing = watched_.readiness.missing();
    readiness_ = Made{timer_.now(), reply_of(missing.empty() ? 200 : 503, kJsonType, readiness_json(missing))};
  }
  return readiness_->reply;
}

Reply HttpLoop::metrics() {
  if (!page_ || timer_.now() - page_->at >= static_cast<std::int64_t>(options_.reuse_ms) * kj::MILLISECONDS)
    page_ = Made{timer_.now(), reply_of(200, kMetricsType, gather())};
  return page_->reply;
}

std::string HttpLoop::gather() {
  const auto began = std::chrono::steady_clock::now();
  std::string text = watched_.metrics.text();
  own_.gathered(std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  return text;
}

// ---- errors

// What could not be read is a stranger's, of any content: it goes neither into the log nor back.
kj::Promise<void> HttpLoop::handleClientProtocolError(kj::HttpHeaders::ProtocolError /*error*/, Response& response) {
  return send(Path::kOther, reply_of(400, kTextType, "this is no request\n"), response);
}

// What the library finds wrong with a request later. Without a response: the connection broke, or broke a bound.
kj::Promise<void> HttpLoop::handleApplicationError(kj::Exception /*exception*/, kj::Maybe<Response&> response) {
  KJ_IF_MAYBE (open, response) return send(Path::kOther, reply_of(400, kTextType, "this is no request\n"), *open);
  return kj::READY_NOW;
}

void HttpLoop::taskFailed(kj::Exception&& /*exception*/) { spdlog::debug("http: a connection failed"); }

}  // namespace

void serve_http(gateway::Listener listener, const WatchOptions& options, Watched& watched,
                const std::function<void(std::function<void()> stop)>& ready) {
  auto io = kj::setupAsyncIo();
  auto stopped = kj::newPromiseAndCrossThreadFulfiller<void>();
  auto bell = std::make_shared<kj::Own<kj::CrossThreadPromiseFulfiller<void>>>(kj::mv(stopped.fulfiller));
  HttpLoop loop(kj::mv(listener), options, watched, io);
  ready([bell] { (*bell)->fulfill(); });
  loop.run().exclusiveJoin(kj::mv(stopped.promise)).wait(io.waitScope);
}

}  // namespace earshot::watch
