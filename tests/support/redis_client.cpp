#include "tests/support/redis_client.hpp"

#include <cerrno>
#include <cstring>
#include <sstream>
#include <stdexcept>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace earshot::tests {
namespace {

constexpr int kPatienceS = 60;

[[noreturn]] void fail_with(const std::string& what) { throw std::runtime_error(what + ": " + std::strerror(errno)); }

void quote(std::ostream& out, const std::string& text) {
  static constexpr char kHex[] = "0123456789abcdef";
  out << '"';
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (byte < 0x20 || byte >= 0x7f) {
      out << "\\x" << kHex[byte >> 4] << kHex[byte & 15];
    } else {
      out << letter;
    }
  }
  out << '"';
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const Reply& reply) {
  using Kind = Reply::Kind;
  switch (reply.kind) {
    case Kind::kNull: return out << "null";
    case Kind::kNullBulk: return out << "null bulk";
    case Kind::kNullArray: return out << "null array";
    case Kind::kBulk: quote(out, reply.text); return out;
    case Kind::kArray:
    case Kind::kMap:
    case Kind::kSet:
    case Kind::kPush: break;
    default: return out << static_cast<char>(reply.kind) << reply.text;
  }
  if (reply.kind != Kind::kArray) out << static_cast<char>(reply.kind);
  out << '[';
  const char* between = "";
  for (const auto& element : reply.elements) {
    out << between << element;
    between = ", ";
  }
  return out << ']';
}

std::string to_string(const Reply& reply) {
  std::ostringstream text;
  text << reply;
  return text.str();
}

RedisClient::RedisClient(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (socket_ < 0) fail_with("socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    const int why = errno;
    ::close(socket_);
    errno = why;
    fail_with("cannot connect to port " + std::to_string(port));
  }
  const timeval patience{kPatienceS, 0};
  const int at_once = 1;
  ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
}

RedisClient::~RedisClient() { ::close(socket_); }

void RedisClient::use_protocol(int version) {
  const Reply reply = command({"HELLO", std::to_string(version)});
  if (reply.is_error()) throw std::runtime_error("HELLO: " + reply.text);
}

void RedisClient::send(const Words& words) const {
  std::string request = "*" + std::to_string(words.size()) + "\r\n";
  for (const auto& word : words) request += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
  send_bytes(request);
}

void RedisClient::send_bytes(std::string_view bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EINTR) fail_with("send");
    if (count > 0) bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

bool RedisClient::fill() {
  buffer_.erase(0, taken_);
  taken_ = 0;
  char chunk[16 << 10];
  for (;;) {
    const ssize_t count = ::recv(socket_, chunk, sizeof chunk, 0);
    if (count > 0) {
      buffer_.append(chunk, static_cast<std::size_t>(count));
      return true;
    }
    if (count == 0) return false;
    if (errno != EINTR) fail_with("the server does not answer");
  }
}

std::string RedisClient::line() {
  for (;;) {
    if (const auto end = buffer_.find("\r\n", taken_); end != std::string::npos) {
      std::string text = buffer_.substr(taken_, end - taken_);
      taken_ = end + 2;
      return text;
    }
    if (!fill()) throw std::runtime_error("the server has closed the connection");
  }
}

std::string RedisClient::bytes(std::size_t count) {
  while (buffer_.size() - taken_ < count + 2) {
    if (!fill()) throw std::runtime_error("the server has closed the connection within a reply");
  }
  if (buffer_.compare(taken_ + count, 2, "\r\n") != 0) throw std::runtime_error("a string without its end");
  std::string text = buffer_.substr(taken_, count);
  taken_ += count + 2;
  return text;
}

Reply RedisClient::receive() {
  using Kind = Reply::Kind;
  const std::string head = line();
  if (head.empty()) throw std::runtime_error("a reply without a kind");
  Reply reply{static_cast<Kind>(head.front()), head.substr(1), 0, {}};
  const auto number = [&] {
    std::size_t end = 0;
    const std::int64_t value = std::stoll(reply.text, &end);
    if (end != reply.text.size()) throw std::runtime_error("not a number: " + head);
    return value;
  };
  switch (reply.kind) {
    case Kind::kSimple:
    case Kind::kError:
    case Kind::kNull:
    case Kind::kDouble:
    case Kind::kBoolean:
    case Kind::kBigNumber: return reply;
    case Kind::kInteger: reply.integer = number(); return reply;
    case Kind::kBulk:
    case Kind::kVerbatim: {
      const std::int64_t size = number();
      if (size < 0) return Reply{Kind::kNullBulk, {}, 0, {}};
      reply.text = bytes(static_cast<std::size_t>(size));
      return reply;
    }
    case Kind::kArray:
    case Kind::kMap:
    case Kind::kSet:
    case Kind::kPush: {
      std::int64_t size = number();
      if (size < 0) return Reply{Kind::kNullArray, {}, 0, {}};
      if (reply.kind == Kind::kMap) size *= 2;
      reply.text.clear();
      for (; size > 0; --size) reply.elements.push_back(receive());
      return reply;
    }
    default: throw std::runtime_error("no such kind of reply: " + head);
  }
}

std::string RedisClient::read_until_closed() {
  while (fill()) {
  }
  return std::move(buffer_);
}

}  // namespace earshot::tests
