// Own database: the library on a database of the application's choice.
//
//   client-example-own-database ADDRESS FILE USER COUNT
//
// Listens as USER until FILE holds COUNT messages, then prints them in order. Stop it at any moment and run it again:
// it goes on where it was, without a hole and without a double, because messages and their place in the mailbox are
// committed together and acked from that commit. journal_store.hpp is the database; an application puts its own SQL or
// key-value store there: five functions, each of them one transaction.
#include <condition_variable>
#include <iostream>
#include <mutex>

#include "client/client.hpp"
#include "client/examples/journal_store.hpp"

using namespace earshot;

int main(int argc, char** argv) {
  if (argc != 5) return std::cerr << "usage: client-example-own-database ADDRESS FILE USER COUNT\n", 2;
  const std::size_t wanted = std::strtoul(argv[4], nullptr, 10);

  const auto runtime = client::Runtime::start();
  if (!runtime) return std::cerr << runtime.error().to_string() << "\n", 1;
  const auto store = examples::JournalStore::open(argv[2]);
  if (!store) return std::cerr << store.error().to_string() << "\n", 1;

  std::mutex mutex;
  std::condition_variable changed;
  std::size_t kept = (*store)->messages().size();
  client::Handlers handlers;
  handlers.on_messages = [&](std::span<const IncomingMessage> messages) {
    const std::lock_guard lock(mutex);
    kept += messages.size();
    changed.notify_one();
  };
  client::Options options;
  options.addresses = {argv[1]};
  options.token = argv[3];
  options.device = "own-database-example";
  auto client = client::Client::open(options, *store, handlers, *runtime);
  if (!client) return std::cerr << client.error().to_string() << "\n", 1;
  {
    std::unique_lock lock(mutex);
    if (!changed.wait_for(lock, std::chrono::seconds(30), [&] { return kept >= wanted; })) {
      std::cerr << "only " << kept << " of " << wanted << " messages after 30 s\n";
      return 1;
    }
  }
  (*client)->close();
  for (const auto& [place, message] : (*store)->messages())
    std::cout << message.sequence.value << " " << message.sender.text() << ": " << message.body << "\n";
}
