#include "gateway/tls.hpp"

#include <filesystem>
#include <memory>
#include <vector>

#include <gtest/gtest.h>
#include <kj/compat/tls.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/login_desk.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/gateway_client.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::gateway {
namespace {

using tests::Authority;
using tests::GatewayTest;
using tests::Issued;
using tests::TestClient;
using tests::write_file;

class TlsTest : public GatewayTest {
 protected:
  void install(const Issued& issued) {
    write_file(directory_ / "node.pem", issued.certificate_pem);
    write_file(directory_ / "node.key", issued.key_pem);
  }
  NodeConfig config() {
    NodeConfig config;
    config.client_port = 0;
    config.tls_certificate = directory_ / "node.pem";
    config.tls_key = directory_ / "node.key";
    return config;
  }
  void start_tls(GatewayOptions options = {}) { start_tls(config(), options); }
  void start_tls(NodeConfig config, GatewayOptions options = {}) {
    install(authority_.issue("node.example"));
    start(std::move(config), options);
  }
  kj::Own<kj::AsyncIoStream> dial() {
    auto address = io_.provider->getNetwork().parseAddress("127.0.0.1", gateway_->port()).wait(io_.waitScope);
    return address->connect().wait(io_.waitScope);
  }
  // A TLS stream to the gateway that trusts the authority and expects this name.
  kj::Own<kj::AsyncIoStream> dial_tls(const std::string& name = "node.example") {
    const kj::TlsCertificate trusted(kj::StringPtr(authority_.pem().c_str()));
    kj::TlsContext::Options options;
    options.useSystemTrustStore = false;
    options.trustedCertificates = kj::arrayPtr(&trusted, 1);
    kj::TlsContext context(kj::mv(options));
    return context.wrapClient(dial(), name.c_str()).wait(io_.waitScope);
  }
  // Whether the server closes the stream; what it says until then.
  std::string read_to_end(kj::AsyncIoStream& stream) {
    // A connection that is cut, without TLS's farewell, is an error to later releases of KJ.
    auto text = stream.readAllBytes().then(
        [](kj::Array<kj::byte> bytes) {
          return std::string(reinterpret_cast<const char*>(bytes.begin()), bytes.size());
        },
        [](kj::Exception&& exception) {
          EXPECT_EQ(exception.getType(), kj::Exception::Type::DISCONNECTED) << exception.getDescription().cStr();
          return std::string();
        });
    auto patience = io_.provider->getTimer().afterDelay(20 * kj::SECONDS).then([] { return std::string("no end"); });
    return text.exclusiveJoin(kj::mv(patience)).wait(io_.waitScope);
  }

  // What a client of OpenSSL begins with.
  static std::string client_hello() {
    const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), SSL_free);
    BIO* sent = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), sent);  // owned by it from here on
    SSL_connect(ssl.get());
    ERR_clear_error();
    char* data = nullptr;
    const long size = BIO_get_mem_data(sent, &data);
    return {data, static_cast<std::size_t>(size)};
  }
  // Says one byte after the other, as long as the server listens; how many it took.
  std::size_t trickle(kj::AsyncIoStream& stream, const std::string& bytes) {
    bool is_closed = false;
    auto reading = stream.readAllBytes()
                       .ignoreResult()
                       .catch_([](kj::Exception&&) {})
                       .then([&] { is_closed = true; })
                       .eagerlyEvaluate(nullptr);
    std::size_t said = 0;
    for (; said < bytes.size() && !is_closed; ++said) {
      const auto failure = kj::runCatchingExceptions([&] { stream.write(&bytes[said], 1).wait(io_.waitScope); });
      if (failure != nullptr) break;
      io_.provider->getTimer().afterDelay(2 * kj::MILLISECONDS).wait(io_.waitScope);
    }
    return said;
  }

  const tests::TemporaryDirectory directory_;
  const Authority authority_;
};

TEST_F(TlsTest, ALoginGoesThroughTls) {
  start_tls();
  TestClient client(io_, dial_tls());
  client.login("alice");
  EXPECT_EQ(broker_->sessions(), 1u);
}

TEST_F(TlsTest, AClientThatGoesWithoutAFarewellLeavesNothingBehind) {
  start_tls();
  {
    TestClient client(io_, dial_tls()), other(io_, dial_tls());
    client.login("alice"), other.login("bob");
  }
  broker_->session(0)->next<actors::ClientGone>();
  broker_->session(1)->next<actors::ClientGone>();
  run_until([&] { return gateway_->connections() == 0; });
}

TEST_F(TlsTest, AClientWithoutTlsIsToldSoInItsOwnLanguage) {
  start_tls();
  TestClient client(io_, gateway_->port());
  try {
    client.login_raw("alice");
    FAIL() << "it was let in";
  } catch (const kj::Exception& exception) {
    EXPECT_NE(std::string(exception.getDescription().cStr()).find("this port speaks TLS"), std::string::npos)
        << exception.getDescription().cStr();
  }
  run_until([&] { return gateway_->connections() == 0; });
  EXPECT_EQ(gateway_->counters().handshakes_failed, 1u);
}

TEST_F(TlsTest, AHandshakeThatIsNeverFinishedEndsWithTheTimeForTheLogin) {
  GatewayOptions options;
  options.login_timeout_ms = 50;
  start_tls(options);
  auto silent = dial();
  auto begun = dial();
  const unsigned char record[] = {22, 3, 1, 0, 200, 1, 0, 0};
  begun->write(record, sizeof record).wait(io_.waitScope);
  EXPECT_EQ(read_to_end(*silent), "");
  EXPECT_EQ(read_to_end(*begun), "");
  run_until([&] { return gateway_->connections() == 0; });
  EXPECT_EQ(gateway_->counters().login_timeouts, 2u);
}

TEST_F(TlsTest, AHandshakeThatTricklesEndsWithTheTimeForTheLoginAllTheSame) {
  GatewayOptions options;
  options.login_timeout_ms = 100;
  start_tls(options);
  const std::string hello = client_hello();
  ASSERT_EQ(hello.front(), 22);
  auto stream = dial();
  EXPECT_LT(trickle(*stream, hello + std::string(10'000, 0)), hello.size()) << "a byte now and then buys no time";
  run_until([&] { return gateway_->connections() == 0; });
  EXPECT_EQ(gateway_->counters().login_timeouts, 1u);
  EXPECT_EQ(gateway_->counters().handshakes_failed, 1u);
}

// Whoever is turned away may go on talking, so that it can read why; not for ever.
TEST_F(TlsTest, WhoDoesNotSpeakTlsAndDoesNotGoIsClosedWithTheTimeForTheLogin) {
  GatewayOptions options;
  options.login_timeout_ms = 100;
  start_tls(options);
  auto stream = dial();
  EXPECT_LT(trickle(*stream, std::string(100'000, 'x')), 10'000u);
  run_until([&] { return gateway_->connections() == 0; });
  EXPECT_EQ(gateway_->counters().login_timeouts, 1u);
}

TEST_F(TlsTest, AFloodThatIsNoTlsIsNotTakenInToTheEnd) {
  start_tls();
  auto stream = dial();
  const std::string flood(8 << 20, 'x');
  auto writing = kj::evalNow([&] {
                   return stream->write(flood.data(), flood.size());
                 }).then([] { return true; }, [](kj::Exception&&) { return false; });
  auto patience = io_.provider->getTimer().afterDelay(20 * kj::SECONDS).then([] { return true; });
  EXPECT_FALSE(writing.exclusiveJoin(kj::mv(patience)).wait(io_.waitScope)) << "it should have been closed";
  run_until([&] { return gateway_->connections() == 0; });
}

TEST_F(TlsTest, TheTimeForTheLoginGoesOnAfterTheHandshake) {
  GatewayOptions options;
  options.login_timeout_ms = 100;
  start_tls(options);
  auto stream = dial_tls();
  EXPECT_EQ(read_to_end(*stream), "");
  EXPECT_EQ(broker_->sessions(), 0u);
}

TEST_F(TlsTest, UnfinishedHandshakesHoldUpNobodyAndAreCounted) {
  NodeConfig few = config();
  few.connections_max = 21;
  start_tls(few);
  std::vector<kj::Own<kj::AsyncIoStream>> silent;
  for (int i = 0; i < 20; ++i) silent.push_back(dial());
  TestClient client(io_, dial_tls());
  client.login("alice");
  EXPECT_EQ(gateway_->connections(), 21u);
  auto beyond = dial();
  EXPECT_EQ(read_to_end(*beyond), "") << "they are connections like all others";
}

TEST_F(TlsTest, StoppingEndsUnfinishedHandshakes) {
  start_tls();
  auto silent = dial();
  run_until([&] { return gateway_->connections() == 1; });
  gateway_->stop();
  EXPECT_EQ(gateway_->connections(), 0u);
  EXPECT_EQ(read_to_end(*silent), "");
}

TEST_F(TlsTest, GarbageInsideAHandshakeEndsItAlone) {
  GatewayOptions options;
  options.login_timeout_ms = 1'000;
  start_tls(options);
  TestClient client(io_, dial_tls());
  client.login("alice");
  for (int i = 0; i < 20; ++i) {
    auto bad = dial();
    std::string bytes(200, static_cast<char>(i));
    bytes[0] = 22;
    bad->write(bytes.data(), bytes.size()).wait(io_.waitScope);
    read_to_end(*bad);
  }
  EXPECT_EQ(wire::read(client.login_raw("alice").getError()).code, ErrorCode::kConflict) << "still connected";
}

TEST_F(TlsTest, TheOriginOfAConnectionIsSeenThroughTls) {
  start_tls();
  auto stream = dial_tls();
  EXPECT_EQ(origin_of(*stream), (auth::Origin{false, INADDR_LOOPBACK}));
}

TEST_F(TlsTest, AnOlderTlsThanTheLeastIsRefused) {
  start_tls();
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
  SSL_CTX_set_cipher_list(context.get(), "DEFAULT:@SECLEVEL=0");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context.get(), TLS1_1_VERSION);
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), SSL_free);
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(gateway_->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  SSL_set_fd(ssl.get(), fd);
  EXPECT_LE(SSL_connect(ssl.get()), 0);
  ERR_clear_error();
  ::close(fd);
}

TEST_F(TlsTest, ANewCertificateIsForNewConnectionsAndTheOldOnesGoOn) {
  start_tls();
  TestClient before(io_, dial_tls());
  before.login("alice");
  install(authority_.issue("renewed.example"));
  const Status read = gateway_->reload();
  ASSERT_TRUE(read) << read.error().to_string();
  TestClient after(io_, dial_tls("renewed.example"));
  after.login("bob");
  EXPECT_EQ(wire::read(before.login_raw("alice").getError()).code, ErrorCode::kConflict) << "still connected";
  EXPECT_THROW(dial_tls("node.example"), kj::Exception);
}

TEST_F(TlsTest, ACertificateThatCannotBeUsedChangesNothing) {
  start_tls();
  const Issued other = authority_.issue("other.example");
  const auto refused = [&](const char* field, const char* part) {
    const Status read = gateway_->reload();
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().field, field);
    EXPECT_NE(read.error().detail.find(part), std::string::npos) << read.error().detail;
  };
  write_file(directory_ / "node.key", other.key_pem);
  refused("tls_key", "not the key of the certificate");
  write_file(directory_ / "node.key", "nonsense");
  refused("tls_key", "no unencrypted private key");
  write_file(directory_ / "node.pem", "nonsense");
  refused("tls_certificate", "no certificate");
  std::filesystem::remove(directory_ / "node.pem");
  refused("tls_certificate", "No such file");
  TestClient client(io_, dial_tls());
  client.login("alice");
}

TEST_F(TlsTest, WithoutACertificateOnlyThisMachineIsServedUnlessForced) {
  write_file(directory_ / "keys.json",
             R"({"keys":[{"kid":"a","alg":"HS256","k":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"}]})");
  NodeConfig open;
  open.client_address = "0.0.0.0";
  open.client_port = 0;
  open.auth = AuthMode::kJwt;
  open.jwt_keys = directory_ / "keys.json";
  EXPECT_EQ(Gateway::check(open).error().field, "tls_certificate");
  open.allow_plaintext = true;
  EXPECT_TRUE(Gateway::check(open));
}

}  // namespace
}  // namespace earshot::gateway
