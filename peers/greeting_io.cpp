#include "peers/greeting_io.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace earshot::peers {

kj::Exception failure(std::string why) {
  return {kj::Exception::Type::FAILED, __FILE__, __LINE__, kj::heapString(why.data(), why.size())};
}

std::string text_of(const kj::Exception& exception) { return exception.getDescription().cStr(); }

kj::Promise<Greeting> read_greeting(kj::AsyncIoStream& stream, std::size_t bytes_max) {
  auto owned = kj::heap<std::array<char, kGreetingHeadBytes>>();
  auto& head = *owned;
  return stream.tryRead(head.data(), head.size(), head.size())
      .then([&stream, &head, bytes_max](std::size_t got) -> kj::Promise<Greeting> {
        if (got < head.size()) return failure("closed before it was a link");
        const auto decoded = decode_head(std::string_view(head.data(), head.size()), bytes_max);
        if (!decoded) return failure(decoded.error().detail);
        auto body = kj::heap<std::string>(decoded->bytes, '\0');
        std::string& bytes = *body;
        return stream.tryRead(bytes.data(), bytes.size(), bytes.size())
            .then([&bytes, decoded = *decoded](std::size_t size) -> kj::Promise<Greeting> {
              if (size < bytes.size()) return failure("closed before it was a link");
              auto greeting = decode_greeting(decoded, bytes);
              if (!greeting) return failure(greeting.error().detail);
              return std::move(*greeting);
            })
            .attach(kj::mv(body));
      })
      .attach(kj::mv(owned));
}

kj::Promise<void> write_greeting(kj::AsyncIoStream& stream, const Greeting& greeting) {
  auto bytes = kj::heap<std::string>(encode(greeting));
  auto written = stream.write(bytes->data(), bytes->size());
  return written.attach(kj::mv(bytes));
}

}  // namespace earshot::peers
