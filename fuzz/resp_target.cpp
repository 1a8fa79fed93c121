// What a client of Redis's protocol may say: it is cut into the same requests wherever its bytes are cut, what waits is
// bounded, and every request is a command or an error of bounded length.
#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include "fuzz/target.hpp"
#include "resp/command_reader.hpp"
#include "resp/glob.hpp"
#include "resp/request_parser.hpp"

namespace earshot::fuzz {
namespace {

constexpr std::size_t kPieceBytesMax = 64;
constexpr std::size_t kErrorBytesMax = 1024;
constexpr resp::RequestLimits kLimits{64, 1024, 4096, 1024};
// A request that is not whole: its arguments, and before each a line with its length.
constexpr std::size_t kWaitingBytesMax =
    kLimits.request_bytes_max + kLimits.line_bytes_max + 64 * (kLimits.arguments_max + 1);

using Words = std::vector<std::string>;

void read(resp::Request request) {
  require(!request.empty() && request.size() <= kLimits.arguments_max);
  const auto command = resp::read_command(request);
  if (!command) {
    require(!command.error().empty() && command.error().size() <= kErrorBytesMax);
    return;
  }
  if (const auto* keys = std::get_if<resp::Keys>(&*command)) (void)resp::Glob(keys->pattern).matches(request.front());
}

// Takes every request there is, or the text of what breaks the protocol as the last one; false after that.
bool take(resp::RequestParser& parser, std::vector<Words>& taken) {
  while (true) {
    const auto request = parser.next();
    if (!request) taken.push_back({request.error().detail});
    if (!request) return false;
    if (!*request) return true;
    read(**request);
    taken.emplace_back((*request)->begin(), (*request)->end());
  }
}

std::vector<Words> requests_in(std::string_view bytes, std::size_t piece_bytes) {
  resp::RequestParser parser(kLimits);
  std::vector<Words> taken;
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece_bytes, bytes.size()))) {
    parser.feed(bytes.substr(0, piece_bytes));
    if (!take(parser, taken)) break;
    require(parser.bytes_waiting() <= kWaitingBytesMax);
  }
  return taken;
}

}  // namespace
}  // namespace earshot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace earshot;
  std::string_view bytes = fuzz::view(data, size);
  const std::size_t piece_bytes = 1 + fuzz::choose(bytes, fuzz::kPieceBytesMax);
  fuzz::require(fuzz::requests_in(bytes, piece_bytes) == fuzz::requests_in(bytes, std::max<std::size_t>(size, 1)));
  return 0;
}
