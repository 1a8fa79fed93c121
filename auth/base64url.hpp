#pragma once

#include <optional>
#include <string>
#include <string_view>

// Base64 with the alphabet for URLs and without padding (RFC 4648 §5), as tokens and key files use it.
namespace earshot::auth {

std::string to_base64url(std::string_view bytes);
// Nothing when the text is not the one and only encoding of some bytes.
std::optional<std::string> from_base64url(std::string_view text);

}  // namespace earshot::auth
