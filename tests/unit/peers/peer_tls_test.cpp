#include "peers/peer_tls.hpp"

#include <memory>
#include <optional>
#include <string>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "auth/issue.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/log_capture.hpp"
#include "tests/support/peer_fixture.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::peers {
namespace {

using cluster::PeerTopic;
using tests::eventually;
using tests::PeerHost;
using tests::PeerTest;
using tests::write_file;

// A client of OpenSSL's own with a certificate, which says a hello that is not its own.
class TlsImpostor {
 public:
  TlsImpostor(const PeerTlsFiles& files, std::uint16_t port)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
        context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    SSL_CTX_use_certificate_chain_file(context_.get(), files.certificate.c_str());
    SSL_CTX_use_PrivateKey_file(context_.get(), files.key.c_str(), SSL_FILETYPE_PEM);
    ssl_.reset(SSL_new(context_.get()));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{10, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    SSL_set_fd(ssl_.get(), fd_);
    EXPECT_EQ(SSL_connect(ssl_.get()), 1);
  }
  ~TlsImpostor() { ::close(fd_); }
  TlsImpostor(const TlsImpostor&) = delete;
  TlsImpostor& operator=(const TlsImpostor&) = delete;

  // What it is answered.
  std::optional<Greeting> greet(const Hello& hello) const {
    const std::string said = encode(hello);
    SSL_write(ssl_.get(), said.data(), static_cast<int>(said.size()));
    std::string bytes(16 << 10, '\0');
    const int got = SSL_read(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    if (got < static_cast<int>(kGreetingHeadBytes)) return std::nullopt;
    bytes.resize(static_cast<std::size_t>(got));
    const auto head = decode_head(std::string_view(bytes).substr(0, kGreetingHeadBytes), bytes.size());
    auto greeting = head ? decode_greeting(*head, std::string_view(bytes).substr(kGreetingHeadBytes))
                         : Result<Greeting>(fail(head.error()));
    return greeting ? std::optional(std::move(*greeting)) : std::nullopt;
  }

 private:
  const int fd_;
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, SSL_free};
};

class PeerTlsTest : public PeerTest {
 protected:
  static auth::Issued authority() { return auth::issue_authority("cluster", 30).value(); }
  static auth::Issued issue(const auth::Issued& authority, const std::vector<std::string>& hosts) {
    return auth::issue_node(authority, {hosts.back(), hosts, 10}).value();
  }
  // For this node, or another one that it is not.
  auth::Issued issue_for(std::uint64_t node) {
    return issue(authority_, {kPeerName, certificate_name_of(NodeId(node))});
  }

  PeerTlsFiles install(const std::string& name, const std::string& certificate_pem, const std::string& key_pem,
                       const std::string& ca_pem) {
    const PeerTlsFiles files{directory_ / (name + ".pem"), directory_ / (name + ".key"), directory_ / (name + ".ca")};
    write_file(files.certificate, certificate_pem);
    write_file(files.key, key_pem);
    write_file(files.ca, ca_pem);
    return files;
  }
  PeerTlsFiles install(const std::string& name, const auth::Issued& issued) {
    return install(name, issued.certificate_pem, issued.key_pem, authority_.certificate_pem);
  }
  std::unique_ptr<PeerHost> make_tls(std::uint64_t node) { return make_tls(node, issue_for(node)); }
  std::unique_ptr<PeerHost> make_tls(std::uint64_t node, const auth::Issued& issued) {
    auto options = options_of(node);
    options.tls = install("node-" + std::to_string(node), issued);
    return std::make_unique<PeerHost>(options);
  }
  // That two does not get through to one, for this reason.
  void expect_refused(PeerHost& one, PeerHost& two, const std::string& why) {
    tests::LogCapture log;
    one.start(), two.start();
    introduce({&one, &two});
    ASSERT_TRUE(
        eventually([&] { return one.links->counters().dials_failed >= 2 && two.links->counters().dials_failed >= 2; }));
    EXPECT_EQ(one.heard.ups(two.id()) + two.heard.ups(one.id()), 0u);
    one.stop(), two.stop();
    const std::string said = log.take();
    EXPECT_NE(said.find(why), std::string::npos) << said;
  }

  const tests::TemporaryDirectory directory_;
  const auth::Issued authority_ = authority();
};

TEST_F(PeerTlsTest, NodesWithCertificatesOfOneAuthorityAreLinked) {
  const auto one = make_tls(1), two = make_tls(2);
  one->start(), two->start();
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
  const std::string body(5 << 20, 'x');
  ASSERT_TRUE(one->send(NodeId(2), PeerTopic::kSeed, body));
  ASSERT_TRUE(two->send(NodeId(1), PeerTopic::kRaft, "small"));
  ASSERT_TRUE(eventually([&] { return two->heard.count() == 1 && one->heard.count() == 1; }));
  EXPECT_TRUE(two->heard.frames().front().body == body);
}

TEST_F(PeerTlsTest, ACertificateForAnyNodeIsForEachOfThem) {
  const auto one = make_tls(1, issue(authority_, {kPeerName, kAnyNodeName}));
  const auto two = make_tls(2, issue(authority_, {kPeerName, kAnyNodeName}));
  one->start(), two->start();
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
}

TEST_F(PeerTlsTest, ANodeOfAnotherAuthorityIsRefusedByBothEnds) {
  const auto one = make_tls(1);
  auto options = options_of(2);
  const auth::Issued other = authority();
  const auth::Issued issued = issue(other, {kPeerName, certificate_name_of(NodeId(2))});
  options.tls = install("other", issued.certificate_pem, issued.key_pem, other.certificate_pem);
  PeerHost two(options);
  expect_refused(*one, two, "certificate is not trusted");
}

TEST_F(PeerTlsTest, ACertificateThatVouchesForNobodysPlaceIsRefusedThoughItsAuthorityIsTheirs) {
  // Of the same authority, which here vouches for servers too.
  const auth::Issued issued = issue(authority_, {"www.example"});
  const auto files = install("www", issued);
  const SystemClock clock;
  const auto opened = PeerTls::open(files, NodeId(2), clock);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().field, "peer_tls_certificate");
}

TEST_F(PeerTlsTest, ACertificateOfAnotherNodeIsRefusedAtTheStartAndByOthers) {
  const SystemClock clock;
  EXPECT_EQ(PeerTls::open(install("other", issue_for(3)), NodeId(2), clock).error().field, "peer_tls_certificate");
  // A node that says to be another one than its certificate does: node 3's, with the place and the id of node 2.
  const auto one = make_tls(1);
  one->start();
  auto options = options_of(3);
  options.tls = install("three", issue_for(3));
  PeerHost three(options);
  three.start();
  three.links->set_nodes({{NodeId(1), {}}});
  tests::LogCapture log;
  one->links->set_nodes({{NodeId(2), {three.address()}}});
  ASSERT_TRUE(eventually([&] { return one->links->counters().dials_failed >= 1; }));
  EXPECT_FALSE(one->links->is_up(NodeId(2)));
  one->stop();
  EXPECT_NE(log.take().find("node 3 answers where node 2 was dialled"), std::string::npos);
}

TEST_F(PeerTlsTest, WhoeverSaysToBeAnotherNodeThanItsCertificateDoesIsRefused) {
  const auto one = make_tls(1);
  one->start();
  one->links->set_nodes({{NodeId(2), {}}, {NodeId(3), {}}});
  Hello hello;
  hello.cluster_id = kCluster;
  hello.node = NodeId(2);
  hello.boot = 7;
  const auto files = install("three", issue_for(3));
  const auto lie = TlsImpostor(files, *one->options.port).greet(hello);
  ASSERT_TRUE(lie && std::holds_alternative<Refusal>(*lie));
  EXPECT_EQ(std::get<Refusal>(*lie).reason, RefusalReason::kCertificate);
  hello.node = NodeId(3);
  const auto truth = TlsImpostor(files, *one->options.port).greet(hello);
  EXPECT_TRUE(truth && std::holds_alternative<Welcome>(*truth));
  // The same authority vouches for what is no node at all.
  const auto server = install("www", issue(authority_, {"www.example"}));
  EXPECT_FALSE(TlsImpostor(server, *one->options.port).greet(hello));
}

TEST_F(PeerTlsTest, AnExpiredCertificateIsRefusedAndItsOwnerIsTold) {
  const tests::Authority old;
  // One made by hand: earshot's own maker makes none that has ended.
  const tests::Issued ended = old.issue(kPeerName, -7'200, -3'600, kAnyNodeName);
  auto options = options_of(0);
  options.port.reset();
  options.tls = install("ended", ended.certificate_pem, ended.key_pem, old.pem());
  const tests::Issued good = old.issue(kPeerName, -3'600, 3'600, kAnyNodeName);
  auto server = options_of(0);
  server.tls = install("good", good.certificate_pem, good.key_pem, old.pem());
  PeerHost one(server);
  one.heard.on_request([](const std::string&, const auto& answer) { answer("yes"); });
  one.start();
  tests::LogCapture log;
  const SystemClock clock;
  const auto refused = ask_and_wait(options, one.address(), "?", clock);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  auto asks = server;
  asks.port.reset();
  const auto answered = ask_and_wait(asks, one.address(), "?", clock);
  EXPECT_EQ(answered.value_or(""), "yes") << "with a good one it gets through";
  one.stop();
  EXPECT_NE(log.take().find("has expired"), std::string::npos);
}

TEST_F(PeerTlsTest, PlaintextAndTlsDoNotMixAndTheLogSaysSo) {
  const auto one = make_tls(1), two = make(2);
  expect_refused(*one, *two, "speaks TLS, and this node does not (peer_tls_certificate)");
}

TEST_F(PeerTlsTest, AJoinerAsksThroughTlsWithACertificateForAnyNode) {
  const auto one = make_tls(1);
  one->heard.on_request(
      [](const std::string& request, const std::function<void(std::string)>& answer) { answer("to " + request); });
  one->start();
  PeerLinksOptions joiner;
  joiner.tls = install("joiner", issue(authority_, {kPeerName, kAnyNodeName}));
  const SystemClock clock;
  const auto answer = ask_and_wait(joiner, one->address(), "you", clock);
  ASSERT_TRUE(answer) << answer.error().to_string();
  EXPECT_EQ(*answer, "to you");
  const auto plain = ask_and_wait(PeerLinksOptions{}, one->address(), "you", clock);
  EXPECT_FALSE(plain) << "and not without";
}

TEST_F(PeerTlsTest, CertificatesAreReadAgainForNewConnectionsAndBadOnesChangeNothing) {
  const auto one = make_tls(1), two = make_tls(2);
  one->start(), two->start();
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
  // Both move to another authority.
  const auth::Issued next = authority();
  for (const std::uint64_t node : {1, 2}) {
    const auth::Issued issued = issue(next, {kPeerName, certificate_name_of(NodeId(node))});
    install("node-" + std::to_string(node), issued.certificate_pem, issued.key_pem, next.certificate_pem);
  }
  ASSERT_TRUE(one->links->reload());
  EXPECT_TRUE(is_linked(*one, *two)) << "links go on with what they began with";
  two->links->set_nodes({});
  ASSERT_TRUE(eventually([&] { return one->links->counters().dials_failed >= 2; })) << "two has the old ones still";
  ASSERT_TRUE(two->links->reload());
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
  write_file(one->options.tls.key, "no key");
  const Status bad = one->links->reload();
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().field, "peer_tls_key");
  two->stop(), two->start();
  introduce({one.get(), two.get()});
  expect_linked(*one, *two);
}

TEST_F(PeerTlsTest, FilesThatDoNotFitAreNamed) {
  const SystemClock clock;
  const auth::Issued one = issue_for(1), two = issue_for(2);
  const auto field_of = [&](const PeerTlsFiles& files) {
    const auto opened = PeerTls::open(files, NodeId(1), clock);
    return opened ? std::string() : opened.error().field;
  };
  const PeerTlsFiles good = install("good", one);
  EXPECT_EQ(field_of(good), "");
  EXPECT_EQ(field_of({good.certificate, "", good.ca}), "peer_tls_key");
  EXPECT_EQ(field_of({good.certificate, good.key, ""}), "peer_tls_ca");
  EXPECT_EQ(field_of({"", good.key, good.ca}), "peer_tls_certificate");
  EXPECT_EQ(field_of({directory_ / "missing", good.key, good.ca}), "peer_tls_certificate");
  EXPECT_EQ(field_of(install("mixed", one.certificate_pem, two.key_pem, authority_.certificate_pem)), "peer_tls_key");
  EXPECT_EQ(field_of(install("no-ca", one.certificate_pem, one.key_pem, "text")), "peer_tls_ca");
}

}  // namespace
}  // namespace earshot::peers
