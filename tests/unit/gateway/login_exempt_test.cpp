// Origins that the throttle of failed logins leaves alone: a proxy that all clients come through.
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include "auth/keys.hpp"
#include "gateway/login_desk.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/gateway_client.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::gateway {
namespace {

constexpr auth::Origin kProxy{false, 0x0a000007};
constexpr auth::Origin kOther{false, 0x0a000008};

class LoginExempt : public tests::GatewayTest {
 protected:
  LoginExempt() {
    const auth::Key key = auth::new_key(auth::Algorithm::kHs256, "first").value();
    tests::write_file(directory_ / "keys.json", auth::to_json(std::vector<auth::Key>{key}).value());
    config_.auth = AuthMode::kJwt;
    config_.jwt_keys = directory_ / "keys.json";
  }
  // What is logged while a gateway starts.
  std::string log_of_start() {
    std::ostringstream log;
    const auto usual = spdlog::default_logger();
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log)));
    start(config_);
    gateway_.reset();
    spdlog::set_default_logger(usual);
    return log.str();
  }

  const tests::TemporaryDirectory directory_;
  NodeConfig config_;
};

TEST_F(LoginExempt, TheyAreNeverSlowedAndOthersAre) {
  const SystemClock clock;
  LoginDesk desk(make_authenticator(config_, true, clock).value(), clock, auth::OriginList::parse("10.0.0.7").value());
  for (std::uint32_t i = 0; i < 2 * limits::kLoginFailuresMax; ++i) {
    EXPECT_EQ(desk.admit(kProxy).value(), 0u);
    EXPECT_EQ(desk.judge("guess", kProxy).error().retry_after_ms, 0u);
  }
  EXPECT_EQ(desk.judge("guess", kProxy).error().code, ErrorCode::kUnauthenticated) << "let in they are not";
  for (std::uint32_t i = 0; i <= limits::kLoginFailuresFree; ++i) (void)desk.judge("guess", kOther);
  EXPECT_GT(desk.judge("guess", kOther).error().retry_after_ms, 0u);
}

TEST_F(LoginExempt, AGatewayGoesByItsConfiguration) {
  config_.login_throttle_exempt = "10.0.0.0/8, 127.0.0.1";
  start(config_);
  for (std::uint32_t i = 0; i <= limits::kLoginFailuresFree; ++i) {
    tests::TestClient client = connect();
    const Error error = wire::read(client.login_raw("guess").getError());
    EXPECT_EQ(error.code, ErrorCode::kUnauthenticated);
    EXPECT_EQ(error.retry_after_ms, 0u);
  }
}

TEST_F(LoginExempt, AListThatNamesNobodyIsRefusedBeforeAnythingIsOpened) {
  config_.login_throttle_exempt = "10.0.0.7, proxy.example";
  const Status fit = Gateway::check(config_);
  ASSERT_FALSE(fit);
  EXPECT_EQ(fit.error().field, "login_throttle_exempt");
  EXPECT_NE(fit.error().detail.find("\"proxy.example\""), std::string::npos) << fit.error().detail;
}

TEST_F(LoginExempt, WithoutTlsAndWithoutThemThePriceIsTold) {
  EXPECT_NE(log_of_start().find("login_throttle_exempt"), std::string::npos);
  config_.login_throttle_exempt = "127.0.0.1";
  EXPECT_EQ(log_of_start().find("login_throttle_exempt"), std::string::npos);
  config_.login_throttle_exempt.clear();
  const auto issued = tests::Authority().issue("node.example");
  tests::write_file(config_.tls_certificate = directory_ / "node.pem", issued.certificate_pem);
  tests::write_file(config_.tls_key = directory_ / "node.key", issued.key_pem);
  EXPECT_EQ(log_of_start().find("login_throttle_exempt"), std::string::npos) << "clients come by themselves";
}

}  // namespace
}  // namespace earshot::gateway
