#include "client/tls.hpp"

#include <fstream>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <kj/debug.h>

#include "base/limits.hpp"

namespace earshot::client {
namespace {

constexpr std::string_view kBegin = "-----BEGIN CERTIFICATE-----";

bool is_numeric(const std::string& host) {
  in6_addr address{};
  return ::inet_pton(AF_INET, host.c_str(), &address) == 1 || ::inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  KJ_REQUIRE(file.is_open() && !text.str().empty(), "the trusted certificates cannot be read", path.c_str());
  KJ_REQUIRE(text.str().size() <= limits::kKeyFileBytesMax, "the file of trusted certificates is too large");
  return text.str();
}

// Each by itself: KJ takes a file of several for the chain of the first.
std::vector<kj::TlsCertificate> certificates_in(const std::string& pem) {
  std::vector<kj::TlsCertificate> certificates;
  std::size_t begin = pem.find(kBegin);
  while (begin != std::string::npos) {
    const std::size_t next = pem.find(kBegin, begin + kBegin.size());
    const std::string one = pem.substr(begin, next == std::string::npos ? next : next - begin);
    certificates.emplace_back(kj::StringPtr(one.c_str()));
    begin = next;
  }
  KJ_REQUIRE(!certificates.empty(), "the file of trusted certificates holds none");
  return certificates;
}

}  // namespace

std::string host_of(const std::string& address) {
  if (address.starts_with('[')) return address.substr(1, address.find(']') - 1);
  return address.substr(0, address.find(':'));
}

Status check_tls(const Options& options) {
  if (!options.tls.on) {
    if (options.tls.ca_file.empty() && options.tls.server_name.empty()) return {};
    return fail(ErrorCode::kInvalidArgument, "tls.on", "must be true for the other options of TLS to have an effect");
  }
  if (!options.tls.server_name.empty()) return {};
  for (const std::string& address : options.addresses)
    if (is_numeric(host_of(address)))
      return fail(ErrorCode::kInvalidArgument, "tls.server_name",
                  "must be set: a certificate is checked against a name, and " + address + " has none");
  return {};
}

kj::Promise<kj::Own<kj::AsyncIoStream>> connect_tls(kj::Own<kj::AsyncIoStream> stream, const TlsOptions& options,
                                                    const std::string& address) {
  const std::string name = options.server_name.empty() ? host_of(address) : options.server_name;
  std::vector<kj::TlsCertificate> trusted;
  if (!options.ca_file.empty()) trusted = certificates_in(read_file(options.ca_file));
  kj::TlsContext::Options settings;
  settings.useSystemTrustStore = options.ca_file.empty();
  settings.trustedCertificates = kj::arrayPtr(trusted.data(), trusted.size());
  settings.minVersion = kj::TlsVersion::TLS_1_2;
  kj::TlsContext context(kj::mv(settings));  // the connection keeps what it needs of it
  return context.wrapClient(kj::mv(stream), name.c_str());
}

Error tls_error_of(const kj::Exception& exception) {
  const std::string_view text = exception.getDescription().cStr();
  const auto says = [&](std::string_view part) { return text.find(part) != std::string_view::npos; };
  std::string why = "no TLS connection: " + std::string(text);
  if (says("is not trusted")) {
    constexpr std::string_view kReason = "reason = ";
    const std::size_t at = text.find(kReason);
    why = "the server's certificate is not trusted";
    if (at != std::string_view::npos) why += ": " + std::string(text.substr(at + kReason.size()));
  } else if (says("wrong version number") || says("packet length too long")) {
    why = "the server does not speak TLS on this port";
  } else if (says("unexpected eof") || exception.getType() == kj::Exception::Type::DISCONNECTED) {
    why = "the server closed the connection during the TLS handshake";
  }
  return Error{ErrorCode::kUnavailable, "tls", std::move(why), 0, 0};
}

}  // namespace earshot::client
