// Offline: a message that is written while the server is down goes out later, once.
//
//   client-example-offline ADDRESS DIRECTORY USER RECIPIENT [TEXT]...
//
// Try it without a server: the texts are kept in DIRECTORY and the program says so (exit code 3). Start the server and
// run it again, with or without more texts: everything that was kept goes out in its order, and the program exits with
// 0. Kill it at any moment: what it had said to be kept is kept, and nothing is sent twice.
#include <atomic>
#include <iostream>

#include "client/client.hpp"
#include "client/lmdb_store.hpp"

using namespace earshot;

int main(int argc, char** argv) {
  if (argc < 5) return std::cerr << "usage: client-example-offline ADDRESS DIRECTORY USER RECIPIENT [TEXT]...\n", 2;
  const auto recipient = UserId::parse(argv[4], "recipient");
  if (!recipient) return std::cerr << recipient.error().to_string() << "\n", 2;

  const auto runtime = client::Runtime::start();
  if (!runtime) return std::cerr << runtime.error().to_string() << "\n", 1;
  // The outbox lives in this directory. One process may have it open at a time.
  const auto store = client::LmdbStore::open(argv[2]);
  if (!store) return std::cerr << store.error().to_string() << "\n", 1;

  std::atomic<int> stored = 0, failed = 0;
  client::Handlers handlers;
  handlers.on_sent = [&](std::span<const client::SendReport> reports) {
    for (const client::SendReport& report : reports) {
      const bool ok = std::holds_alternative<Stored>(report.outcome);
      ++(ok ? stored : failed);
      std::cout << report.id.to_string() << (ok ? " stored by the server\n" : " refused or uncertain\n");
    }
  };
  client::Options options;
  options.addresses = {argv[1]};
  options.token = argv[3];
  options.device = "offline-example";
  options.receive = false;
  auto client = client::Client::open(options, *store, handlers, *runtime);
  if (!client) return std::cerr << client.error().to_string() << "\n", 1;

  for (int i = 5; i < argc; ++i) {
    const auto id = (*client)->send(*recipient, argv[i]);
    if (!id) return std::cerr << id.error().to_string() << "\n", 1;
    std::cout << id->to_string() << " kept on this disk\n";
  }
  const Status flushed = (*client)->flush(3'000);
  const auto left = (*client)->stats().outbox_messages;
  (*client)->close();
  std::cout << stored << " stored, " << failed << " refused or uncertain, " << left << " kept for the next run\n";
  return flushed ? 0 : 3;
}
