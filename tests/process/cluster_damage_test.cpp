// The disk of one node of a cluster loses and alters what its shards' states are made of. The others have all of it:
// nobody may notice.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/memory_store.hpp"
#include "storage/lmdb_environment.hpp"
#include "storage/state_store.hpp"
#include "tests/support/cluster_test.hpp"
#include "tests/support/process_client.hpp"

namespace earshot {
namespace {

constexpr int kUsers = 24;
constexpr std::uint64_t kMessages = 20;
constexpr std::size_t kShare = 21;      // of 64 shards, on three nodes
constexpr std::size_t kKindOffset = 2;  // in a key, behind the shard
constexpr std::size_t kNameOffset = 3;

class ClusterDamage : public tests::ClusterTest {
 protected:
  static std::string user(int number) { return "kept-" + std::to_string(number); }

  client::Options options(const std::string& name, const std::string& device) const {
    client::Options options;
    options.addresses = cluster_->addresses();
    options.user = options.token = name;
    options.device = device;
    options.receive = false;
    return options;
  }

  void store_messages() {
    tests::Device sender(options("writer", "desk"), std::make_shared<client::MemoryStore>(), runtime_);
    for (int i = 0; i < kUsers; ++i) {
      std::vector<client::Letter> letters;
      for (const std::string& text : tests::numbered(kMessages)) {
        client::Letter letter;
        letter.recipient = UserId::trusted(user(i));
        letter.body = text;
        letters.push_back(std::move(letter));
      }
      ASSERT_TRUE(sender->send(std::move(letters)));
    }
    ASSERT_TRUE(sender->flush(tests::kPatienceMs));
  }

  void expect_all_messages(const std::string& when) {
    for (int i = 0; i < kUsers; ++i) {
      tests::Device reader(options(user(i), "reader"), std::make_shared<client::MemoryStore>(), runtime_);
      EXPECT_EQ(tests::bodies_of(tests::whole_mailbox(reader.client())), tests::numbered(kMessages))
          << user(i) << ", " << when;
    }
  }

  // Behind the back of a node that does not run. Of messages every third is found no more, and now and then one of what
  // a shard finds everything else by; and what counts them is altered in some shards.
  void damage_state_of(std::size_t node) {
    const auto environment =
        storage::open_lmdb({.path = cluster_->data_of(node) + "/state", .tables = storage::state_tables()}).value();
    auto transaction = environment->begin_write().value();
    std::vector<std::pair<std::string, std::string>> chosen;
    const auto choose = [&](std::string_view key, std::string_view value) {
      const char kind = key.size() > kKindOffset ? key[kKindOffset] : '\0';
      const double share = kind == 'M' ? 0.33 : kind == 'D' ? 0.1 : kind != 'B' && kind != 'N' ? 0.005 : 0;
      if (random_.chance(share)) chosen.emplace_back(key, value);
      return true;
    };
    ASSERT_TRUE(transaction->scan(storage::kStateTable, {}, {}, choose));
    for (auto& [key, value] : chosen) {
      if (key.size() > kNameOffset) {
        ASSERT_TRUE(transaction->erase(storage::kStateTable, key));
        key.back() = static_cast<char>(key.back() ^ 0x40);
      } else {
        value.back() = static_cast<char>(value.back() ^ 1);
      }
      ASSERT_TRUE(transaction->put(storage::kStateTable, key, value));
    }
    ASSERT_TRUE(transaction->commit());
    std::cout << chosen.size() << " records of node " << node << " are damaged" << std::endl;
  }

  // Its share of the shards, which it is given back when it has been ready for a while.
  void wait_until_it_leads(std::size_t node) {
    const auto deadline = Clock::now() + std::chrono::milliseconds(tests::kPatienceMs);
    while (cluster_->view().led_by(node) < kShare && Clock::now() < deadline) sleep_ms(100);
    EXPECT_GE(cluster_->view().led_by(node), kShare) << cluster_->logs();
  }

  // The others would not agree.
  void expect_that_the_loss_cannot_be_taken(std::size_t node) {
    tests::ChildProcess verify({"/bin/sh", "-c",
                                "exec " + tests::earshot_path() + " verify --accept-loss --no-progress --data " +
                                    cluster_->data_of(node) + " 2>&1"});
    const std::string output = verify.read_all();
    EXPECT_NE(verify.wait(), 0);
    EXPECT_THAT(output, testing::HasSubstr("whose cluster has more of them"));
  }
};

TEST_F(ClusterDamage, WhatOneDiskHasLostTheOthersHave) {
  compared_kinds_.remove_prefix(std::string_view("M").size());  // one that nobody has read may still be missing
  start_cluster();
  store_messages();
  start_load(usual_load());
  // Always the same: what two of three have lost, nobody can be asked for.
  const std::size_t damaged = 1 + random_.below(tests::ClusterProcess::kNodes);
  in_rounds("records lost on one node", [&] {
    // In order, so that all is in the tables.
    EXPECT_EQ(cluster_->node(damaged).stop(), 0);
    ASSERT_NO_FATAL_FAILURE(damage_state_of(damaged));
    expect_that_the_loss_cannot_be_taken(damaged);
    cluster_->start({damaged});
    ASSERT_EQ(cluster_->wait_whole(), "");
    wait_until_it_leads(damaged);
    expect_all_messages("with node " + std::to_string(damaged) + " damaged");
  });
  judge();
}

}  // namespace
}  // namespace earshot
