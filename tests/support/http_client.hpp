#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace earshot::tests {

struct HttpReply {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// A socket that says what a test tells it to, and reads replies by the length that they announce.
class HttpClient {
 public:
  // `patience_ms`: so long the other side may be silent.
  explicit HttpClient(std::uint16_t port, int patience_ms = 20'000)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), patience_ms_(patience_ms) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      throw std::runtime_error("the http port takes no connection");
  }
  ~HttpClient() { ::close(fd_); }
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // False: the other side has closed.
  bool write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  HttpReply get(std::string_view path) { return request("GET", path); }
  HttpReply request(std::string_view method, std::string_view path) {
    write(std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n\r\n");
    auto reply = read_reply(method != "HEAD");
    if (!reply) throw std::runtime_error("the http port closed instead of an answer");
    return std::move(*reply);
  }
  // None: the other side closed before there was one.
  std::optional<HttpReply> read_reply(bool has_body = true) {
    std::size_t end = 0;
    while ((end = unread_.find("\r\n\r\n")) == std::string::npos)
      if (!fill()) return std::nullopt;
    HttpReply reply;
    const std::string head = unread_.substr(0, end + 2);
    unread_.erase(0, end + 4);
    reply.status = std::stoi(head.substr(head.find(' ') + 1));
    for (std::size_t line = head.find("\r\n") + 2; line < head.size();) {
      const std::size_t line_end = head.find("\r\n", line);
      const std::size_t colon = head.find(':', line);
      std::string name = head.substr(line, colon - line);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      reply.headers[name] = head.substr(colon + 2, line_end - colon - 2);
      line = line_end + 2;
    }
    if (!has_body) return reply;
    const std::size_t length = std::stoul(reply.headers.at("content-length"));
    while (unread_.size() < length)
      if (!fill()) return std::nullopt;
    reply.body = unread_.substr(0, length);
    unread_.erase(0, length);
    return reply;
  }
  // Reads until the other side closes; false: it does not within the time.
  bool is_closed_within(std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    while (std::chrono::steady_clock::now() < end)
      if (!fill(100)) {
        if (is_closed_) return true;
      }
    return false;
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  bool fill() { return fill(patience_ms_); }
  bool fill(int timeout_ms) {
    pollfd waits{fd_, POLLIN, 0};
    if (::poll(&waits, 1, timeout_ms) <= 0) return false;
    char buffer[16 << 10];
    const auto got = ::recv(fd_, buffer, sizeof buffer, 0);
    if (got <= 0) {
      is_closed_ = true;
      return false;
    }
    unread_.append(buffer, static_cast<std::size_t>(got));
    return true;
  }

  const int fd_;
  const int patience_ms_;
  std::string unread_;
  bool is_closed_ = false;
};

}  // namespace earshot::tests
