#pragma once

#include <memory>
#include <string_view>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>

// What all that speaks with OpenSSL needs: owners of its objects, and manners.
namespace earshot::openssl {

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free>>;
using PKey = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

// Leaves no error behind: connections on the same thread would take it for their own.
struct CleanErrors {
  CleanErrors() = default;
  CleanErrors(const CleanErrors&) = delete;
  CleanErrors& operator=(const CleanErrors&) = delete;
  ~CleanErrors() { ERR_clear_error(); }
};

// Reads the text, which outlives it. Null when there is no memory.
inline Bio reader_of(std::string_view text) { return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))); }

// Instead of a question on the terminal.
inline int no_password(char*, int, int, void*) { return -1; }

}  // namespace earshot::openssl
