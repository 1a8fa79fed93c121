#include "gateway/auth.hpp"

#include <mutex>
#include <utility>

#include <spdlog/spdlog.h>

#include "auth/keys.hpp"
#include "auth/secret_file.hpp"
#include "auth/token.hpp"

namespace earshot::gateway {
namespace {

// The token is the user's id, and everybody may do everything: for a machine of one's own.
class NoAuthentication final : public Authenticator {
 public:
  [[nodiscard]] Result<Identity> authenticate(std::string_view token) override {
    auto user = UserId::parse(token, "token");
    if (user) return Identity{std::move(*user), Role::kOperator};
    user.error().code = ErrorCode::kUnauthenticated;
    return fail(std::move(user.error()));
  }
};

// Tokens signed by one of the keys in a file, which is read again when it has changed: so keys are rotated under a node
// that runs.
class JwtAuthentication final : public Authenticator {
 public:
  JwtAuthentication(const NodeConfig& config, const Clock& clock)
      : path_(config.jwt_keys),
        rules_{config.jwt_audience, config.jwt_issuer, config.jwt_require_expiry, config.jwt_leeway_s * 1'000ull},
        clock_(clock) {}

  [[nodiscard]] Result<Identity> authenticate(std::string_view token) override {
    return auth::verify(token, *current_keys(), rules_, clock_.wall_ms());
  }

  Status reload() override {
    const std::lock_guard lock(mutex_);
    return load();
  }

  void tell() override {
    const std::lock_guard lock(mutex_);
    tell_keys();
  }

  [[nodiscard]] bool keeps_secrets() const override { return true; }

 private:
  std::shared_ptr<const auth::KeySet> current_keys() {
    const std::lock_guard lock(mutex_);
    const std::uint64_t now_ms = clock_.monotonic_ms();
    if (now_ms - looked_at_ms_ < limits::kKeyFileLookMs) return keys_;
    looked_at_ms_ = now_ms;
    if (auth::version_of(path_) == version_) return keys_;
    // A file that is being written may be cut short, hence no key file, and is looked at again. Said once for each
    // reason.
    if (auto loaded = load(); loaded)
      complaint_.clear(), tell_keys();
    else if (loaded.error().detail != complaint_)
      spdlog::error("the token keys stay as they are: {}", complaint_ = loaded.error().detail);
    return keys_;
  }

  // The mutex is held by those who call what follows.
  Status load() {
    auto file = auth::read_secret_file(path_, "jwt_keys");
    if (!file) return fail(ErrorCode::kInvalidArgument, "jwt_keys", file.error().detail);
    auto keys = auth::KeySet::parse(file->text);
    if (!keys) return fail(ErrorCode::kInvalidArgument, "jwt_keys", path_ + " " + keys.error().detail);
    keys_ = std::make_shared<const auth::KeySet>(std::move(*keys));
    version_ = file->version;
    read_by_others_ = file->read_by_others;
    return {};
  }

  void tell_keys() const {
    bool secret = false;
    for (const auth::Key& key : keys_->keys()) {
      secret |= key.can_sign();
      if (!key.private_pem.empty())
        spdlog::warn("key \"{}\" in {} could sign tokens: a node needs only its public half (earshot token --public)",
                     key.id, path_);
    }
    for (const std::string& unfit : keys_->passed_over())
      spdlog::warn("{} holds a key that is passed over, its tokens are refused; {}", path_, unfit);
    if (secret && read_by_others_) spdlog::warn("the token keys, {}, can be read by others: chmod 600", path_);
    spdlog::info("logins are judged by {} token keys from {}", keys_->keys().size(), path_);
  }

  const std::string path_;
  const auth::TokenRules rules_;
  const Clock& clock_;
  std::mutex mutex_;
  std::shared_ptr<const auth::KeySet> keys_;
  auth::FileVersion version_;
  bool read_by_others_ = false;
  std::uint64_t looked_at_ms_ = 0;
  std::string complaint_;
};

}  // namespace

Result<std::unique_ptr<Authenticator>> make_authenticator(const NodeConfig& config, bool listens_on_loopback,
                                                          const Clock& clock) {
  switch (config.auth) {
    case AuthMode::kNone:
      if (!listens_on_loopback)
        return fail(ErrorCode::kInvalidArgument, "auth",
                    "\"none\" lets every client be any user: it is allowed only while client_address is a loopback "
                    "address");
      return std::make_unique<NoAuthentication>();
    case AuthMode::kJwt: {
      auto tokens = std::make_unique<JwtAuthentication>(config, clock);
      if (auto loaded = tokens->reload(); !loaded) return fail(std::move(loaded.error()));
      return tokens;
    }
  }
  return fail(ErrorCode::kInvalidArgument, "auth", "is unknown");
}

}  // namespace earshot::gateway
