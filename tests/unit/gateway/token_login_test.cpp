#include <atomic>
#include <filesystem>
#include <memory>
#include <optional>
#include <sstream>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include "auth/keys.hpp"
#include "auth/token.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/gateway_client.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::gateway {
namespace {

using tests::GatewayTest;
using tests::TestClient;
using tests::write_file;

// Read on the gateway's threads, set on the test's.
class SharedClock final : public Clock {
 public:
  [[nodiscard]] std::uint64_t monotonic_ms() const override { return monotonic_ms_; }
  [[nodiscard]] std::uint64_t wall_ms() const override { return wall_ms_; }
  void advance(std::uint64_t ms) { monotonic_ms_ += ms, wall_ms_ += ms; }
  void set_wall(std::uint64_t ms) { wall_ms_ = ms; }

 private:
  std::atomic<std::uint64_t> monotonic_ms_{1'000'000};
  std::atomic<std::uint64_t> wall_ms_{1'800'000'000'000};
};

// Notices how a session is ended.
class ClosedNote final : public schema::Receiver::Server {
 public:
  explicit ClosedNote(std::optional<Error>& reason) : reason_(reason) {}
  kj::Promise<void> deliver(DeliverContext) override { return kj::READY_NOW; }
  kj::Promise<void> closed(ClosedContext context) override {
    reason_ = wire::read(context.getParams().getReason());
    return kj::READY_NOW;
  }

 private:
  std::optional<Error>& reason_;
};

// What the gateway logs while this lives. Read it once the gateway is gone: its threads write.
class LogCapture {
 public:
  LogCapture() : usual_(spdlog::default_logger()) {
    const auto logger =
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_));
    logger->set_level(spdlog::level::trace);
    spdlog::set_default_logger(logger);
  }
  ~LogCapture() { spdlog::set_default_logger(usual_); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;
  [[nodiscard]] std::string text() const { return log_.str(); }

 private:
  std::ostringstream log_;
  const std::shared_ptr<spdlog::logger> usual_;
};

class TokenLoginTest : public GatewayTest {
 protected:
  void start_jwt() {
    write_keys({key_});
    NodeConfig config;
    config.auth = AuthMode::kJwt;
    config.jwt_keys = keys_path_;
    config.jwt_leeway_s = 0;
    GatewayOptions options;
    options.clock = &clock_;
    options.call_timeout_ms = 200;  // looked after four times in that time, as is the end of tokens
    start(config, options);
  }
  void write_keys(const std::vector<auth::Key>& keys) {
    write_file(keys_path_ + ".new", auth::to_json(keys).value());
    std::filesystem::rename(keys_path_ + ".new", keys_path_);
  }
  std::string token(const auth::Key& key, std::uint64_t lives_s = 3'600, Role role = Role::kUser) {
    const std::uint64_t now_s = clock_.wall_ms() / 1'000;
    return auth::sign({UserId::trusted("alice"), role, now_s, now_s + lives_s}, key).value();
  }
  // A connection from another address of this machine.
  TestClient connect_from(const char* address) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    ::inet_pton(AF_INET, address, &to.sin_addr);
    EXPECT_EQ(::bind(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(gateway_->port());
    EXPECT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
    constexpr unsigned kFlags =
        kj::LowLevelAsyncIoProvider::TAKE_OWNERSHIP | kj::LowLevelAsyncIoProvider::ALREADY_CLOEXEC;
    return TestClient(io_, io_.lowLevelProvider->wrapSocketFd(fd, kFlags));
  }
  Error refusal(const std::string& text) {
    TestClient client = connect();
    auto answer = client.login_raw(text);
    return answer.isError() ? wire::read(answer.getError()) : Error{};
  }

  SharedClock clock_;
  const tests::TemporaryDirectory directory_;
  const std::string keys_path_ = directory_ / "keys.json";
  const auth::Key key_ = auth::new_key(auth::Algorithm::kEs256, "first").value();
};

TEST_F(TokenLoginTest, ASessionIsThatOfTheTokensUser) {
  start_jwt();
  TestClient client = connect();
  client.login(token(key_, 60, Role::kService));
  EXPECT_EQ(broker_->session()->user.text(), "alice");
  EXPECT_EQ(broker_->session()->request.token, "");
}

TEST_F(TokenLoginTest, ANameIsNoToken) {
  start_jwt();
  const Error error = refusal("alice");
  EXPECT_EQ(error.code, ErrorCode::kUnauthenticated);
  EXPECT_EQ(error.field, "token");
  EXPECT_EQ(broker_->sessions(), 0u);
}

TEST_F(TokenLoginTest, ASessionEndsWithItsToken) {
  start_jwt();
  TestClient client = connect();
  client.login(token(key_, 60));
  std::optional<Error> reason;
  auto request = client.session().subscribeRequest();
  request.setReceiver(kj::heap<ClosedNote>(reason));
  auto subscribed = request.send();
  client.flush();
  broker_->session()->client->answered(broker_->session()->next<actors::ClientSubscribe>().call, Status());
  subscribed.wait(io_.waitScope);
  clock_.advance(59'999);
  EXPECT_EQ(wire::read(client.login_raw("x").getError()).code, ErrorCode::kConflict) << "still there";
  clock_.advance(1);
  EXPECT_TRUE(client.wait_until_closed());
  ASSERT_TRUE(reason);
  EXPECT_EQ(reason->code, ErrorCode::kUnauthenticated);
  EXPECT_EQ(reason->field, "token");
  broker_->session()->next<actors::ClientGone>();
  EXPECT_EQ(gateway_->counters().tokens_expired, 1u);
}

TEST_F(TokenLoginTest, ATokenWithoutAnEndInSightDoesNotEnd) {
  start_jwt();
  const std::uint64_t now_s = clock_.wall_ms() / 1'000;
  constexpr std::uint64_t kYear9999 = 253'402'300'799;
  constexpr std::uint64_t kYearS = 366ull * 24 * 3'600;
  for (const std::uint64_t ends_s : std::vector{now_s + 300 * kYearS, now_s + 1'000 * kYearS, kYear9999}) {
    TestClient client = connect();
    client.login(auth::sign({UserId::trusted("alice"), Role::kUser, now_s, ends_s}, key_).value());
    clock_.advance(100ull * 366 * 24 * 3'600 * 1'000);
    run_until([&, looks = 0]() mutable { return ++looks > 60 || gateway_->connections() == 0; });
    EXPECT_EQ(wire::read(client.login_raw("x").getError()).code, ErrorCode::kConflict) << ends_s << ": still there";
    clock_.set_wall(now_s * 1'000);
  }
  EXPECT_EQ(gateway_->counters().tokens_expired, 0u);
}

TEST_F(TokenLoginTest, AWallClockThatIsSetBackDoesNotLengthenIt) {
  start_jwt();
  TestClient client = connect();
  client.login(token(key_, 1));
  clock_.set_wall(1'700'000'000'000);
  EXPECT_TRUE(client.wait_until_closed()) << "a second has passed, whatever the wall clock says";
}

TEST_F(TokenLoginTest, KeysAreRotatedUnderARunningNode) {
  start_jwt();
  TestClient before = connect();
  before.login(token(key_));
  const auth::Key next = auth::new_key(auth::Algorithm::kHs256, "second").value();
  EXPECT_NE(refusal(token(next)).detail.find("does not know"), std::string::npos);
  write_keys({key_, next});
  clock_.advance(limits::kKeyFileLookMs);
  EXPECT_EQ(refusal(token(next)).detail, "");
  EXPECT_EQ(refusal(token(key_)).detail, "");
  write_keys({next});
  ASSERT_TRUE(gateway_->reload());
  EXPECT_NE(refusal(token(key_)).detail, "");
  EXPECT_EQ(wire::read(before.login_raw("x").getError()).code, ErrorCode::kConflict) << "sessions go on";
}

// An identity provider begins to publish a key of a kind that is not known here, and changes to a new one that is.
TEST_F(TokenLoginTest, AForeignKeyDoesNotHoldARotationUpAndIsToldInTheLog) {
  start_jwt();
  const LogCapture log;
  const auth::Key next = auth::new_key(auth::Algorithm::kEs256, "second").value();
  std::string keys = auth::to_json(std::vector<auth::Key>{next}, true).value();
  keys.insert(keys.find('[') + 1, R"({"kty":"OKP","kid":"ed","alg":"EdDSA","crv":"Ed25519","x":"AQAB"},)");
  write_file(keys_path_ + ".new", keys);
  std::filesystem::rename(keys_path_ + ".new", keys_path_);
  clock_.advance(limits::kKeyFileLookMs);
  EXPECT_EQ(refusal(token(next)).detail, "");
  EXPECT_NE(refusal(token(key_)).detail, "") << "the old key is gone";
  gateway_.reset();
  EXPECT_NE(log.text().find("is passed over, its tokens are refused; key 1 (\"ed\"): \"alg\" must"), std::string::npos)
      << log.text();
}

TEST_F(TokenLoginTest, AKeyFileThatCannotBeUsedChangesNothing) {
  start_jwt();
  write_file(keys_path_, "{\"keys\":[");
  clock_.advance(limits::kKeyFileLookMs);
  EXPECT_EQ(refusal(token(key_)).detail, "");
  EXPECT_EQ(gateway_->reload().error().field, "jwt_keys");
  std::filesystem::remove(keys_path_);
  clock_.advance(limits::kKeyFileLookMs);
  EXPECT_EQ(refusal(token(key_)).detail, "");
}

TEST_F(TokenLoginTest, GuessingIsSlowedAndToldWhenToTryAgain) {
  start_jwt();
  for (std::uint32_t i = 0; i < limits::kLoginFailuresFree; ++i) EXPECT_EQ(refusal("guess").retry_after_ms, 0u);
  EXPECT_EQ(refusal("guess").retry_after_ms, limits::kLoginDelayFirstMs);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(refusal("guess").code, ErrorCode::kUnauthenticated);
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(limits::kLoginDelayFirstMs))
      << "it waits before it is judged";
  for (int i = 0; i < 6; ++i) {
    clock_.advance(limits::kLoginDelayMaxMs);  // its turn has come: no waiting
    refusal("guess");
  }
  std::vector<std::unique_ptr<TestClient>> waiting;
  std::vector<kj::Promise<void>> answers;
  for (int i = 0; i < 2; ++i) {
    waiting.push_back(std::make_unique<TestClient>(io_, gateway_->port()));
    auto request = waiting.back()->broker().loginRequest();
    LoginRequest login;
    login.token = "guess";
    login.device = *DeviceId::parse("phone", "device");
    wire::write(login, request);
    answers.push_back(request.send().ignoreResult());
    waiting.back()->flush();
  }
  const Error error = refusal("guess");
  EXPECT_EQ(error.code, ErrorCode::kOverloaded) << "more at once than may wait are not judged at all";
  EXPECT_GT(error.retry_after_ms, limits::kLoginWaitMaxMs);
}

TEST_F(TokenLoginTest, AnHonestLoginAfterGuessesWaitsItsTurnAndSucceeds) {
  start_jwt();
  for (std::uint32_t i = 0; i <= limits::kLoginFailuresFree; ++i) refusal("guess");
  TestClient client = connect();
  client.login(token(key_));
  EXPECT_EQ(broker_->sessions(), 1u);
}

TEST_F(TokenLoginTest, LoginsFromAnotherAddressDoNotWaitWithTheGuesser) {
  start_jwt();
  for (int i = 0; i < 12; ++i) {
    refusal("guess");
    clock_.advance(limits::kLoginDelayMaxMs);  // its turn has come: no waiting
  }
  TestClient guesser = connect();
  refusal("guess");  // and the next of this address has to wait for the whole delay
  auto request = guesser.broker().loginRequest();
  LoginRequest login;
  login.token = token(key_);
  login.device = *DeviceId::parse("phone", "device");
  wire::write(login, request);
  auto waiting = request.send();
  guesser.flush();
  TestClient other = connect_from("127.0.0.2");
  other.login(token(key_));
  EXPECT_FALSE(waiting.poll(io_.waitScope)) << "it came first, and is not yet judged";
  EXPECT_EQ(broker_->sessions(), 1u);
}

TEST_F(TokenLoginTest, NoTokenAndNoKeyIsEverLogged) {
  const LogCapture log;
  start_jwt();
  const std::string good = token(key_);
  const std::string bad = good.substr(0, good.size() - 6) + "AAAAAA";
  TestClient client = connect();
  client.login(good);
  refusal(bad);
  refusal("a-secret-guess");
  ASSERT_TRUE(gateway_->reload());
  gateway_.reset();
  const std::string text = log.text();
  EXPECT_NE(text.find("token keys"), std::string::npos) << "the log was looked at";
  for (const std::string& secret : {good, bad, good.substr(good.rfind('.') + 1), std::string("a-secret-guess"),
                                    key_.private_pem.substr(30, 40), key_.public_pem.substr(30, 40)})
    EXPECT_EQ(text.find(secret), std::string::npos) << text;
}

}  // namespace
}  // namespace earshot::gateway
