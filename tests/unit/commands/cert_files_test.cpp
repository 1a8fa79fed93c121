#include "app/cert_files.hpp"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/temporary_directory.hpp"

namespace earshot::app {
namespace {

class CertFiles : public testing::Test {
 protected:
  static std::string read(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  [[nodiscard]] std::string pki() const { return directory_ / "pki"; }
  void make_ca(std::uint64_t days = kAuthorityDaysDefault) {
    AuthorityFiles files;
    files.out = pki();
    files.days = days;
    const auto made = make_authority(files);
    ASSERT_TRUE(made) << made.error().to_string();
  }
  [[nodiscard]] NodeFiles node(std::uint64_t id) const {
    NodeFiles files;
    files.ca = files.out = pki();
    files.node = id;
    return files;
  }
  static std::string shown(const std::string& path) {
    const auto text = show_certificate(path);
    return text ? *text : text.error().to_string();
  }

  const tests::TemporaryDirectory directory_;
};

TEST_F(CertFiles, AnAuthorityAndANodeAreMadeAndSayWhoTheyAre) {
  make_ca();
  NodeFiles files = node(3);
  files.hosts = {"n3.example", "10.0.0.3", "fd00::3"};
  const auto made = make_node(files);
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_EQ(made->certificate, pki() + "/node-3.pem");
  const std::string node_text = shown(made->certificate);
  EXPECT_NE(node_text.find("for        peer.earshot, node-3.earshot, n3.example, 10.0.0.3, fd00::3\n"),
            std::string::npos)
      << node_text;
  EXPECT_NE(node_text.find("issuer     CN = Earshot cluster\n"), std::string::npos) << node_text;
  EXPECT_NE(node_text.find("key        EC P-256\n"), std::string::npos) << node_text;
  EXPECT_EQ(node_text.find("authority"), std::string::npos);
  EXPECT_NE(shown(pki() + "/ca.pem").find("authority  yes\n"), std::string::npos);
}

TEST_F(CertFiles, ANodeWithoutAnIdMayBeAnyNode) {
  make_ca();
  const auto made = make_node(node(0));
  ASSERT_TRUE(made);
  EXPECT_EQ(made->key, pki() + "/node.key");
  EXPECT_NE(shown(made->certificate).find("for        peer.earshot, node-any.earshot\n"), std::string::npos);
}

TEST_F(CertFiles, KeysAreForTheirOwnerAloneEvenWhereALaxFileLies) {
  std::filesystem::create_directories(pki());
  std::ofstream(pki() + "/ca.key.new") << "left over";
  std::filesystem::permissions(pki() + "/ca.key.new", std::filesystem::perms::all);
  make_ca();
  ASSERT_TRUE(make_node(node(1)));
  using std::filesystem::perms;
  for (const char* name : {"/ca.key", "/node-1.key"})
    EXPECT_EQ(std::filesystem::status(pki() + name).permissions(), perms::owner_read | perms::owner_write) << name;
  EXPECT_NE(std::filesystem::status(pki() + "/node-1.pem").permissions() & perms::others_read, perms::none);
  for (const auto& file : std::filesystem::directory_iterator(pki()))
    EXPECT_NE(file.path().extension(), ".new") << "nothing half made is left";
}

TEST_F(CertFiles, NothingIsReplacedUnlessItIsAskedFor) {
  make_ca();
  const std::string key = read(pki() + "/ca.key");
  AuthorityFiles again;
  again.out = pki();
  const auto refused = make_authority(again);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kConflict);
  EXPECT_EQ(read(pki() + "/ca.key"), key);
  again.force = true;
  ASSERT_TRUE(make_authority(again));
  EXPECT_NE(read(pki() + "/ca.key"), key);
  ASSERT_TRUE(make_node(node(1)));
  std::filesystem::remove(pki() + "/node-1.pem");
  EXPECT_FALSE(make_node(node(1))) << "the key alone is there, and may be in use";
}

TEST_F(CertFiles, SerialsAreNeverTheSame) {
  make_ca();
  std::set<std::string> serials;
  for (std::uint64_t id = 1; id <= 5; ++id) {
    ASSERT_TRUE(make_node(node(id)));
    const std::string text = shown(pki() + "/node-" + std::to_string(id) + ".pem");
    serials.insert(text.substr(text.find("serial"), 48));
  }
  EXPECT_EQ(serials.size(), 5u);
}

TEST_F(CertFiles, WhatCannotBeIsRefusedAndLeavesNothingBehind) {
  EXPECT_EQ(make_node(node(1)).error().field, "ca") << "there is none";
  make_ca(30);
  EXPECT_EQ(make_node(node(1)).error().field, "days") << "it would outlive its authority";
  NodeFiles files = node(1);
  files.days = 10;
  for (const char* host : {"", "no spaces", "a,DNS:evil.example", "-x", "a..b", "x:y"}) {
    files.hosts = {host};
    EXPECT_EQ(make_node(files).error().field, "host") << host;
  }
  files.hosts = {};
  files.days = 0;
  EXPECT_EQ(make_node(files).error().field, "days");
  files.days = kCertificateDaysMax + 1;
  EXPECT_EQ(make_node(files).error().field, "days");
  EXPECT_FALSE(std::filesystem::exists(pki() + "/node-1.key"));
  files.days = 10;
  std::filesystem::copy_file(pki() + "/ca.pem", directory_ / "ca.pem");
  ASSERT_TRUE(make_node(files));
  std::filesystem::copy_file(pki() + "/node-1.key", directory_ / "ca.key");
  files.ca = directory_.path();
  files.force = true;
  EXPECT_EQ(make_node(files).error().field, "ca") << "a key that is not the authority's";
  std::ofstream(directory_ / "text.pem") << "no certificate";
  EXPECT_FALSE(show_certificate(directory_ / "text.pem"));
  EXPECT_FALSE(show_certificate(directory_ / "missing.pem"));
}

TEST_F(CertFiles, ANodeIsNoAuthority) {
  make_ca();
  ASSERT_TRUE(make_node(node(1)));
  std::filesystem::create_directories(directory_ / "false");
  std::filesystem::copy_file(pki() + "/node-1.pem", directory_ / "false/ca.pem");
  std::filesystem::copy_file(pki() + "/node-1.key", directory_ / "false/ca.key");
  NodeFiles files = node(2);
  files.ca = directory_ / "false";
  EXPECT_EQ(make_node(files).error().field, "ca");
}

}  // namespace
}  // namespace earshot::app
