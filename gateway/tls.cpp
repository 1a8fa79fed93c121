#include "gateway/tls.hpp"

#include <cstdint>
#include <utility>

#include <kj/exception.h>
#include <spdlog/spdlog.h>

#include "auth/certificate.hpp"
#include "auth/secret_file.hpp"
#include "transport/tls.hpp"

namespace earshot::gateway {
namespace {

constexpr std::int64_t kDayS = std::int64_t{24} * 3600;
constexpr int kWarnDays = 14;  // before a certificate ends

Result<std::shared_ptr<kj::TlsContext>> make_context(const std::string& certificate_pem, const std::string& key_pem) {
  std::shared_ptr<kj::TlsContext> context;
  auto failure = kj::runCatchingExceptions([&] {
    transport::TlsParts parts;  // clients show no certificates
    parts.certificate_pem = certificate_pem;
    parts.key_pem = key_pem;
    parts.serves = true;
    context = transport::make_tls_context(parts);
  });
  KJ_IF_MAYBE (exception, failure)
    return fail(ErrorCode::kInvalidArgument, "tls_certificate",
                std::string("cannot be used: ") + exception->getDescription().cStr());
  return context;
}

}  // namespace

Result<std::unique_ptr<ServerTls>> ServerTls::open(std::string certificate_path, std::string key_path,
                                                   const Clock& clock) {
  std::unique_ptr<ServerTls> tls(new ServerTls(std::move(certificate_path), std::move(key_path), clock));
  if (auto loaded = tls->reload(); !loaded) return fail(std::move(loaded.error()));
  return tls;
}

Status ServerTls::reload() {
  auto certificate = auth::read_secret_file(certificate_path_, "tls_certificate");
  auto key = auth::read_secret_file(key_path_, "tls_key");
  for (const auto* file : {&certificate, &key})
    if (!*file) return fail(ErrorCode::kInvalidArgument, file->error().field, file->error().detail);
  auto facts =
      auth::check_pair({"tls_certificate", certificate_path_, certificate->text}, {"tls_key", key_path_, key->text});
  if (!facts) return fail(std::move(facts.error()));
  auto context = make_context(certificate->text, key->text);
  if (!context) return fail(std::move(context.error()));
  const std::lock_guard lock(mutex_);
  context_ = std::move(*context);
  subject_ = std::move(facts->subject);
  ends_at_s_ = facts->ends_at_s;
  key_read_by_others_ = key->read_by_others;
  return {};
}

// An expired certificate is used all the same: what to think of it is for clients to decide, and none is no better. But
// nobody shall have to guess why they refuse it.
void ServerTls::tell() const {
  const std::lock_guard lock(mutex_);
  const std::int64_t left_s = ends_at_s_ - static_cast<std::int64_t>(clock_.wall_ms() / 1'000);
  if (left_s <= 0)
    spdlog::error("the certificate {} has expired: clients will refuse this node", subject_);
  else if (left_s < kWarnDays * kDayS)
    spdlog::warn("the certificate {} ends in {} days", subject_, left_s / kDayS);
  else
    spdlog::info("TLS with the certificate {}, for {} days more", subject_, left_s / kDayS);
  if (key_read_by_others_) spdlog::warn("the key of the certificate, {}, can be read by others: chmod 600", key_path_);
}

std::shared_ptr<kj::TlsContext> ServerTls::context() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

}  // namespace earshot::gateway
