// A node whose disk has altered what was written: nothing damaged is ever served, and what is gone is said to be gone,
// by the node to who asks for it, and by `earshot verify` to who looks after it.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "schema/records.hpp"
#include "storage/journal_environment.hpp"
#include "storage/keys.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/log_store.hpp"
#include "storage/state_store.hpp"
#include "tests/support/process_client.hpp"
#include "tests/support/seed.hpp"

namespace earshot {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::uint16_t kShards = 4;
constexpr std::uint64_t kAnswerMs = 5'000;
constexpr std::uint64_t kMessages = 40;
const std::vector<std::string> kUsers = {"bob", "carol", "dave"};
enum : int { kSound = 0, kDamaged = 1, kNotOpened = 3 };

std::string bytes_of(const std::string& path) {
  std::ostringstream bytes;
  bytes << std::ifstream(path, std::ios::binary).rdbuf();
  return bytes.str();
}

void flip(const std::string& path, std::uint64_t bit) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  const char byte = static_cast<char>(file.get() ^ (1 << (bit % 8)));
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(byte);
}

std::string text_of(const std::string& user, std::uint64_t sequence) {
  return "message " + std::to_string(sequence) + " for " + user + std::string(20 + sequence * 7 % 200, '.');
}

// A mailbox as a node has shown it.
struct Shown {
  std::map<std::uint64_t, std::string> bodies;
  std::vector<LostRange> lost;
  std::optional<Error> refusal;  // the rest was refused, or the node died

  [[nodiscard]] bool is_said_lost(std::uint64_t sequence) const {
    for (const auto& range : lost)
      if (range.first.value <= sequence && sequence <= range.last.value) return true;
    return false;
  }
};

class Damage : public tests::ProcessTest {
 protected:
  // A node that has stored messages, and has stopped.
  void SetUp() override {
    start_node_on(data_, {"--shard-count", std::to_string(kShards)}, {});
    for (const auto& user : kUsers) {
      std::vector<std::string> texts;
      for (std::uint64_t i = 1; i <= kMessages; ++i) texts.push_back(text_of(user, i));
      send("alice", user, texts);
      const auto device = open(options(user), std::make_shared<client::MemoryStore>());
      ASSERT_TRUE(device->wait_for(kMessages));
    }
    ASSERT_EQ(node().stop(), 0);
  }

  // Runs it to its end: the exit code, and what it said.
  struct Ended {
    int code = 0;
    std::string output;
  };
  static Ended run(const std::string& command) {
    tests::ChildProcess process({"/bin/sh", "-c", "exec " + command + " 2>&1"});
    std::string output = process.read_all();
    return {process.wait(), std::move(output)};
  }
  Ended verify(const std::string& more = "") { return run(tests::earshot_path() + " verify --data " + data_ + more); }
  // What a node says that does not start.
  Ended start_in_vain() {
    return run(tests::earshotd_path() + " --client-port 0 --resp-port 0 --http-port 0 --shard-count " +
               std::to_string(kShards) + " --data " + data_);
  }
  void expect_that_accepting_does_not_help() {
    const auto accepted = verify(" --accept-loss");
    EXPECT_EQ(accepted.code, kDamaged);
    EXPECT_THAT(accepted.output, HasSubstr("a node does not start with it"));
    EXPECT_THAT(accepted.output, Not(HasSubstr("is what a node starts with")));
    EXPECT_NE(start_in_vain().code, 0);
  }
  bool starts() {
    try {
      node().start();
      return true;
    } catch (const std::runtime_error& error) {
      // Ended by a signal: 128 and more.
      died_at_start_ = std::string(error.what()).find("code 13") != std::string::npos;
      return false;
    }
  }

  Shown read(const std::string& user) {
    Shown shown;
    auto reading = options(user, "reader");
    reading.receive = false;
    const auto reader = open(std::move(reading), std::make_shared<client::MemoryStore>());
    if (auto connected = (*reader)->wait_connected(kAnswerMs); !connected) {
      shown.refusal = connected.error();
      return shown;
    }
    for (Sequence after(0);;) {
      auto answer = (*reader)->fetch(after, 16);
      if (answer.wait_for(std::chrono::milliseconds(kAnswerMs)) != std::future_status::ready) {
        shown.refusal = Error{ErrorCode::kDeadlineExceeded, "", "no answer"};
        return shown;
      }
      auto page = answer.get();
      if (!page) {
        shown.refusal = page.error();
        return shown;
      }
      for (auto& message : page->messages) {
        after = std::max(after, message.sequence);
        EXPECT_TRUE(shown.bodies.emplace(message.sequence.value, std::move(message.body)).second) << "twice";
      }
      for (const auto& range : page->lost) {
        after = std::max(after, range.last);
        shown.lost.push_back(range);
      }
      if (page->messages.empty() && page->lost.empty()) return shown;
    }
  }

  // What is served is right. Whether everything that was stored was served, or was said to be lost or refused.
  static bool is_accounted_for(const std::string& user, const Shown& shown) {
    for (const auto& [sequence, body] : shown.bodies) EXPECT_EQ(body, text_of(user, sequence)) << user;
    for (std::uint64_t i = 1; i <= kMessages; ++i) {
      if (!shown.bodies.contains(i) && !shown.is_said_lost(i) && !shown.refusal) return false;
    }
    return true;
  }
  static bool is_whole(const Shown& shown) { return shown.bodies.size() == kMessages; }

  bool is_sent(const std::string& user) {
    const auto sender = open_sender("alice");
    post(*sender, user, {"one more"});
    return (*sender)->flush(kAnswerMs) && (*sender)->stats().sent == 1;
  }

  // The only one of a log as short as this.
  [[nodiscard]] std::string log_file() const {
    for (const auto& entry : std::filesystem::directory_iterator(data_ + "/log"))
      if (entry.path().extension() == ".journal") return entry.path().string();
    return "";
  }

  // Behind the node's back.
  template <class Change>
  static void change(storage::Environment& environment, Change&& apply) {
    auto transaction = environment.begin_write().value();
    apply(*transaction);
    ASSERT_TRUE(transaction->commit());
  }
  template <class Change>
  void change_state(Change&& apply) {
    change(*storage::open_lmdb({data_ + "/state", storage::state_tables()}).value(), apply);
  }
  template <class Change>
  void change_log(Change&& apply) {
    change(*storage::open_journal({.path = data_ + "/log", .tables = storage::LogStore::tables().size()}).value(),
           apply);
  }
  void erase_in_state(const std::string& user, const std::string& key) {
    change_state([&](storage::WriteTransaction& transaction) {
      const auto full_key = storage::state_key(shard_of(UserId::trusted(user), kShards), key);
      ASSERT_TRUE(transaction.erase(storage::kStateTable, full_key).value());
    });
  }
  static void flip_value(storage::WriteTransaction& transaction, storage::Table table, const std::string& full_key) {
    const auto stored = transaction.get(table, full_key).value();
    ASSERT_TRUE(stored);
    std::string bytes(*stored);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 4);
    ASSERT_TRUE(transaction.put(table, full_key, bytes));
  }
  void flip_in_state(const std::string& user, const std::string& key) {
    change_state([&](storage::WriteTransaction& transaction) {
      flip_value(transaction, storage::kStateTable, storage::state_key(shard_of(UserId::trusted(user), kShards), key));
    });
  }

  const std::string data_ = directory_ / "node";
  bool died_at_start_ = false;
};

TEST_F(Damage, MessageWithAFlippedBitIsLostAndNothingElse) {
  const std::string file = data_ + "/state/data.mdb";
  const std::string bytes = bytes_of(file);
  const std::string body = text_of("bob", 7);
  int places = 0;  // LMDB keeps older versions of pages around
  for (std::size_t at = bytes.find(body); at != std::string::npos; at = bytes.find(body, at + 1), ++places)
    flip(file, (at + 3) * 8);
  ASSERT_GT(places, 0);

  const auto verified = verify();
  EXPECT_EQ(verified.code, kDamaged);
  EXPECT_THAT(verified.output, HasSubstr("message"));
  EXPECT_THAT(verified.output, HasSubstr("7 of bob cannot be read: readers get lost(7, 7, corrupt)"));
  node().start();
  const Shown bob = read("bob");
  EXPECT_EQ(bob.lost, (std::vector<LostRange>{{Sequence(7), Sequence(7), LostReason::kCorrupt}}));
  EXPECT_EQ(bob.bodies.size(), kMessages - 1);
  EXPECT_TRUE(is_accounted_for("bob", bob));
  EXPECT_TRUE(is_whole(read("carol")));
  send("alice", "bob", {"goes on"});
  EXPECT_EQ(node().stop(), 0);
}

TEST_F(Damage, MissingMessageIsSaidToTheReaderAndSeenByTheCount) {
  erase_in_state("bob", storage::keys::message(UserId::trusted("bob"), Sequence(9)));
  const auto verified = verify(" --json");
  EXPECT_EQ(verified.code, kDamaged);
  EXPECT_THAT(verified.output, HasSubstr("lost(9, 9, unknown)"));
  EXPECT_THAT(verified.output, HasSubstr("\"miscounted\""));
  node().start();
  const Shown bob = read("bob");
  EXPECT_EQ(bob.lost, (std::vector<LostRange>{{Sequence(9), Sequence(9), LostReason::kUnknown}}));
  EXPECT_TRUE(is_whole(read("carol")));
}

TEST_F(Damage, DamagedCursorCostsARedeliveryAndNoMessage) {
  flip_in_state("bob", storage::keys::cursor(UserId::trusted("bob"), DeviceId::trusted("phone")));
  const auto verified = verify();
  EXPECT_EQ(verified.code, kDamaged);
  EXPECT_THAT(verified.output, HasSubstr("it gets every kept message of user bob once more"));
  node().start();
  const auto store = std::make_shared<client::MemoryStore>(tests::kKeepAll);
  const auto device = open(options("bob"), store);
  EXPECT_TRUE(device->wait_for(kMessages));
  EXPECT_EQ(store->messages().size(), kMessages);
}

TEST_F(Damage, DamagedHeadClosesItsMailboxAndNoOther) {
  flip_in_state("bob", storage::keys::mailbox_head(UserId::trusted("bob")));
  EXPECT_THAT(verify().output, HasSubstr("the mailbox of user bob takes no message and gives none"));
  node().start();
  const Shown bob = read("bob");
  ASSERT_TRUE(bob.refusal);
  EXPECT_TRUE(bob.bodies.empty());
  EXPECT_TRUE(is_whole(read("carol")));
}

TEST_F(Damage, MissingHeadKeepsTheNodeFromStartingUntilTheLossIsAccepted) {
  erase_in_state("bob", storage::keys::mailbox_head(UserId::trusted("bob")));
  const auto refused = start_in_vain();
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.output, HasSubstr("mailbox heads where"));
  EXPECT_THAT(refused.output, HasSubstr("earshot verify --data " + data_));
  const auto accepted = verify(" --accept-loss");
  EXPECT_EQ(accepted.code, 0);
  EXPECT_THAT(accepted.output, HasSubstr("is what a node starts with"));
  node().start();
  EXPECT_TRUE(is_whole(read("carol")));
}

TEST_F(Damage, DamagedShardHeadKeepsTheNodeFromStarting) {
  flip_in_state("bob", storage::keys::shard_head());
  EXPECT_THAT(verify().output, HasSubstr("where the shard stands is not known"));
  EXPECT_NE(start_in_vain().code, 0);
  expect_that_accepting_does_not_help();
}

// Its records can be counted without it; but its log has been cut behind what it had done.
TEST_F(Damage, MissingShardHeadKeepsTheNodeFromStarting) {
  erase_in_state("bob", storage::keys::shard_head());
  expect_that_accepting_does_not_help();
}

TEST_F(Damage, DamagedLogRecordKeepsTheNodeFromStarting) {
  change_log([&](storage::WriteTransaction& transaction) {
    std::string first;
    ASSERT_TRUE(transaction.scan_back(0, {}, {}, [&](std::string_view key, std::string_view) {
      first = key;
      return false;
    }));
    flip_value(transaction, 0, first);
  });
  const auto refused = start_in_vain();
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.output, HasSubstr("fails its checksum"));
  EXPECT_THAT(refused.output, HasSubstr("earshot verify"));
  const auto verified = verify();
  EXPECT_EQ(verified.code, kDamaged);
  EXPECT_THAT(verified.output, HasSubstr("log entries in log"));
  expect_that_accepting_does_not_help();
}

TEST_F(Damage, DamagedFrameOfTheLogKeepsTheNodeFromStartingAndItsEntriesAreNamed) {
  node().start();
  ASSERT_TRUE(is_sent("bob"));
  node().kill();
  ASSERT_TRUE(starts()) << "what a killed node wrote last is whole";
  EXPECT_EQ(node().stop(), 0);  // a last frame that is damaged would pass for one that a power cut tore
  const std::string file = log_file();
  const std::size_t where = bytes_of(file).rfind("one more");
  ASSERT_NE(where, std::string::npos);
  flip(file, where * 8);
  const auto refused = start_in_vain();
  EXPECT_NE(refused.code, 0);
  EXPECT_THAT(refused.output, HasSubstr("is damaged or missing, and others stand behind it"));
  EXPECT_THAT(refused.output, HasSubstr("earshot verify"));
  const auto verified = verify();
  EXPECT_EQ(verified.code, kDamaged);
  EXPECT_THAT(verified.output, HasSubstr("frames in log: frame"));
}

TEST_F(Damage, VerifyFindsNothingInSoundDataAndWantsItAlone) {
  const auto verified = verify(" --json");
  EXPECT_EQ(verified.code, kSound) << verified.output;
  EXPECT_THAT(verified.output, HasSubstr("\"sound\":true"));
  node().start();
  const auto in_use = verify();
  EXPECT_EQ(in_use.code, kNotOpened);
  EXPECT_THAT(in_use.output, HasSubstr("in use"));
  EXPECT_EQ(run(tests::earshot_path() + " verify --data " + (directory_ / "nowhere")).code, 2);
  node().kill();
  EXPECT_EQ(verify().code, kSound) << "a killed node leaves sound data";
}

// The bounds of a page's free room: readers pass over them, writers go by them.
TEST_F(Damage, DamageThatOnlyWritersMeetIsSaidBeforeTheyDo) {
  constexpr std::size_t kPageBytes = 4096;
  constexpr std::size_t kFlags = 10;
  constexpr char kLeaf = 0x02;
  constexpr std::size_t kUpperBound = 14;
  const std::string file = data_ + "/state/data.mdb";
  const std::string bytes = bytes_of(file);
  for (std::size_t page = 0; page < bytes.size(); page += kPageBytes) {  // older versions of it too
    const bool has_message = bytes.substr(page, kPageBytes).find(text_of("bob", 7)) != std::string::npos;
    if (bytes[page + kFlags] == kLeaf && has_message) flip(file, (page + kUpperBound + 1) * 8 + 6);
  }
  const auto verified = verify();
  EXPECT_EQ(verified.code, kDamaged);
  EXPECT_THAT(verified.output, HasSubstr("in state/data.mdb: page"));
  EXPECT_THAT(verified.output, HasSubstr("nothing is lost yet; but a node may die when it writes there"));
  EXPECT_THAT(verified.output, Not(HasSubstr("readers get lost")));
  for (const auto* kind : {"missing", "unreadable", "inconsistent"})
    EXPECT_THAT(verified.output, Not(HasSubstr(kind))) << "all records are there";
}

// One bit anywhere in either file. Half of them hit what LMDB follows blindly: its head pages and the beginnings of
// pages.
std::uint64_t choose_bit(Random& random, std::uint64_t file_bytes) {
  constexpr std::uint64_t kPageBytes = 4096;
  constexpr std::uint64_t kMetaBytes = 152;
  const std::uint64_t pages = file_bytes / kPageBytes;
  switch (random.below(8)) {
    case 0: return (random.below(2) * kPageBytes + random.below(kMetaBytes)) * 8 + random.below(8);
    case 1:
    case 2:
    case 3: return (random.below(pages) * kPageBytes + random.below(48)) * 8 + random.below(8);
    default: return random.below(file_bytes * 8);
  }
}

TEST_F(Damage, AnyFlippedBitIsHarmlessOrSaid) {
  const int rounds = std::getenv("EARSHOT_LONG") != nullptr ? 1'000 : 60;
  Random random(tests::seed_of_test());
  const std::string golden = directory_ / "golden";
  std::filesystem::copy(data_, golden, std::filesystem::copy_options::recursive);
  std::map<std::string, int> outcomes;
  for (int round = 0; round < rounds; ++round) {
    std::filesystem::remove_all(data_);
    std::filesystem::copy(golden, data_, std::filesystem::copy_options::recursive);
    const std::string name = random.below(3) == 0 ? log_file() : data_ + "/state/data.mdb";
    const std::uint64_t bit = choose_bit(random, std::filesystem::file_size(name));
    flip(name, bit);
    const std::string what = name + ", byte " + std::to_string(bit / 8) + ", bit " + std::to_string(bit % 8);

    const auto verified = verify(" --json");
    ASSERT_TRUE(verified.code == kSound || verified.code == kDamaged) << what << "\n" << verified.output;
    const bool is_seen = verified.code == kDamaged;
    if (!starts()) {
      ++outcomes[died_at_start_ ? "died at start" : "refused to start"];
      EXPECT_TRUE(is_seen) << what << ": the node does not start, and verify finds nothing";
      continue;
    }
    bool all_whole = true;
    for (const auto& user : kUsers) {
      const Shown shown = read(user);
      EXPECT_TRUE(is_accounted_for(user, shown)) << what << ": something of " << user << " is missing, silently\n"
                                                 << verified.output;
      all_whole = all_whole && is_whole(shown);
    }
    ++outcomes[all_whole ? is_seen ? "all served, damage seen" : "all served" : "a part lost and said"];
    EXPECT_TRUE(all_whole || is_seen) << what << ": something is lost, and verify finds nothing";
    if (is_seen) {
      node().kill();
      continue;
    }
    // What verification calls sound can be written to as well.
    for (const auto& user : kUsers) EXPECT_TRUE(is_sent(user)) << what << ": " << user << " gets no more messages";
    EXPECT_EQ(node().stop(), 0) << what;
  }
  for (const auto& [outcome, count] : outcomes) std::cout << count << " " << outcome << ", ";
  std::cout << rounds << " flips" << std::endl;
}

}  // namespace
}  // namespace earshot
