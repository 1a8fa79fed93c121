// Writes the stored inputs of the fuzz targets: a few real encodings of each kind, small, the same every time.
#include <cstddef>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include <capnp/message.h>
#include <capnp/rpc.capnp.h>
#include <capnp/serialize.h>

#include "actors/call_codec.hpp"
#include "actors/feed_message.hpp"
#include "actors/question_codec.hpp"
#include "app/config_file.hpp"
#include "auth/keys.hpp"
#include "auth/token.hpp"
#include "client/store_codec.hpp"
#include "cluster/raft_message.hpp"
#include "cluster/seed_message.hpp"
#include "schema/shard_sums.hpp"
#include "schema/wire.hpp"
#include "storage/journal_frame.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/lmdb_format.hpp"
#include "storage/log_codec.hpp"
#include "storage/seal.hpp"
#include "tests/support/temporary_directory.hpp"
#include "tests/unit/actors/call_values.hpp"
#include "tests/unit/actors/question_values.hpp"
#include "tests/unit/schema/cluster_status_values.hpp"
#include "tests/unit/schema/random_values.hpp"

namespace earshot::fuzz {
namespace {

constexpr std::uint64_t kSeed = 20;
constexpr std::size_t kInputBytesMax = 4 << 10;
constexpr std::size_t kLmdbBytesMax = 64 << 10;

class Corpus {
 public:
  explicit Corpus(std::filesystem::path folder) : folder_(std::move(folder)) {}

  void add(const std::string& target, const std::string& bytes, std::size_t bytes_max = kInputBytesMax) {
    if (bytes.size() > bytes_max) return;
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
    corpus.add("records", 13, encode(values.forgotten_producer()));
    corpus.add("records", 14, encode(values.last_login()));
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

// Without their checksums, which the target makes.
void add_calls(Corpus& corpus) {
  tests::CallValues values(kSeed);
  const auto bare = [](std::string frame) {
    frame.resize(frame.size() - 8);
    return frame;
  };
  for (auto& request : values.requests())
    corpus.add("calls", 0, bare(actors::encode_call({values.address(), 1, std::move(request)})));
  for (auto& content : values.answers())
    corpus.add("calls", 1, bare(actors::encode_answer({values.address(), std::move(content)})));
}

void add_questions(Corpus& corpus) {
  tests::QuestionValues values(kSeed);
  const auto bare = [](std::string frame) {
    frame.resize(frame.size() - 8);
    return frame;
  };
  for (const auto& question : values.questions()) corpus.add("questions", bare(actors::encode(question)));
  for (const auto& answer : values.answers()) corpus.add("questions", bare(actors::encode(answer)));
}

void add_seed_messages(Corpus& corpus) {
  using namespace cluster;
  corpus.add("seed_message", encode(SeedMessage{5, SeedRequest{7, 2, 1 << 20}}));
  corpus.add("seed_message", encode(SeedMessage{5, SeedRefusal{SeedRefusal::Reason::kBusy, 20}}));
  storage::SeedPart part;
  part.seed = 7;
  part.number = 1;
  part.range.emplace();
  part.records = {{"H1", "head"}, {"M1", "a message"}};
  corpus.add("seed_message", encode(5, part));
  part.end.emplace();
  part.end->sums.kinds['H'] = {1, 2};
  part.changed = {{"C1", "cursor"}, {"C2", std::nullopt}};
  corpus.add("seed_message", encode(5, part));
}

void add_feeds(Corpus& corpus) {
  using namespace actors;
  const FeedId feed{Term(2), 7};
  const auto add = [&corpus](char which, const std::string& bytes) { corpus.add("feed", which + bytes); };
  add(0, encode(FeedRequest(FeedSubscribe{feed, {NodeId(1), NodeId(3)}})));
  add(0, encode(FeedRequest(FeedAck{feed, 3, 1})));
  add(0, encode(FeedRequest(FeedAskLease{feed, 4})));
  FeedItems items{feed, 1, FeedScan::kPage, {}, {}, {}};
  const LayerId people = LayerId::trusted("people");
  items.moves = {{people, "ada", 12.5, 3, true, false, true}, {people, "bob", std::nullopt, 4, false, true, false}};
  items.cleared = {{LayerId::trusted("cars"), 5}};
  items.privacies = {{people, LayerPrivacy{}}, {LayerId::trusted("cars"), std::nullopt}};
  add(1, encode(FeedTiding(std::make_shared<const FeedItems>(items))));
  add(1, encode(FeedTiding(FeedGrant{feed, 4, 1})));
  add(1, encode(FeedTiding(FeedGone{feed})));
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
  corpus.add("token", 4, token.value());
  corpus.add("token", 2,
             R"({"sub":"alice","exp":1900000000,"nbf":1.7e9,"aud":["web","earshot"],"iss":"issuer","role":"service"})");
  corpus.add("token", 2, R"({"sub":"alice","exp":253402300799,"aud":"earshot","iss":"issuer"})");
  corpus.add("token", 3, R"({"alg":"HS256","kid":"a","typ":"JWT"})");
  corpus.add("token", 3, R"({"alg":"HS256","kid":"a","crit":["b64"],"b64":false})");
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

void add_answers(Corpus& corpus, tests::RandomValues& values) {
  const auto device = DeviceId::trusted("phone");
  Explanation explanation;
  explanation.user = UserId::trusted("alice");
  explanation.message = values.incoming();
  explanation.devices.resize(1);
  explanation.devices[0].device = device;
  corpus.add("wire", 19,
             root<schema::ExplainAnswer>([&](auto to) { wire::write(Result<Explanation>(explanation), to); }));
  std::vector<ParkedMessage> parked(1);
  parked[0].device = device;
  parked[0].message = values.incoming();
  corpus.add("wire", 20,
             root<schema::ParkedAnswer>([&](auto to) { wire::write(Result<std::vector<ParkedMessage>>(parked), to); }));
  std::vector<DeviceInfo> devices(1);
  devices[0].device = device;
  corpus.add("wire", 21,
             root<schema::DevicesAnswer>([&](auto to) { wire::write(Result<std::vector<DeviceInfo>>(devices), to); }));
  corpus.add("wire", 22, root<schema::ReplayAnswer>([](auto to) {
               wire::write(Result<Replayed>(Replayed{{Sequence(7), Sequence(0)}}), to);
             }));
  corpus.add("wire", 23,
             root<schema::PolicyAnswer>([](auto to) { wire::write(Result<PolicyInfo>(PolicyInfo{}), to); }));
  corpus.add("wire", 24, root<schema::StatusAnswer>([&](auto to) { wire::write(Status(fail(values.error())), to); }));
  corpus.add("wire", 25, root<schema::AckAnswer>([](auto to) { wire::write(Result<Sequence>(Sequence(5)), to); }));
  corpus.add("wire", 26, root<schema::FetchAnswer>([&](auto to) { wire::write(Result<Batch>(values.batch()), to); }));
}

void add_places(Corpus& corpus) {
  using Session = schema::Session;
  const LayerId layer = LayerId::trusted("taxis");
  const geo::Point point{116.4, 39.9};
  const auto add = [&]<class Root>(std::size_t kind, const auto& value) {
    corpus.add("wire", kind, root<Root>([&](auto to) { wire::write(value, to); }));
  };
  add.operator()<Session::SetPositionsParams>(27, SetPositionsRequest{layer, {{"7", point, 1'000}}, {}});
  add.operator()<Session::ClearPositionsParams>(28, ClearPositionsRequest{layer, {"7", ""}});
  NearbyRequest nearby;
  nearby.centre = point;
  nearby.area = Box{3'000, 2'000};
  add.operator()<Session::NearbyParams>(30, nearby);
  add.operator()<Session::PositionsParams>(31, PositionsRequest{layer, {"7", ""}});
  const geo::Geohash place = geo::encode(point);
  const NearbyFound found{{{"7", 12.5, point, place}, {"\xff", {}, {}, {}}}, Completeness::kTruncated};
  add.operator()<schema::NearbyAnswer>(37, Result<NearbyFound>(found));
  add.operator()<schema::PositionsAnswer>(38, Result<Positions>(Positions{{Position{point, place}, std::nullopt}}));
  add.operator()<schema::LayersAnswer>(40, Result<LayersPage>(LayersPage{{{layer, 3}}, true}));
  // Of a cluster.
  add.operator()<schema::ClusterStatusAnswer>(45, Result<ClusterStatus>(tests::some_cluster_status()));
  add.operator()<schema::RemoveNodeAnswer>(47, Result<RemovalAnswer>(AskLeader{{"127.0.0.1:7400"}}));
}

// An LMDB file as small as one with a big value, free pages and two tables can be.
std::string small_lmdb_file() {
  const tests::TemporaryDirectory directory;
  {
    storage::LmdbOptions options;
    options.path = directory.path();
    options.tables = {"a", "b"};
    const auto environment = storage::open_lmdb(options).value();
    auto writing = environment->begin_write().value();
    (void)writing->put(0, "key", "value");
    (void)writing->put(1, "big", std::string(5'000, 'b'));
    (void)writing->commit();
  }
  std::ifstream file(directory / "data.mdb", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void add_storage(Corpus& corpus) {
  constexpr std::size_t kPageBytes = 4096;
  std::string key;
  std::string sealed;
  storage::encode_running_number(7, key);
  storage::encode_log_record(
      key, ShardId(3),
      {LogIndex(8), Term(3), storage::EntryType::kCommand, std::make_shared<const std::string>("entry")}, sealed);
  corpus.add("storage", 0, sealed.substr(storage::kSealBytes));
  const std::string group = storage::encode_group(ShardId(3));
  corpus.add("storage", 1, storage::encode_hard_state(group, {Term(3), NodeId(1)}).substr(storage::kSealBytes));
  corpus.add("storage", 1,
             storage::encode_snapshot(group, {LogIndex(8), Term(3), "configuration", LogIndex(1)})
                 .substr(storage::kSealBytes));
  std::string identity = "EARSHOT\n";
  for (const auto& [number, bytes] : {std::pair{2u, 4}, {7u, 8}, {1u, 8}, {64u, 2}})
    identity += std::string(static_cast<std::size_t>(bytes - 1), '\0') + static_cast<char>(number);
  corpus.add("storage", 6, identity);
  std::string frames;
  storage::FrameWriter writer;
  for (std::uint64_t number = 1; number <= 2; ++number) {
    writer.begin();
    writer.put(0, key, sealed);
    if (number == 2) writer.erase(1, group);
    frames += writer.finish(number, 1);
  }
  corpus.add("storage", std::string(1, 7) + frames, 2 * kLmdbBytesMax);
  corpus.add("storage", 7, frames.substr(storage::kFrameHeadBytes, sealed.size() + 100));
  const std::string file = small_lmdb_file();
  corpus.add("storage", std::string(1, 4) + file, kLmdbBytesMax);
  corpus.add("storage", std::string(1, 5) + std::string(32, '\0') + file, kLmdbBytesMax);
  for (std::size_t place = 2 * kPageBytes; place + kPageBytes <= file.size(); place += kPageBytes)
    if (file[place + offsetof(storage::lmdb::PageHeader, flags)] == storage::lmdb::kLeafPage)
      corpus.add("storage", std::string(1, 2) + file.substr(place, kPageBytes), 1 + kPageBytes);
}

// One command of each kind, as clients send it and as somebody types it.
void add_requests(Corpus& corpus) {
  const std::vector<std::vector<std::string>> requests = {
      {"GEOADD", "k", "NX", "CH", "13.361389", "38.115556", "a", "15.087269", "37.502669", "b"},
      {"GEOSEARCH", "k", "FROMLONLAT", "15", "37", "BYBOX", "400", "200", "km", "ASC", "COUNT", "3", "ANY", "WITHDIST"},
      {"GEOSEARCHSTORE", "to", "k", "FROMMEMBER", "a", "BYRADIUS", "1e3", "ft", "STOREDIST"},
      {"GEORADIUS", "k", "15", "37", "inf", "mi", "WITHHASH", "WITHCOORD", "DESC"},
      {"ZADD", "k", "XX", "-1.5", "a", "0x1f", "b"},
      {"ZRANGE", "k", "(1", "+inf", "BYSCORE", "LIMIT", "0", "-1", "WITHSCORES"},
      {"ZRANGE", "k", "+", "[a", "BYLEX", "REV"},
      {"SCAN", "0", "MATCH", "a[^b-d]*\\?", "COUNT", "5", "TYPE", "zset"},
      {"KEYS", "*[a-z]?"},
      {"HELLO", "3", "AUTH", "alice", "secret", "SETNAME", "n"},
      {"CLIENT", "SETINFO", "LIB-NAME", "x"},
      {"COMMAND", "INFO", "geoadd", "client|id"},
      {"nothing", "that", "there", "is"},
  };
  std::string all;
  std::string typed;
  for (const auto& words : requests) {
    std::string request = "*" + std::to_string(words.size()) + "\r\n";
    for (const std::string& word : words) {
      request += "$" + std::to_string(word.size()) + "\r\n" + word + "\r\n";
      typed += word + ' ';
    }
    typed += '\n';
    all += request;
    corpus.add("resp", 16, request);
  }
  corpus.add("resp", 2, all);
  corpus.add("resp", 40, typed + "ECHO \"a\\x00\\n\" 'b\\'c'\r\n*0\r\nPING\r\n*1\r\n$x\r\n");
}

void make(const std::string& folder) {
  Corpus corpus(folder);
  tests::RandomValues values(kSeed);
  add_records(corpus, values);
  add_commands(corpus, values);
  add_raft_messages(corpus);
  add_seed_messages(corpus);
  add_feeds(corpus);
  add_wire(corpus, values);
  add_tokens(corpus);
  corpus.add("config", app::to_toml(NodeConfig{}));
  corpus.add("config", "client_port = 7400\nauth = \"none\"\n");
  add_store_values(corpus, values);
  add_conversation(corpus, values);
  add_answers(corpus, values);
  add_places(corpus);
  for (int i = 0; i < 2; ++i)
    corpus.add("records", 12, encode(ShardSums{{{'m', {values.number(), values.number()}}, {'c', {1, 2}}}}));
  add_storage(corpus);
  add_requests(corpus);
  add_calls(corpus);
  add_questions(corpus);
}

}  // namespace
}  // namespace earshot::fuzz

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: fuzz-make-corpus FOLDER" << std::endl;
    return 2;
  }
  try {
    earshot::fuzz::make(argv[1]);
  } catch (const std::exception& error) {  // the folder cannot be written, most likely
    std::cerr << "fuzz-make-corpus: " << error.what() << std::endl;
    return 1;
  }
  return 0;
}
