#include "gateway/auth.hpp"

namespace earshot::gateway {
namespace {

// The token is the user's id, and everybody may do everything: for a machine of one's own.
class NoAuthentication final : public Authenticator {
 public:
  [[nodiscard]] Result<Identity> authenticate(std::string_view token) const override {
    auto user = UserId::parse(token, "token");
    if (user) return Identity{std::move(*user), Role::kOperator};
    user.error().code = ErrorCode::kUnauthenticated;
    return fail(std::move(user.error()));
  }
};

}  // namespace

Result<std::unique_ptr<Authenticator>> make_authenticator(AuthMode mode, bool listens_on_loopback) {
  switch (mode) {
    case AuthMode::kNone:
      if (!listens_on_loopback)
        return fail(
            ErrorCode::kInvalidArgument, "auth",
            "\"none\" lets every client be any user: it is allowed only while client_address is a loopback address");
      return std::make_unique<NoAuthentication>();
  }
  return fail(ErrorCode::kInvalidArgument, "auth", "is unknown");
}

}  // namespace earshot::gateway
