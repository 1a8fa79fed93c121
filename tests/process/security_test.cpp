// Strangers, certificates and tokens before a real node.
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

#include "auth/keys.hpp"
#include "auth/token.hpp"
#include "base/clock.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/process_client.hpp"

namespace earshot {
namespace {

using client::ConnectionChange;
using tests::Authority;
using tests::write_file;

class Security : public tests::ProcessTest {
 protected:
  void install_certificate(const tests::Issued& issued) {
    write_file(directory_ / "node.pem", issued.certificate_pem);
    write_file(directory_ / "node.key", issued.key_pem);
  }
  void install_keys(const std::vector<auth::Key>& keys) {
    write_file(directory_ / "keys.new", auth::to_json(keys).value());
    std::filesystem::rename(directory_ / "keys.new", directory_ / "keys.json");
  }
  // With TLS and tokens, its log kept.
  void start_secured(const tests::Issued& issued, std::vector<std::string> more = {}) {
    write_file(directory_ / "ca.pem", authority_.pem());
    install_certificate(issued);
    install_keys({key_});
    std::vector<std::string> flags{"--tls-certificate",
                                   directory_ / "node.pem",
                                   "--tls-key",
                                   directory_ / "node.key",
                                   "--auth",
                                   "jwt",
                                   "--jwt-keys",
                                   directory_ / "keys.json",
                                   "--jwt-leeway-s",
                                   "0",
                                   "--log-level",
                                   "trace"};
    flags.insert(flags.end(), more.begin(), more.end());
    start_node_on(directory_ / "node", std::move(flags), tests::with_log(log_path()));
  }
  std::string log_path() { return directory_ / "node.log"; }
  std::string log() { return tests::text_of(log_path()); }
  std::string token(const std::string& user, std::uint64_t lives_s = 3'600) {
    const std::uint64_t now_s = SystemClock().wall_ms() / 1'000;
    return auth::sign({UserId::trusted(user), Role::kUser, now_s, now_s + lives_s}, key_).value();
  }
  client::Options secured(const std::string& user) {
    client::Options by_tls = options(user);
    by_tls.token = token(user);
    by_tls.tls = {true, directory_ / "ca.pem", "node.example"};
    by_tls.reconnect = {10, 100};
    return by_tls;
  }
  // Why a client cannot connect.
  Error refusal(client::Options by_tls) {
    const auto device = open(std::move(by_tls), std::make_shared<client::MemoryStore>());
    EXPECT_TRUE(device->wait_changes(ConnectionChange::Kind::kDisconnected));
    const Status connected = (*device)->wait_connected(1);
    return connected ? Error{} : connected.error();
  }

  const Authority authority_;
  const auth::Key key_ = auth::new_key(auth::Algorithm::kEs256, "first").value();
};

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << "it says: \"" << (text) << "\""

TEST_F(Security, MessagesGoThroughTlsByTokensAndNoSecretIsLogged) {
  start_secured(authority_.issue("node.example"));
  const auto bob = open(secured("bob"), std::make_shared<client::MemoryStore>());
  const client::Options from_alice = secured("alice");
  const auto alice = open(from_alice, std::make_shared<client::MemoryStore>());
  post(*alice, "bob", tests::numbered(100));
  flush(*alice);
  EXPECT_TRUE(bob->wait_received(100));
  client::Options stranger = secured("eve");
  stranger.token = from_alice.token.substr(0, from_alice.token.size() - 8) + "AAAAAAAA";
  const auto eve = open(stranger, std::make_shared<client::MemoryStore>());
  EXPECT_EQ((*eve)->wait_connected(tests::kPatienceMs).error().code, ErrorCode::kUnauthenticated);
  const std::string text = log();
  EXPECT_SAYS(text, "the certificate /CN=node.example");
  for (const std::string& secret : {from_alice.token, stranger.token, key_.private_pem.substr(30, 40)})
    EXPECT_EQ(text.find(secret), std::string::npos);
}

TEST_F(Security, WhatTheDoorCountedIsLoggedOnHangupAndAtTheStop) {
  start_secured(authority_.issue("node.example"));
  client::Options stranger = secured("eve");
  stranger.token = "a guess";
  {
    const auto eve = open(stranger, std::make_shared<client::MemoryStore>());
    EXPECT_EQ((*eve)->wait_connected(tests::kPatienceMs).error().code, ErrorCode::kUnauthenticated);
  }
  ASSERT_EQ(::kill(node().pid(), SIGHUP), 0);
  EXPECT_EQ(node().stop(), 0);  // by another signal, which is seen after the first
  const std::string text = log();
  const std::string line = "at the door since the start: logins_refused 1\n";
  const std::size_t first = text.find(line);
  ASSERT_NE(first, std::string::npos) << text;
  EXPECT_NE(text.find(line, first + 1), std::string::npos) << text;
}

TEST_F(Security, AServerThatCannotBeTrustedIsRefusedInWords) {
  start_secured(authority_.issue("node.example", -7'200, -3'600));
  EXPECT_SAYS(refusal(secured("alice")).detail, "certificate has expired");
  install_certificate(authority_.issue("node.example"));
  ASSERT_EQ(::kill(node().pid(), SIGHUP), 0);
  const auto patient = open(secured("alice"), std::make_shared<client::MemoryStore>());
  EXPECT_TRUE((*patient)->wait_connected(tests::kPatienceMs)) << "it is tried again, and now it is good";
  client::Options elsewhere = secured("alice");
  elsewhere.tls.server_name = "other.example";
  EXPECT_SAYS(refusal(elsewhere).detail, "mismatch");
  client::Options distrustful = secured("alice");
  distrustful.tls.ca_file.clear();
  EXPECT_SAYS(refusal(distrustful).detail, "not trusted");
  client::Options others = secured("alice");
  write_file(directory_ / "other.pem", Authority().pem());
  others.tls.ca_file = directory_ / "other.pem";
  EXPECT_SAYS(refusal(others).detail, "not trusted");
}

TEST_F(Security, WhoSpeaksTheOtherLanguageIsToldSo) {
  start_secured(authority_.issue("node.example"));
  client::Options plain = secured("alice");
  plain.tls = {};
  EXPECT_SAYS(refusal(plain).detail, "this port speaks TLS");
}

TEST_F(Security, ATlsClientIsToldThatThePortIsPlain) {
  write_file(directory_ / "ca.pem", authority_.pem());
  start_node();
  const Error error = refusal(secured("alice"));
  EXPECT_EQ(error.field, "tls");
  EXPECT_SAYS(error.detail, "does not speak TLS");
}

TEST_F(Security, CertificateAndKeysChangeUnderLiveSessions) {
  start_secured(authority_.issue("node.example"));
  const auto bob = open(secured("bob"), std::make_shared<client::MemoryStore>());
  ASSERT_TRUE((*bob)->wait_connected(tests::kPatienceMs));
  install_certificate(authority_.issue("renewed.example"));
  const auth::Key next = auth::new_key(auth::Algorithm::kHs256, "second").value();
  install_keys({next});
  client::Options renewed = secured("alice");
  renewed.tls.server_name = "renewed.example";
  const std::uint64_t now_s = SystemClock().wall_ms() / 1'000;
  renewed.token = auth::sign({UserId::trusted("alice"), Role::kUser, now_s, now_s + 600}, next).value();
  renewed.reconnect_when_refused = true;
  ASSERT_EQ(::kill(node().pid(), SIGHUP), 0);
  const auto alice = open(renewed, std::make_shared<client::MemoryStore>());
  ASSERT_TRUE((*alice)->wait_connected(tests::kPatienceMs));
  post(*alice, "bob", {"still there?"});
  flush(*alice);
  EXPECT_TRUE(bob->wait_received(1));
  EXPECT_EQ((*bob)->stats().connects, 1u) << "the session that was there went on";
}

TEST_F(Security, ASessionEndsWithItsTokenAndTheNextOneGoesOnWithoutLoss) {
  start_secured(authority_.issue("node.example"));
  std::atomic<int> asked = 0;
  client::Options short_lived = secured("bob");
  short_lived.token.clear();
  short_lived.token_source = [&](const client::TokenDone& done) {
    ++asked;
    done(token("bob", 2));
  };
  const auto bob = open(short_lived, std::make_shared<client::MemoryStore>());
  const auto alice = open(secured("alice"), std::make_shared<client::MemoryStore>());
  std::uint64_t sent = 0;
  while (asked < 3 && sent < 100'000) {
    post(*alice, "bob", {std::to_string(++sent)});
    flush(*alice);
  }
  ASSERT_GE(asked, 3) << "its tokens ended";
  EXPECT_TRUE(bob->wait_for(sent));
  EXPECT_EQ(bob->received(), sent) << "none lost, none twice";
}

TEST_F(Security, WithoutAFreshTokenTheClientSaysThatItIsRefused) {
  start_secured(authority_.issue("node.example"));
  client::Options once = secured("bob");
  once.token = token("bob", 2);
  const auto bob = open(once, std::make_shared<client::MemoryStore>());
  ASSERT_TRUE((*bob)->wait_connected(tests::kPatienceMs));
  EXPECT_TRUE(bob->wait_changes(ConnectionChange::Kind::kRefused));
}

TEST_F(Security, TheCommandLineMakesKeysAndTokensThatTheNodeTakes) {
  const auto run = [&](const std::string& arguments) {
    return tests::ChildProcess({"/bin/sh", "-c", "umask 077; " + tests::earshot_path() + " " + arguments}).wait();
  };
  const std::string signing = directory_ / "signing.json";
  const std::string file = directory_ / "alice.token";
  ASSERT_EQ(run("token --new-key rs256 --kid cli > " + signing), 0);
  start_secured(authority_.issue("node.example"));
  ASSERT_EQ(run("token --public --key " + signing + " > " + (directory_ / "keys.new")), 0);
  std::filesystem::rename(directory_ / "keys.new", directory_ / "keys.json");
  ASSERT_EQ(::kill(node().pid(), SIGHUP), 0);
  ASSERT_EQ(run("token --key " + signing + " --user alice --ttl 5m > " + file), 0);
  const std::string send = "send --quiet --server " + node().address() + " --ca " + (directory_ / "ca.pem") +
                           " --tls-name node.example --token-file " + file + " --to bob hello";
  EXPECT_EQ(run(send), 0);
  EXPECT_EQ(run("token --show " + file + " --key " + (directory_ / "keys.json") + " > /dev/null"), 0);
  write_file(file, "nonsense\n");
  EXPECT_EQ(run(send + " 2> /dev/null"), 3) << "the login is refused";
  EXPECT_EQ(run("token --key " + signing + " --user alice --ttl soon 2> /dev/null"), 2);
  EXPECT_EQ(run("token --public --key " + (directory_ / "none.json") + " 2> /dev/null"), 1);
}

}  // namespace
}  // namespace earshot
