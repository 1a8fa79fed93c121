#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <netinet/in.h>

#include "gateway/resp_connection.hpp"
#include "tests/support/fake_places.hpp"
#include "tests/support/gateway_connection.hpp"

namespace earshot::tests {

// A pipe's end with addresses, which a client of Redis's protocol may ask for.
class AddressedStream final : public kj::AsyncIoStream {
 public:
  explicit AddressedStream(kj::Own<kj::AsyncIoStream> inner) : inner_(kj::mv(inner)) {}

  kj::Promise<std::size_t> tryRead(void* buffer, std::size_t bytes_min, std::size_t bytes_max) override {
    return inner_->tryRead(buffer, bytes_min, bytes_max);
  }
  kj::Promise<void> write(const void* bytes, std::size_t size) override { return inner_->write(bytes, size); }
  kj::Promise<void> write(kj::ArrayPtr<const kj::ArrayPtr<const kj::byte>> pieces) override {
    return inner_->write(pieces);
  }
  kj::Promise<void> whenWriteDisconnected() override { return inner_->whenWriteDisconnected(); }
  void shutdownWrite() override { inner_->shutdownWrite(); }
  void abortRead() override { inner_->abortRead(); }
  void getsockname(sockaddr* address, kj::uint* bytes) override { tell(7479, address, bytes); }
  void getpeername(sockaddr* address, kj::uint* bytes) override { tell(50'000, address, bytes); }

 private:
  static void tell(std::uint16_t port, sockaddr* address, kj::uint* bytes) {
    auto& to = *reinterpret_cast<sockaddr_in*>(address);
    to = {};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(port);
    *bytes = sizeof to;
  }

  kj::Own<kj::AsyncIoStream> inner_;
};

// A client of Redis's protocol at the other end of a pipe that holds no byte by itself. It reads only when told to.
class RespPeer {
 public:
  RespPeer(kj::WaitScope& scope, kj::Own<kj::AsyncIoStream> stream) : scope_(scope), own_(std::make_unique<Own>()) {
    own_->stream = kj::mv(stream);
  }

  // Behind what was said before; the other side may not take it in yet.
  void say(std::string bytes) {
    auto text = std::make_shared<const std::string>(std::move(bytes));
    ++writes_;
    own_->writing = own_->writing.then([this, text] { return own_->stream->write(text->data(), text->size()); })
                        .then([this, text] { --writes_; }, [](kj::Exception&&) {})
                        .eagerlyEvaluate(nullptr);
    scope_.poll();
  }
  // No more is said; what is under way has to be there.
  void say_no_more() {
    scope_.poll();
    own_->stream->shutdownWrite();
    scope_.poll();
  }
  // Whether the other side has taken in all that was said.
  [[nodiscard]] bool is_heard() const { return writes_ == 0; }
  // What the other side has to say by now, up to so many bytes.
  std::string hear(std::size_t bytes_max = SIZE_MAX) {
    std::string heard;
    while (!is_closed_ && heard.size() < bytes_max) {
      auto reading = own_->stream->tryRead(buffer_.data(), 1, std::min(buffer_.size(), bytes_max - heard.size()));
      if (!reading.poll(scope_)) break;
      const std::size_t bytes = reading.wait(scope_);
      if (bytes == 0) is_closed_ = true;
      heard.append(buffer_.data(), bytes);
    }
    scope_.poll();
    return heard;
  }
  // Seen when it is heard.
  [[nodiscard]] bool is_closed() const { return is_closed_; }

 private:
  struct Own {
    kj::Own<kj::AsyncIoStream> stream;
    kj::Promise<void> writing = kj::READY_NOW;
  };

  kj::WaitScope& scope_;
  std::array<char, 64 << 10> buffer_;
  std::size_t writes_ = 0;
  bool is_closed_ = false;
  const std::unique_ptr<Own> own_;  // behind a pointer, since its destructor may throw
};

// A connection of Redis's protocol before places that answer when they are told to.
class RespConnectionTest : public ConnectionTest {
 protected:
  RespConnectionTest() { context_.desk = places_->desk(); }
  ~RespConnectionTest() override { hang_up(); }

  RespPeer& connect() {
    auto pipe = kj::newTwoWayPipe();
    serve<gateway::RespConnection>(kj::heap<AddressedStream>(kj::mv(pipe.ends[0])));
    client_ = std::make_unique<RespPeer>(io_.waitScope, kj::mv(pipe.ends[1]));
    settle();
    return *client_;
  }
  // A command as an array of strings, of any bytes.
  static std::string request(std::initializer_list<std::string_view> words) {
    std::string text = "*" + std::to_string(words.size()) + "\r\n";
    for (const auto word : words) text += "$" + std::to_string(word.size()) + "\r\n" + std::string(word) + "\r\n";
    return text;
  }
  void finish(const FakePlaces::Change& change) {
    change.done();
    settle();
  }
  void finish(const FakePlaces::Question& question) {
    question.done();
    settle();
  }
  template <class Asked, class Answer>
  void finish(const FakePlaces::Question& question, Answer answer) {
    question.answer<Asked>(std::move(answer));
    settle();
  }
  void finish_changes() {
    while (places_->changes() > 0) finish(places_->next_change());
  }

  const std::shared_ptr<FakePlaces> places_ = std::make_shared<FakePlaces>();
  std::unique_ptr<RespPeer> client_;
};

}  // namespace earshot::tests
