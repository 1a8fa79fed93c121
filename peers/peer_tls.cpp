#include "peers/peer_tls.hpp"

#include <string_view>
#include <utility>

#include <kj/exception.h>
#include <spdlog/spdlog.h>

#include "auth/certificate.hpp"
#include "auth/secret_file.hpp"
#include "transport/tls.hpp"

namespace earshot::peers {
namespace {

constexpr std::int64_t kDayS = std::int64_t{24} * 3600;
constexpr int kWarnDays = 14;  // before a certificate ends
constexpr std::string_view kNamePrefix = "node-";
constexpr std::string_view kNameSuffix = ".earshot";

Result<std::shared_ptr<kj::TlsContext>> make_context(const transport::TlsParts& parts) {
  std::shared_ptr<kj::TlsContext> context;
  auto failure = kj::runCatchingExceptions([&] { context = transport::make_tls_context(parts); });
  KJ_IF_MAYBE (exception, failure)
    return fail(ErrorCode::kInvalidArgument, "peer_tls_certificate",
                std::string("cannot be used: ") + exception->getDescription().cStr());
  return context;
}

// Empty when there is none, which KJ throws at.
std::string common_name_of(kj::PeerIdentity& identity) {
  std::string name;
  const auto none = kj::runCatchingExceptions([&] {
    const kj::String text = kj::downcast<kj::TlsPeerIdentity>(identity).getCommonName();
    name.assign(text.cStr(), text.size());
  });
  return none == nullptr ? name : std::string();
}

// What other nodes would refuse is told here first.
Status check_names(const std::string& certificate_pem, const std::string& common_name, NodeId node) {
  const auto refuse = [](std::string why) -> Status {
    return fail(ErrorCode::kInvalidArgument, "peer_tls_certificate", std::move(why));
  };
  if (!auth::names_host(certificate_pem, kPeerName))
    return refuse(std::string("is not of a node: it is not for ") + kPeerName + " (earshot cert node makes one)");
  if (common_name == kAnyNodeName || common_name == certificate_name_of(node)) return {};
  if (node.value == 0 && common_name.starts_with(kNamePrefix) && common_name.ends_with(kNameSuffix)) return {};
  return refuse("is of another node: its common name is neither " + certificate_name_of(node) + " nor " + kAnyNodeName);
}

}  // namespace

std::string certificate_name_of(NodeId node) { return "node-" + std::to_string(node.value) + ".earshot"; }

Result<std::unique_ptr<PeerTls>> PeerTls::open(PeerTlsFiles files, NodeId node, const Clock& clock) {
  const auto missing = [](const char* field) {
    return fail(ErrorCode::kInvalidArgument, field,
                "is missing: peer_tls_certificate, peer_tls_key and peer_tls_ca go together");
  };
  if (files.certificate.empty()) return missing("peer_tls_certificate");
  if (files.key.empty()) return missing("peer_tls_key");
  if (files.ca.empty()) return missing("peer_tls_ca");
  std::unique_ptr<PeerTls> tls(new PeerTls(std::move(files), node, clock));
  if (auto loaded = tls->reload(); !loaded) return fail(std::move(loaded.error()));
  return tls;
}

Status PeerTls::reload() {
  auto certificate = auth::read_secret_file(files_.certificate, "peer_tls_certificate");
  auto key = auth::read_secret_file(files_.key, "peer_tls_key");
  auto ca = auth::read_secret_file(files_.ca, "peer_tls_ca");
  for (const auto* file : {&certificate, &key, &ca})
    if (!*file) return fail(ErrorCode::kInvalidArgument, file->error().field, file->error().detail);
  auto facts = auth::check_pair({"peer_tls_certificate", files_.certificate, certificate->text},
                                {"peer_tls_key", files_.key, key->text});
  if (!facts) return fail(std::move(facts.error()));
  if (auto trusted = auth::check_certificate({"peer_tls_ca", files_.ca, ca->text}); !trusted)
    return fail(std::move(trusted.error()));
  if (auto named = check_names(certificate->text, facts->common_name, node_); !named) return named;
  transport::TlsParts parts;
  parts.certificate_pem = certificate->text;
  parts.key_pem = key->text;
  parts.trusted_pem = ca->text;
  parts.serves = true;
  auto dialling = make_context(parts);
  if (!dialling) return fail(std::move(dialling.error()));
  parts.verifies_clients = true;
  auto accepting = make_context(parts);
  if (!accepting) return fail(std::move(accepting.error()));
  const std::lock_guard lock(mutex_);
  dialling_ = std::move(*dialling);
  accepting_ = std::move(*accepting);
  subject_ = std::move(facts->subject);
  ends_at_s_ = facts->ends_at_s;
  key_read_by_others_ = key->read_by_others;
  return {};
}

void PeerTls::tell() const {
  const std::lock_guard lock(mutex_);
  const std::int64_t left_s = ends_at_s_ - static_cast<std::int64_t>(clock_.wall_ms() / 1'000);
  if (left_s <= 0)
    spdlog::error("the certificate {} has expired: other nodes will refuse this one", subject_);
  else if (left_s < kWarnDays * kDayS)
    spdlog::warn("the certificate {} ends in {} days", subject_, left_s / kDayS);
  else
    spdlog::info("TLS between nodes with the certificate {}, for {} days more", subject_, left_s / kDayS);
  if (key_read_by_others_) spdlog::warn("the key of the certificate, {}, can be read by others: chmod 600", files_.key);
}

std::shared_ptr<kj::TlsContext> PeerTls::for_dialling() const {
  const std::lock_guard lock(mutex_);
  return dialling_;
}

std::shared_ptr<kj::TlsContext> PeerTls::for_accepting() const {
  const std::lock_guard lock(mutex_);
  return accepting_;
}

bool PeerTls::is_peer(kj::PeerIdentity& identity) {
  const std::string name = common_name_of(identity);
  return name.starts_with(kNamePrefix) && name.ends_with(kNameSuffix);
}

bool PeerTls::may_be(kj::PeerIdentity& identity, NodeId node) {
  const std::string name = common_name_of(identity);
  return name == certificate_name_of(node) || name == kAnyNodeName;
}

}  // namespace earshot::peers
