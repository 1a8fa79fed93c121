#include "app/config_file.hpp"

#include <fstream>

#include <gtest/gtest.h>

#include "app/settings.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::app {
namespace {

Error error_of(std::string_view toml) {
  const auto config = parse_config(toml, "node.toml");
  return config ? Error{} : config.error();
}

TEST(ConfigFile, EverySettingIsReadAndTheRestKeepsItsDefault) {
  const auto config = parse_config(R"(
    data_dir = "/srv/ear\"shot"
    client_address = "::1"
    client_port = 0
    auth = "none"
    shard_count = 1024
    log_level = "debug"
    retransmit_first_ms = 250
  )",
                                   "node.toml");
  ASSERT_TRUE(config) << config.error().to_string();
  EXPECT_EQ(config->data_dir, "/srv/ear\"shot");
  EXPECT_EQ(config->client_address, "::1");
  EXPECT_EQ(config->client_port, 0);
  EXPECT_EQ(config->shard_count, 1024);
  EXPECT_EQ(config->log_level, "debug");
  EXPECT_EQ(config->retransmit_first_ms, 250u);
  EXPECT_EQ(config->retransmit_max_ms, NodeConfig{}.retransmit_max_ms);
  EXPECT_EQ(config->gateway_threads, 1u);
}

TEST(ConfigFile, AnUnknownKeyIsNamedWithItsLine) {
  const Error error = error_of("client_port = 1\n\nclient_prot = 2\n");
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(error.field, "client_prot");
  EXPECT_NE(error.detail.find("node.toml:3"), std::string::npos) << error.detail;
}

TEST(ConfigFile, AValueOutOfRangeNamesTheLimitAndTheLine) {
  for (const char* value : {"0", "1025", "-1", "9223372036854775807"}) {
    const Error error = error_of(std::string("shard_count = ") + value);
    EXPECT_EQ(error.field, "shard_count") << value;
    EXPECT_NE(error.detail.find("1 to 1024"), std::string::npos) << error.detail;
    EXPECT_NE(error.detail.find("node.toml:1"), std::string::npos) << error.detail;
  }
  for (const char* value : {"1", "1024"})
    EXPECT_TRUE(parse_config(std::string("shard_count = ") + value, "x")) << value;
}

TEST(ConfigFile, AWrongTypeIsRefused) {
  EXPECT_EQ(error_of("client_port = \"7400\"").field, "client_port");
  EXPECT_EQ(error_of("client_port = 7400.5").field, "client_port");
  EXPECT_EQ(error_of("data_dir = 5").field, "data_dir");
  EXPECT_EQ(error_of("data_dir = [\"a\"]").field, "data_dir");
  EXPECT_EQ(error_of("[data_dir]\nx = 1").field, "data_dir");
}

TEST(ConfigFile, WordsThatAreNoChoiceListTheChoices) {
  EXPECT_NE(error_of("log_level = \"loud\"").detail.find("trace, debug, info, warn, error, off"), std::string::npos);
  EXPECT_NE(error_of("auth = \"magic\"").detail.find("none"), std::string::npos);
  EXPECT_EQ(error_of("data_dir = \"\"").field, "data_dir");
}

TEST(ConfigFile, BrokenTomlIsShownWhereItBreaks) {
  const Error error = error_of("client_port = 1\nlog_level = \"info\n");
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_NE(error.detail.find("node.toml:2"), std::string::npos) << error.detail;
}

TEST(ConfigFile, TheRulesBetweenSettingsHold) {
  NodeConfig config;
  EXPECT_TRUE(check_config(config));
  config.retransmit_first_ms = config.retransmit_max_ms + 1;
  EXPECT_EQ(check_config(config).error().field, "retransmit_first_ms");
  config = {};
  config.overlay_flush_bytes = config.overlay_bytes_max + 1;
  EXPECT_EQ(check_config(config).error().field, "overlay_flush_bytes");
  config = {};
  config.heartbeat_ms = config.election_timeout_ms / 3 + 1;
  EXPECT_EQ(check_config(config).error().field, "heartbeat_ms");
  config = {};
  config.bootstrap = true;
  EXPECT_TRUE(check_config(config));
  config.join = "127.0.0.1:7401";
  EXPECT_EQ(check_config(config).error().field, "join");
}

// A setting of security without effect would be a trap.
TEST(ConfigFile, WhatGoesTogetherIsAskedForTogether) {
  const auto refused = [](const std::string& toml) {
    const auto config = parse_config(toml, "node.toml");
    EXPECT_TRUE(config) << toml;
    const Status fits = check_config(*config);
    return fits ? std::string() : fits.error().field;
  };
  EXPECT_EQ(refused("tls_certificate = \"a\""), "tls_key");
  EXPECT_EQ(refused("tls_key = \"a\""), "tls_certificate");
  EXPECT_EQ(refused("tls_certificate = \"a\"\ntls_key = \"b\""), "");
  EXPECT_EQ(refused("auth = \"jwt\""), "jwt_keys");
  EXPECT_EQ(refused("auth = \"jwt\"\njwt_keys = \"k\""), "");
  for (const std::string key : {"jwt_keys", "jwt_audience", "jwt_issuer", "login_throttle_exempt"})
    EXPECT_EQ(refused(key + " = \"k\""), key);
}

TEST(ConfigFile, AFlagIsTrueOrFalse) {
  EXPECT_TRUE(parse_config("allow_plaintext = true", "x")->allow_plaintext);
  EXPECT_FALSE(parse_config("jwt_require_expiry = false", "x")->jwt_require_expiry);
  for (const char* value : {"1", "\"true\"", "[]"})
    EXPECT_EQ(error_of(std::string("allow_plaintext = ") + value).field, "allow_plaintext");
  NodeConfig config;
  EXPECT_TRUE(set_setting(config, "allow_plaintext", "true"));
  EXPECT_TRUE(config.allow_plaintext);
  EXPECT_EQ(set_setting(config, "allow_plaintext", "yes").error().field, "allow_plaintext");
}

// Whoever adds a setting to NodeConfig adds it to the table; what is printed can be read again, to the same end.
TEST(ConfigFile, WhatIsPrintedIsReadBackTheSame) {
  NodeConfig config;
  for (const Setting& setting : settings()) {
    if (const auto* rule = std::get_if<NumberRule>(&setting.rule)) {
      ASSERT_TRUE(set(config, setting, static_cast<std::int64_t>(rule->min))) << setting.key;
    }
  }
  config.data_dir = "/srv/a \"quoted\" \\ back\tslash é";
  const std::string printed = to_toml(config);
  const auto again = parse_config(printed, "printed");
  ASSERT_TRUE(again) << again.error().to_string() << "\n" << printed;
  EXPECT_EQ(to_toml(*again), printed);
  EXPECT_EQ(again->data_dir, config.data_dir);
}

TEST(ConfigFile, TheDefaultsKeepTheirOwnRules) {
  const auto again = parse_config(to_toml(NodeConfig{}), "printed");
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_TRUE(check_config(*again));
}

TEST(ConfigFile, AFileThatCannotBeReadIsNamed) {
  const tests::TemporaryDirectory directory;
  const auto missing = read_config_file(directory / "none.toml");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_NE(missing.error().detail.find("none.toml"), std::string::npos);
  EXPECT_NE(missing.error().detail.find("No such file"), std::string::npos) << missing.error().detail;
  EXPECT_FALSE(read_config_file(directory.path())) << "a directory is no file";
  std::ofstream(directory / "empty.toml").flush();
  EXPECT_TRUE(read_config_file(directory / "empty.toml"));
}

}  // namespace
}  // namespace earshot::app
