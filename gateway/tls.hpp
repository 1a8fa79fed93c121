#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include <kj/compat/tls.h>

#include "base/clock.hpp"
#include "base/error.hpp"

namespace earshot::gateway {

// The node's side of TLS: its certificate and key, as read last. Connections keep what they began with.
// Thread-safe.
class ServerTls {
 public:
  // Both files, PEM. kInvalidArgument(tls_certificate, tls_key) when they cannot be read or do not belong together.
  static Result<std::unique_ptr<ServerTls>> open(std::string certificate_path, std::string key_path,
                                                 const Clock& clock);
  // Reads them again; what cannot be used changes nothing.
  Status reload();
  // Says in the log which certificate that is and how long it lasts, and what is unwise about it.
  void tell() const;

  // What a connection that begins now takes. Never null.
  [[nodiscard]] std::shared_ptr<kj::TlsContext> context() const;

 private:
  ServerTls(std::string certificate_path, std::string key_path, const Clock& clock)
      : certificate_path_(std::move(certificate_path)), key_path_(std::move(key_path)), clock_(clock) {}

  const std::string certificate_path_;
  const std::string key_path_;
  const Clock& clock_;
  mutable std::mutex mutex_;
  std::shared_ptr<kj::TlsContext> context_;
  std::string subject_;
  std::int64_t ends_at_s_ = 0;
  bool key_read_by_others_ = false;
};

}  // namespace earshot::gateway
