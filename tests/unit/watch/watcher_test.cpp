#include "watch/watcher.hpp"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/client_eventually.hpp"
#include "tests/support/http_client.hpp"
#include "tests/support/metrics_text.hpp"
#include "tests/support/seed.hpp"
#include "watch/families.hpp"

namespace earshot::watch {
namespace {

using tests::HttpClient;
using tests::HttpReply;
using tests::MetricsText;
using namespace std::chrono_literals;

constexpr auto kPatience = 20s;

class WatcherTest : public testing::Test {
 protected:
  void start(WatchOptions options = {}) {
    auto started = Watcher::start("127.0.0.1", 0, options);
    ASSERT_TRUE(started) << started.error().to_string();
    watcher_ = std::move(*started);
  }
  // Actors that run at once.
  static void answer(const std::function<void()>& done) { done(); }
  [[nodiscard]] HttpReply get(std::string_view path) const { return HttpClient(watcher_->port()).get(path); }

  // That clients are gone is noticed on another thread.
  [[nodiscard]] bool is_served_again() const {
    return tests::eventually([&] {
      HttpClient next(watcher_->port());
      next.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
      return next.read_reply().has_value();
    });
  }

  std::unique_ptr<Watcher> watcher_;
};

TEST_F(WatcherTest, MetricsAreTextOfPrometheusAndOfNow) {
  start({.reuse_ms = 0});
  std::atomic<int> value{1};
  watcher_->metrics().add([&] {
    Families families;
    families.gauge("earshot_test", "A test.", value);
    return families.take();
  });
  HttpClient client(watcher_->port());
  const auto first = client.get("/metrics");
  EXPECT_EQ(first.status, 200);
  EXPECT_EQ(first.headers.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(MetricsText(first.body).at("earshot_test"), 1);
  value = 2;
  const MetricsText second(client.get("/metrics?name=x").body);
  EXPECT_EQ(second.at("earshot_test"), 2) << "on the same connection, and whatever is asked beside the path";
  EXPECT_EQ(second.at("earshot_http_requests_total{path=\"/metrics\",status=\"200\"}"), 1);
  EXPECT_GT(second.at("process_open_fds"), 3);
}

TEST_F(WatcherTest, MetricsAreGatheredOnceForAllWhoAskAtATime) {
  start({.reuse_ms = 600'000});
  std::atomic<int> gathered{0};
  watcher_->metrics().add([&] {
    ++gathered;
    return std::vector<prometheus::MetricFamily>();
  });
  HttpClient client(watcher_->port());
  for (int i = 0; i < 50; ++i) EXPECT_EQ(client.get("/metrics").status, 200);
  EXPECT_EQ(gathered, 1);
}

TEST_F(WatcherTest, ANodeThatStartsIsAliveAndNotReady) {
  start();
  EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(get("/healthz").body, R"({"alive":true})");
  const auto reply = get("/readyz");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.headers.at("content-type"), "application/json");
  EXPECT_EQ(reply.body, R"({"ready":false,"missing":[{"what":"starting","why":"shards are being opened"}]})");
}

TEST_F(WatcherTest, ANodeIsReadyWhileNothingIsMissing) {
  start({.reuse_ms = 0});
  std::atomic<bool> is_full{false};
  watcher_->readiness().add([&]() -> std::optional<Missing> {
    if (!is_full) return std::nullopt;
    return Missing{"disk", "a \"quoted\" \\ word,\nand \x01 a control character"};
  });
  watcher_->readiness().add([]() -> std::optional<Missing> { return std::nullopt; });
  watcher_->started(answer);
  EXPECT_EQ(get("/readyz").status, 200);
  EXPECT_EQ(get("/readyz").body, R"({"ready":true,"missing":[]})");
  is_full = true;
  EXPECT_EQ(get("/readyz").status, 503);
  EXPECT_EQ(
      get("/readyz").body,
      R"({"ready":false,"missing":[{"what":"disk","why":"a \"quoted\" \\ word,\nand \u0001 a control character"}]})");
  is_full = false;
  EXPECT_EQ(get("/readyz").status, 200);
  watcher_->stopping();
  EXPECT_EQ(get("/readyz").status, 503);
  EXPECT_NE(get("/readyz").body.find("\"stopping\""), std::string::npos);
  EXPECT_EQ(get("/healthz").status, 200) << "whoever stops in order is not to be killed for it";
}

TEST_F(WatcherTest, WhoeverHasNoActorsThatRunIsNotAlive) {
  start({.health_timeout_ms = 50});
  std::mutex mutex;
  std::vector<std::function<void()>> asked;
  watcher_->started([&](std::function<void()> done) {
    const std::lock_guard lock(mutex);
    asked.push_back(std::move(done));
  });
  for (int i = 0; i < 3; ++i) {
    const auto reply = get("/healthz");
    EXPECT_EQ(reply.status, 503);
    EXPECT_EQ(reply.body, R"({"alive":false,"why":"no actor has run for 50 ms"})");
  }
  const std::lock_guard lock(mutex);
  EXPECT_EQ(asked.size(), 1u) << "who hangs is not given more and more to do";
  for (const auto& done : asked) done();
}

TEST_F(WatcherTest, WhoeverRunsAgainIsAliveAgain) {
  start({.health_timeout_ms = 50});
  std::mutex mutex;
  std::function<void()> waiting;
  std::atomic<bool> hangs{true};
  watcher_->started([&](std::function<void()> done) {
    if (!hangs) return done();
    const std::lock_guard lock(mutex);
    waiting = std::move(done);
  });
  EXPECT_EQ(get("/healthz").status, 503);
  hangs = false;
  {
    const std::lock_guard lock(mutex);
    waiting();
  }
  EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(WatcherTest, AQuestionThatIsDroppedIsNoAnswer) {
  start({.health_timeout_ms = 600'000});
  watcher_->started([](const std::function<void()>&) {});
  EXPECT_EQ(get("/healthz").status, 503);
  EXPECT_EQ(get("/healthz").status, 503);
}

TEST_F(WatcherTest, AnAnswerThatComesAfterTheEndGoesNowhere) {
  start({.health_timeout_ms = 10});
  std::function<void()> late;
  std::mutex mutex;
  watcher_->started([&](std::function<void()> done) {
    const std::lock_guard lock(mutex);
    late = std::move(done);
  });
  EXPECT_EQ(get("/healthz").status, 503);
  watcher_->stop();
  watcher_.reset();
  const std::lock_guard lock(mutex);
  late();
  late = nullptr;
}

TEST_F(WatcherTest, OnlyGetAndHeadOfWhatIsThere) {
  start();
  HttpClient client(watcher_->port());
  for (const char* path : {"/", "/metric", "/metrics/", "/console", "/%2e%2e/etc/passwd", "/METRICS"})
    EXPECT_EQ(client.get(path).status, 404) << path;
  const auto head = client.request("HEAD", "/metrics");
  EXPECT_EQ(head.status, 200);
  EXPECT_GT(std::stoul(head.headers.at("content-length")), 100u);
  for (const char* method : {"PUT", "DELETE", "OPTIONS", "PATCH"}) {
    HttpClient other(watcher_->port());
    const auto reply = other.request(method, "/healthz");
    EXPECT_EQ(reply.status, 405) << method;
    EXPECT_EQ(reply.headers.at("allow"), "GET, HEAD");
  }
}

TEST_F(WatcherTest, ABodyIsNotTakenIn) {
  start({.request_bytes_max = 4'096});
  HttpClient client(watcher_->port());
  client.write("POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n");
  const auto reply = client.read_reply();
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 405);
  const std::string piece(4'096, 'x');
  int pieces = 0;
  while (pieces < 10'000 && client.write(piece)) ++pieces;
  EXPECT_LT(pieces, 10'000) << "the connection is closed instead";
  EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(WatcherTest, ARequestPassesAtTheLimitAndOneByteMoreDoesNot) {
  start({.request_bytes_max = 4'096});
  const std::string head = "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ";
  const auto request_of = [&](std::size_t bytes) {
    return head + std::string(bytes - head.size() - 4, 'x') + "\r\n\r\n";
  };
  HttpClient fits(watcher_->port());
  for (int i = 0; i < 3; ++i) {
    fits.write(request_of(4'096));
    const auto reply = fits.read_reply();
    ASSERT_TRUE(reply) << "each request has the whole of it";
    EXPECT_EQ(reply->status, 200);
  }
  HttpClient too_long(watcher_->port());
  too_long.write(request_of(4'097));
  EXPECT_FALSE(too_long.read_reply());
}

TEST_F(WatcherTest, AConnectionAtTheLimitIsServedAndOneMoreIsClosed) {
  start({.connections_max = 3});
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<HttpClient>(watcher_->port()));
    EXPECT_EQ(clients.back()->get("/healthz").status, 200);
  }
  HttpClient one_more(watcher_->port());
  EXPECT_TRUE(one_more.is_closed_within(kPatience));
  for (auto& client : clients) EXPECT_EQ(client->get("/healthz").status, 200);
  clients.pop_back();
  EXPECT_TRUE(is_served_again());
}

TEST_F(WatcherTest, WhoeverDoesNotFinishARequestIsClosed) {
  start({.request_timeout_ms = 50});
  HttpClient silent(watcher_->port());
  HttpClient slow(watcher_->port());
  slow.write("GET /healthz HTTP/1.1\r\nHost: x\r\nX-");
  EXPECT_TRUE(silent.is_closed_within(kPatience));
  EXPECT_TRUE(slow.is_closed_within(kPatience));
}

TEST_F(WatcherTest, WhoeverAsksNoMoreIsClosed) {
  start({.idle_ms = 50});
  HttpClient client(watcher_->port());
  EXPECT_EQ(client.get("/healthz").status, 200);
  EXPECT_TRUE(client.is_closed_within(kPatience));
}

TEST_F(WatcherTest, WhoeverDoesNotReadIsClosed) {
  start({.write_timeout_ms = 100});
  watcher_->metrics().add([] {
    Families families;
    families.gauge("earshot_test", "A test.", 1, {{"text", std::string(32 << 20, 'x')}});
    return families.take();
  });
  HttpClient client(watcher_->port());
  client.write("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  // Only what the kernel holds of it comes, and then the end.
  std::this_thread::sleep_for(300ms);
  EXPECT_FALSE(client.read_reply()) << "it came whole, though nobody took it in for so long";
  EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(WatcherTest, WhatNeedsLongHoldsUpNobodyWhoAsksSomethingElse) {
  start({.health_timeout_ms = 600'000});
  std::mutex mutex;
  std::vector<std::function<void()>> asked;
  watcher_->started([&](std::function<void()> done) {
    const std::lock_guard lock(mutex);
    asked.push_back(std::move(done));
  });
  HttpClient waits(watcher_->port());
  waits.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(get("/metrics").status, 200);
  EXPECT_EQ(get("/readyz").status, 200);
  for (bool told = false; !told;) {
    const std::lock_guard lock(mutex);
    told = !asked.empty();
    for (const auto& done : asked) done();
  }
  EXPECT_EQ(waits.read_reply()->status, 200);
}

TEST_F(WatcherTest, ACollectorThatFailsCostsItsPageOnly) {
  start({.reuse_ms = 0});
  std::atomic<bool> fails{true};
  watcher_->metrics().add([&]() -> std::vector<prometheus::MetricFamily> {
    if (fails) throw std::runtime_error("secret of the node");
    return {};
  });
  const auto reply = get("/metrics");
  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(reply.body.find("secret"), std::string::npos);
  fails = false;
  EXPECT_EQ(get("/metrics").status, 200);
}

TEST_F(WatcherTest, GarbageEndsItsOwnConnectionOnly) {
  start({.request_timeout_ms = 200, .idle_ms = 200});
  const std::vector<std::string> garbage = {
      "\r\n\r\n",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
      "*3\r\n$6\r\nGEOADD\r\n",
      "GET /metrics HTTP/1.1\r\nno colon\r\n\r\n",
      "GET /metrics HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
      "GET /metrics HTTP/1.1\r\nContent-Length: 99999999999999999999999\r\n\r\n",
      "GET /metrics HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzzzz\r\n",
      "GET /metrics HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
      "GET /healthz HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: x\r\n\r\n",
      "CONNECT localhost:22 HTTP/1.1\r\nHost: localhost:22\r\n\r\n",
      std::string(100, '\0'),
      std::string(20'000, 'A'),
      "GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n\r\n",
      "GET http://elsewhere/metrics HTTP/1.1\r\nHost: elsewhere\r\n\r\n"};
  for (const std::string& bytes : garbage) {
    HttpClient client(watcher_->port());
    client.write(bytes);
    EXPECT_TRUE(client.is_closed_within(kPatience)) << bytes.substr(0, 60);
  }
  std::mt19937_64 random(tests::seed_of_test());
  for (int i = 0; i < 200; ++i) {
    std::string bytes = i % 2 == 0 ? "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n" : "";
    for (int n = 0; n < 40; ++n) {
      const auto byte = static_cast<char>(random());
      if (bytes.empty() || random() % 2 == 0)
        bytes += byte;
      else
        bytes[random() % bytes.size()] = byte;
    }
    HttpClient client(watcher_->port());
    client.write(bytes);
  }
  EXPECT_TRUE(is_served_again());
}

TEST_F(WatcherTest, ManyRequestsAtOnceAreAnsweredInTheirOrder) {
  start();
  HttpClient client(watcher_->port());
  std::string requests;
  for (int i = 0; i < 100; ++i)
    requests += "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /x HTTP/1.1\r\nHost: x\r\n\r\n";
  client.write(requests);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(client.read_reply()->status, 200);
    EXPECT_EQ(client.read_reply()->status, 404);
  }
}

TEST_F(WatcherTest, WhateverStrangersAskForMakesNoLabels) {
  start({.reuse_ms = 0});
  HttpClient client(watcher_->port());
  const auto before = MetricsText(client.get("/metrics").body).size();
  for (int i = 0; i < 50; ++i) client.get("/" + std::to_string(i));
  client.get("/metrics");
  const MetricsText after(client.get("/metrics").body);
  EXPECT_EQ(after.at("earshot_http_requests_total{path=\"other\",status=\"404\"}"), 50);
  EXPECT_LE(after.size(), before + 2);
}

TEST_F(WatcherTest, AnAddressThatCannotBeHadIsNamed) {
  start();
  const auto taken = Watcher::start("127.0.0.1", watcher_->port());
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(taken.error().field, "http_port");
  const auto nowhere = Watcher::start("nowhere", 0);
  ASSERT_FALSE(nowhere);
  EXPECT_EQ(nowhere.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(nowhere.error().field, "http_address");
}

TEST_F(WatcherTest, ItStopsWhileClientsAreThere) {
  start();
  HttpClient idle(watcher_->port());
  EXPECT_EQ(idle.get("/healthz").status, 200);
  HttpClient half(watcher_->port());
  half.write("GET /hea");
  watcher_->stop();
  EXPECT_TRUE(idle.is_closed_within(kPatience));
  EXPECT_TRUE(half.is_closed_within(kPatience));
  EXPECT_THROW(HttpClient(watcher_->port()), std::runtime_error);
}

}  // namespace
}  // namespace earshot::watch
