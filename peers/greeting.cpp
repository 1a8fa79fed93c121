#include "peers/greeting.hpp"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>

#include "base/checksum.hpp"
#include "base/control.hpp"
#include "schema/flat.hpp"
#include "schema/link.capnp.h"
#include "schema/text.hpp"

namespace earshot::peers {
namespace {

constexpr std::string_view kMagic{
    "\xf3"
    "earshot",
    8};
constexpr char kTlsHandshakeRecord = 22;  // RFC 8446 §5.1
constexpr std::string_view kField = "peer";

using Wire = schema::LinkGreeting;

void write(const Hello& from, schema::LinkHello::Builder to) {
  to.setProtocolMin(from.protocol.min);
  to.setProtocolMax(from.protocol.max);
  to.setPurpose(from.purpose == Purpose::kNode ? schema::LinkHello::Purpose::NODE : schema::LinkHello::Purpose::JOINER);
  to.setClusterId(from.cluster_id);
  to.setNode(from.node.value);
  to.setBoot(from.boot);
  auto windows = to.initWindows(kFrameClasses);
  for (unsigned i = 0; i < kFrameClasses; ++i) windows.set(i, from.windows[i]);
}
void write(const Hello& from, Wire::Builder to) { write(from, to.initHello()); }
void write(const Welcome& from, Wire::Builder to) { write(from.hello, to.initWelcome()); }
void write(const Start&, Wire::Builder to) { to.setStart(); }
void write(const Refusal& from, Wire::Builder to) {
  auto refused = to.initRefused();
  refused.setReason(static_cast<schema::LinkRefusal::Reason>(from.reason));
  refused.setDetail(flat::text(from.detail));
}
void write(const Request& from, Wire::Builder to) { to.setRequest(flat::data(from.bytes)); }
void write(const Answer& from, Wire::Builder to) { to.setAnswer(flat::data(from.bytes)); }

std::size_t words_of(const Greeting& greeting) {
  constexpr std::size_t kFixed = 64;
  if (const auto* refusal = std::get_if<Refusal>(&greeting))
    return kFixed + flat::words_of_text(refusal->detail.size());
  if (const auto* request = std::get_if<Request>(&greeting)) return kFixed + flat::words_of_data(request->bytes.size());
  if (const auto* answer = std::get_if<Answer>(&greeting)) return kFixed + flat::words_of_data(answer->bytes.size());
  return kFixed;
}

// For a log: nothing in it that breaks a line or steers a terminal.
std::string clean(std::string_view text) {
  if (!is_utf8(text)) return "(no text)";
  std::string cleaned = wire::cut(text, limits::kErrorTextBytesMax);
  for (char& byte : cleaned)
    if (static_cast<unsigned char>(byte) < 0x80 && is_control(static_cast<unsigned char>(byte))) byte = ' ';
  // U+0080 .. U+009F: C2 80 .. C2 9F.
  for (std::size_t i = 0; i + 1 < cleaned.size(); ++i)
    if (cleaned[i] == '\xc2' && static_cast<unsigned char>(cleaned[i + 1]) < 0xa0) cleaned.replace(i, 2, "  ");
  return cleaned;
}

Result<Hello> read(schema::LinkHello::Reader from) {
  Hello hello;
  hello.protocol = {from.getProtocolMin(), from.getProtocolMax()};
  switch (from.getPurpose()) {
    case schema::LinkHello::Purpose::NODE: hello.purpose = Purpose::kNode; break;
    case schema::LinkHello::Purpose::JOINER: hello.purpose = Purpose::kJoiner; break;
    default: return flat::corrupt(kField, "greets for a purpose that is not known");
  }
  hello.cluster_id = from.getClusterId();
  hello.node = NodeId(from.getNode());
  hello.boot = from.getBoot();
  const auto windows = from.getWindows();
  for (unsigned i = 0; i < kFrameClasses; ++i) hello.windows[i] = i < windows.size() ? windows[i] : 0;
  return hello;
}

RefusalReason reason_of(schema::LinkRefusal::Reason reason) {
  const auto number = static_cast<std::uint16_t>(reason);
  return number <= static_cast<std::uint16_t>(RefusalReason::kRemoved) ? static_cast<RefusalReason>(number)
                                                                       : RefusalReason::kUnknown;
}

Result<Greeting> read(Wire::Reader from) {
  switch (from.which()) {
    case Wire::HELLO: return read(from.getHello()).map([](Hello hello) { return Greeting(hello); });
    case Wire::WELCOME: return read(from.getWelcome()).map([](Hello hello) { return Greeting(Welcome{hello}); });
    case Wire::START: return Greeting(Start{});
    case Wire::REFUSED: {
      const auto refused = from.getRefused();
      return Greeting(Refusal{reason_of(refused.getReason()), clean(flat::view(refused.getDetail()))});
    }
    case Wire::REQUEST: return Greeting(Request{std::string(flat::view(from.getRequest()))});
    case Wire::ANSWER: return Greeting(Answer{std::string(flat::view(from.getAnswer()))});
    case Wire::UNKNOWN: break;
  }
  return flat::corrupt(kField, "says something that is not known");
}

}  // namespace

std::string encode(const Greeting& greeting) {
  flat::Writer writer(words_of(greeting));
  auto root = writer.initRoot<Wire>();
  std::visit([&](const auto& content) { write(content, root); }, greeting);
  const std::string body = writer.take();
  std::string bytes(kMagic);
  bytes.resize(kGreetingHeadBytes);
  put_u64(bytes.data() + 8, body.size());
  put_u64(bytes.data() + 16, checksum_of(body, body.size()));
  return bytes + body;
}

Result<GreetingHead> decode_head(std::string_view bytes, std::size_t bytes_max) {
  EARSHOT_INVARIANT(bytes.size() == kGreetingHeadBytes, "the caller reads a whole head");
  if (!bytes.starts_with(kMagic)) {
    if (bytes.front() == kTlsHandshakeRecord)
      return fail(ErrorCode::kUnsupportedVersion, std::string(kField),
                  "speaks TLS, and this node does not (peer_tls_certificate)");
    return fail(ErrorCode::kUnsupportedVersion, std::string(kField), "does not speak the protocol of nodes");
  }
  const std::uint64_t size = get_u64(bytes.data() + 8);
  if (size == 0) return flat::corrupt(kField, "a greeting is empty");
  if (size > bytes_max)
    return fail(ErrorCode::kTooLarge, std::string(kField),
                "a greeting has " + std::to_string(size) + " bytes, the limit is " + std::to_string(bytes_max));
  return GreetingHead{static_cast<std::uint32_t>(size), get_u64(bytes.data() + 16)};
}

Result<Greeting> decode_greeting(const GreetingHead& head, std::string_view bytes) {
  if (bytes.size() != head.bytes || checksum_of(bytes, head.bytes) != head.checksum)
    return fail(ErrorCode::kChecksumMismatch, std::string(kField), "a greeting arrived altered");
  return flat::read<Wire>(bytes, kField, [](Wire::Reader from) { return read(from); });
}

}  // namespace earshot::peers
