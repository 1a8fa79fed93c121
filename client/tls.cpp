#include "client/tls.hpp"

#include <fstream>
#include <sstream>
#include <utility>

#include <arpa/inet.h>
#include <kj/debug.h>

#include "base/limits.hpp"
#include "transport/tls.hpp"

namespace earshot::client {
namespace {

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

}  // namespace

std::string host_of(const std::string& address) {
  if (address.starts_with('[')) return address.substr(1, address.find(']') - 1);
  return address.substr(0, address.find(':'));
}

bool can_be_verified(const std::string& address, const TlsOptions& tls) {
  return !tls.on || !tls.server_name.empty() || !is_numeric(host_of(address));
}

Status check_tls(const Options& options) {
  if (!options.tls.on) {
    if (options.tls.ca_file.empty() && options.tls.server_name.empty()) return {};
    return fail(ErrorCode::kInvalidArgument, "tls.on", "must be true for the other options of TLS to have an effect");
  }
  for (const std::string& address : options.addresses)
    if (!can_be_verified(address, options.tls))
      return fail(ErrorCode::kInvalidArgument, "tls.server_name",
                  "must be set: a certificate is checked against a name, and " + address + " has none");
  return {};
}

kj::Promise<kj::Own<kj::AsyncIoStream>> connect_tls(kj::Own<kj::AsyncIoStream> stream, const TlsOptions& options,
                                                    const std::string& address) {
  const std::string name = options.server_name.empty() ? host_of(address) : options.server_name;
  transport::TlsParts parts;
  if (!options.ca_file.empty()) parts.trusted_pem = read_file(options.ca_file);
  parts.trusts_system = options.ca_file.empty();
  // The connection keeps what it needs of the context.
  return transport::make_tls_context(parts)->wrapClient(kj::mv(stream), name.c_str());
}

Error tls_error_of(const kj::Exception& exception) {
  return Error{ErrorCode::kUnavailable, "tls", transport::tls_failure_text(exception, "the server"), 0, 0};
}

}  // namespace earshot::client
