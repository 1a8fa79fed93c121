// Writes the stored inputs of the fuzz targets: a few real encodings of each kind, small, the same every time.
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize.h>

#include "app/config_file.hpp"
#include "auth/keys.hpp"
#include "auth/token.hpp"
#include "client/store_codec.hpp"
#include "cluster/raft_message.hpp"
#include "schema/wire.hpp"
#include "tests/unit/schema/random_values.hpp"

namespace earshot::fuzz {
namespace {

constexpr std::uint64_t kSeed = 20;
constexpr std::size_t kInputBytesMax = 4 << 10;

class Corpus {
 public:
  explicit Corpus(std::filesystem::path folder) : folder_(std::move(folder)) {}

  void add(const std::string& target, const std::string& bytes) {
    if (bytes.size() > kInputBytesMax) return;
    const auto place = folder_ / target;
    std::filesystem::create_directories(place);
    std::ofstream(place / std::to_string(++count_[target]), std::ios::binary) << bytes;
  }
  // With the byte that chooses the kind before it.
  void add(const std::string& target, std::size_t kind, const std::string& bytes) {
    add(target, static_cast<char>(kind) + bytes);
  }

 private:
  std::filesystem::path folder_;
  std::map<std::string, std::size_t> count_;
};

std::string flat(capnp::MessageBuilder& message) {
  const auto words = capnp::messageToFlatArray(message);
  const auto bytes = words.asChars();
  return {bytes.begin(), bytes.size()};
}

void add_records(Corpus& corpus, tests::RandomValues& values) {
  for (int i = 0; i < 3; ++i) {
    corpus.add("records", 0, encode(values.mailbox_record()));
    corpus.add("records", 1, encode(values.mailbox_head()));
    corpus.add("records", 2, encode(values.cursor_record()));
    corpus.add("records", 3, encode(values.parked_record()));
    corpus.add("records", 4, encode(values.policy()));
    corpus.add("records", 5, encode(values.sweep_head()));
    corpus.add("records", 6, encode(values.lane_record()));
    corpus.add("records", 7, encode(values.outbox_record()));
    corpus.add("records", 8, encode(values.outbox_head()));
    corpus.add("records", 9, encode(values.inbound_head()));
    corpus.add("records", 10, encode(values.shard_head()));
  }
}

void add_commands(Corpus& corpus, tests::RandomValues& values) {
  for (int i = 0; i < 24; ++i) {
    CommandBatch batch;
    batch.tick_ms = values.number();
    batch.commands.push_back(values.command());
    corpus.add("commands", encode(batch));
  }
}

void add_raft_messages(Corpus& corpus) {
  using namespace cluster;
  RaftMessage message;
  message.term = Term(3);
  message.content = AppendEntries{};
  corpus.add("raft_message", encode(message));
  AppendEntries entries;
  entries.previous_index = LogIndex(7);
  entries.previous_term = Term(2);
  entries.entries.push_back(
      {LogIndex(8), Term(3), storage::EntryType::kCommand, std::make_shared<const std::string>("entry")});
  message.content = std::move(entries);
  corpus.add("raft_message", encode(message));
}

template <class Struct>
std::string root(const std::function<void(typename Struct::Builder)>& fill) {
  capnp::MallocMessageBuilder message;
  fill(message.initRoot<Struct>());
  return flat(message);
}

void add_wire(Corpus& corpus, tests::RandomValues& values) {
  using schema::Session;
  corpus.add("wire", 0, root<Session::SendParams>([&](auto to) {
               auto list = to.initMessages(2);
               for (auto one : list) wire::write(values.outgoing(), one);
             }));
  corpus.add("wire", 1, root<schema::LoginRequest>([&](auto to) {
               LoginRequest login;
               login.token = values.name();
               login.device = values.device();
               wire::write(login, to);
             }));
  corpus.add("wire", 3, root<schema::Batch>([&](auto to) { wire::write(values.batch(), to); }));
  corpus.add("wire", 6, root<Session::SubscribeParams>([](auto to) { to.setWindowMessages(16); }));
  corpus.add("wire", 7, root<Session::AckParams>([](auto to) {
               to.setUpTo(5);
               auto above = to.initAbove(2);
               above.set(0, 7), above.set(1, 9);
             }));
  corpus.add("wire", 8, root<Session::NackParams>([](auto to) { to.initSequences(1).set(0, 5); }));
  corpus.add("wire", 9, root<Session::FetchParams>([](auto to) { to.setAfter(5), to.setLimit(10); }));
  corpus.add("wire", 10, root<Session::HistoryParams>([](auto to) { to.setBefore(5), to.setLimit(10); }));
  corpus.add("wire", 14, root<Session::ReplayParams>([](auto to) {
               to.setUser("alice"), to.setDevice("phone");
               to.initSequences(1).set(0, 5);
             }));
  corpus.add("wire", 16, root<Session::ExplainParams>([](auto to) { to.setUser("alice"), to.setSequence(5); }));
  corpus.add("wire", 18, root<Session::SetPolicyParams>([](auto to) { to.initPolicy().setDeliveriesMax(5); }));
}

void add_tokens(Corpus& corpus) {
  // The key of the target, for a day far ahead; only its text matters here.
  const auto keys = auth::KeySet::parse(
      R"({"keys":[{"kty":"oct","kid":"a","alg":"HS256","k":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDE"}]})");
  auth::Claims claims;
  claims.user = UserId::trusted("alice");
  claims.expires_at_s = 4'000'000'000;
  const auto token = auth::sign(claims, *keys.value().find("a"));
  corpus.add("token", 0, token.value());
  corpus.add("token", 0, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhbGljZSJ9.");
  corpus.add("token", 1, R"({"keys":[{"kty":"oct","kid":"b","alg":"HS256","k":"AAEC"}]})");
  corpus.add("token", 1, R"({"keys":[{"kty":"RSA","kid":"c","alg":"RS256","n":"AQAB","e":"AQAB"}]})");
  corpus.add("token", 2, token.value());
}

void add_store_values(Corpus& corpus, tests::RandomValues& values) {
  const auto add = [&](std::size_t kind, const auto& value) {
    std::string bytes;
    client::encode(value, bytes);
    corpus.add("store_codec", kind, bytes);
  };
  add(0, client::OutboxHead{});
  add(1, client::InboxHead{});
  client::OutboxMessage message;
  message.message = values.outgoing();
  add(2, message);
  add(3, values.incoming());
  add(4, LostRange{Sequence(3), Sequence(9), LostReason::kExpired});
}

// A client that logs in and calls every method once.
void add_conversation(Corpus& corpus, tests::RandomValues& values) {
  using capnp::rpc::Message;
  std::string talk;
  std::uint32_t question = 0;
  const auto say = [&](const std::function<void(Message::Builder)>& fill) { talk += root<Message>(fill); };
  say([&](Message::Builder to) { to.initBootstrap().setQuestionId(question); });
  const auto call = [&](std::uint32_t target, bool on_session, std::uint16_t method, auto fill) {
    say([&](Message::Builder to) {
      auto call = to.initCall();
      call.setQuestionId(++question);
      auto promised = call.initTarget().initPromisedAnswer();
      promised.setQuestionId(target);
      if (on_session) promised.initTransform(1)[0].setGetPointerField(0);
      call.setInterfaceId(on_session ? capnp::typeId<schema::Session>() : capnp::typeId<schema::Broker>());
      call.setMethodId(method);
      fill(call.initParams());
    });
  };
  call(0, false, 0, [](auto params) {
    LoginRequest login;
    login.token = "alice";
    login.device = DeviceId::trusted("phone");
    wire::write(login, params.getContent().template initAs<schema::LoginRequest>());
  });
  corpus.add("protocol", talk);
  call(1, true, 0, [&](auto params) {
    auto send = params.getContent().template initAs<schema::Session::SendParams>();
    wire::write(values.outgoing(), send.initMessages(1)[0]);
  });
  corpus.add("protocol", talk);
  call(1, true, 1, [](auto params) {
    params.initCapTable(1)[0].setSenderHosted(0);
    params.getContent().template initAs<schema::Session::SubscribeParams>().setWindowMessages(4);
  });
  for (std::uint16_t method = 2; method < 15; ++method) {
    call(1, true, method, [](auto params) { params.getContent().initAsAnyStruct(2, 2); });
  }
  say([](Message::Builder to) { to.initFinish().setQuestionId(2); });
  corpus.add("protocol", talk);
}

void make(const std::string& folder) {
  Corpus corpus(folder);
  tests::RandomValues values(kSeed);
  add_records(corpus, values);
  add_commands(corpus, values);
  add_raft_messages(corpus);
  add_wire(corpus, values);
  add_tokens(corpus);
  corpus.add("config", app::to_toml(NodeConfig{}));
  corpus.add("config", "client_port = 7400\nauth = \"none\"\n");
  add_store_values(corpus, values);
  add_conversation(corpus, values);
}

}  // namespace
}  // namespace earshot::fuzz

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: fuzz-make-corpus FOLDER" << std::endl;
    return 2;
  }
  earshot::fuzz::make(argv[1]);
  return 0;
}
