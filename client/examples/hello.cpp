// Hello: one user sends a message, another receives it.
//
//   client-example-hello [ADDRESS]        default 127.0.0.1:7400
//
// With `--auth none`, as a node starts by default on loopback, the token is the user's name. Both users live in this
// one process and share one Runtime, the library's background thread. Their stores are in memory, so nothing survives
// this program: fine for hello, not for an application; see offline.cpp for a store on disk.
#include <future>
#include <iostream>

#include "client/client.hpp"
#include "client/memory_store.hpp"

using namespace earshot;

int main(int argc, char** argv) {
  const std::string address = argc > 1 ? argv[1] : "127.0.0.1:7400";
  const auto runtime = client::Runtime::start();
  if (!runtime) return std::cerr << runtime.error().to_string() << "\n", 1;

  // Bob listens. on_messages is called after his store has the message; the library has acked it by itself.
  std::promise<std::string> heard;
  client::Handlers bob_handlers;
  bob_handlers.on_messages = [&heard, done = false](std::span<const IncomingMessage> messages) mutable {
    if (done || messages.empty()) return;
    done = true;
    heard.set_value(messages.back().sender.text() + " says: " + messages.back().body);
  };
  client::Options bob_options;
  bob_options.addresses = {address};
  bob_options.token = "bob";
  bob_options.device = "hello-example";
  bob_options.start_at = StartAt::kNewest;  // not what others wrote to him before
  auto bob = client::Client::open(bob_options, std::make_shared<client::MemoryStore>(), bob_handlers, *runtime);
  if (!bob) return std::cerr << bob.error().to_string() << "\n", 1;
  if (const Status status = (*bob)->wait_connected(10'000); !status)
    return std::cerr << "bob: " << status.error().to_string() << "\n", 1;

  // Alice sends. send() returns when the message is in her own outbox; the answer of the server comes later.
  client::Options alice_options = bob_options;
  alice_options.token = "alice";
  alice_options.receive = false;
  auto alice = client::Client::open(alice_options, std::make_shared<client::MemoryStore>(), {}, *runtime);
  if (!alice) return std::cerr << alice.error().to_string() << "\n", 1;
  const auto id = (*alice)->send(*UserId::parse("bob", "recipient"), "Hello, Bob!");
  if (!id) return std::cerr << id.error().to_string() << "\n", 1;
  if (const Status status = (*alice)->flush(10'000); !status)
    return std::cerr << "alice: " << status.error().to_string() << "\n", 1;
  std::cout << "message " << id->to_string() << " is stored by the server\n";

  auto future = heard.get_future();
  if (future.wait_for(std::chrono::seconds(10)) != std::future_status::ready)
    return std::cerr << "bob has heard nothing\n", 1;
  std::cout << future.get() << "\n";
  (*bob)->close();  // before what its handler uses goes away
}
