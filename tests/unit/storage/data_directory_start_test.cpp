#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends.hpp"
#include "storage/data_directory.hpp"
#include "storage/keys.hpp"
#include "storage/seal.hpp"
#include "storage/state_store.hpp"

// How a node's directory comes to its place in a cluster, and which starts fit it.
namespace earshot::storage {
namespace {

using testing::HasSubstr;
using Start = DataDirectory::Start;
using Place = NodeIdentity::Place;

constexpr std::uint64_t kCluster = 77;

class DataDirectoryStart : public testing::Test {
 protected:
  [[nodiscard]] Result<DataDirectory> open(Start start, std::uint16_t shards = 4, std::uint64_t random = 1) const {
    return DataDirectory::open(path, start, shards, random);
  }
  // The start is refused, and the directory stays as it was.
  void expect_refused(Start start, const std::string& detail) {
    const std::string before = identity_bytes();
    const auto opened = open(start);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(opened.error().field, "start");
    EXPECT_THAT(opened.error().detail, HasSubstr(detail));
    EXPECT_EQ(identity_bytes(), before);
  }
  void expect_opened(Start start, Place place, NodeId node) {
    const auto opened = must(open(start, 0, 99));
    EXPECT_EQ(opened.identity.place, place);
    EXPECT_EQ(opened.identity.node, node);
  }
  void join(NodeId node = NodeId(3)) const {
    auto directory = must(open(Start::kJoin));
    must(directory.finish_join(kCluster, node, 4));
  }
  void found() const {
    auto directory = must(open(Start::kBootstrap));
    must(directory.founded());
  }
  [[nodiscard]] std::string identity_bytes() const {
    std::ostringstream bytes;
    bytes << std::ifstream(path + "/identity", std::ios::binary).rdbuf();
    return bytes.str();
  }
  void write_identity(const std::string& bytes) const {
    std::ofstream(path + "/identity", std::ios::binary | std::ios::trunc) << bytes;
  }

  tests::TemporaryDirectory directory;
  std::string path = directory / "data";
};

TEST_F(DataDirectoryStart, OneThatWasAloneBecomesTheFirstNodeOfAClusterAndKeepsItsData) {
  std::uint64_t cluster_id = 0;
  {
    const auto alone = must(open(Start::kAlone));
    cluster_id = alone.identity.cluster_id;
    put(*alone.state_environment, kStateTable, "key", "value");
  }
  for (const Start start : {Start::kAgain, Start::kBootstrap}) {
    const auto first = must(open(start, 0));
    EXPECT_TRUE(first.is_founding());
    EXPECT_EQ(first.identity.cluster_id, cluster_id);
    EXPECT_EQ(first.identity.node, NodeId(1));
    EXPECT_EQ(get(*must(first.state_environment->begin_read()), kStateTable, "key"), "value");
  }
}

// Its identity is of the form that did not know of clusters, and its log may be of an older one still.
TEST_F(DataDirectoryStart, OneOfAnOlderFormatBecomesTheFirstNodeToo) {
  (void)must(open(Start::kAlone));
  std::string older = identity_bytes().substr(kSealBytes, 8 + 4 + 8 + 8 + 2);
  older[11] = 3;
  write_identity(seal("EARSHOT\n", older));
  EXPECT_TRUE(must(open(Start::kBootstrap)).is_founding());
  expect_opened(Start::kBootstrap, Place::kFounding, NodeId(1));
  expect_refused(Start::kAlone, "node 1 of a cluster");
}

TEST_F(DataDirectoryStart, ANodeThatDiedWhileItFoundedAClusterFoundsTheSameOneAgain) {
  const auto cluster_id = must(open(Start::kBootstrap, 4, 1)).identity.cluster_id;
  EXPECT_NE(cluster_id, 0u);
  auto again = must(open(Start::kBootstrap, 4, 2));
  EXPECT_TRUE(again.is_founding());
  EXPECT_EQ(again.identity.cluster_id, cluster_id);
  must(again.founded());
  EXPECT_FALSE(again.is_founding());
}

// A group whose log is gone must not begin anew with a vote that it may have given away.
TEST_F(DataDirectoryStart, AFoundedClusterIsNeverFoundedAgain) {
  found();
  expect_opened(Start::kBootstrap, Place::kMember, NodeId(1));
  expect_opened(Start::kAgain, Place::kMember, NodeId(1));
}

TEST_F(DataDirectoryStart, AJoiningNodeKeepsItsNonceHoweverOftenItDies) {
  const auto nonce = must(open(Start::kJoin, 0, 1)).identity.join_nonce;
  EXPECT_NE(nonce, MessageId());
  for (std::uint64_t random = 2; random < 4; ++random) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto opened = open(Start::kJoin, 0, random);
      ::_exit(opened && opened->is_joining() && opened->identity.join_nonce == nonce ? 0 : 1);  // no destructor
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
  EXPECT_NE(must(DataDirectory::open(directory / "other", Start::kJoin, 0, 2)).identity.join_nonce, nonce);
}

TEST_F(DataDirectoryStart, AJoiningNodeHasNothingButItsNonceUntilItHasAnIdentity) {
  auto joining = must(open(Start::kJoin, 0));
  EXPECT_EQ(joining.log, nullptr);
  EXPECT_EQ(joining.state_environment, nullptr);
  EXPECT_FALSE(std::filesystem::exists(path + "/log"));
  EXPECT_FALSE(std::filesystem::exists(path + "/state"));
  must(joining.finish_join(kCluster, NodeId(3), 4));
  EXPECT_EQ(joining.identity.cluster_id, kCluster);
  EXPECT_EQ(joining.identity.node, NodeId(3));
  EXPECT_EQ(joining.identity.shard_count, 4);
  EXPECT_EQ(must(joining.log->load(kMetaGroup)).entries.size(), 0u);
}

// A power cut may leave what was being written beside the identity, and the old one in its place, or the new one.
TEST_F(DataDirectoryStart, APowerCutWhileTheIdentityIsKeptLeavesTheOneBeforeOrTheNewOne) {
  const auto nonce = must(open(Start::kJoin, 0)).identity.join_nonce;
  const std::string before = identity_bytes();
  {
    auto joining = must(open(Start::kJoin, 0));
    must(joining.finish_join(kCluster, NodeId(3), 4));
  }
  const std::string after = identity_bytes();
  for (std::size_t written : {std::size_t{0}, after.size() / 2, after.size()}) {
    std::filesystem::remove_all(path + "/log");
    std::filesystem::remove_all(path + "/state");
    write_identity(before);
    std::ofstream(path + "/identity.new", std::ios::binary) << after.substr(0, written);
    auto again = must(open(Start::kJoin, 0));
    ASSERT_TRUE(again.is_joining());
    EXPECT_EQ(again.identity.join_nonce, nonce);
    must(again.finish_join(kCluster, NodeId(3), 4));
  }
  // Before anything else of the new node was made.
  std::filesystem::remove_all(path + "/log");
  std::filesystem::remove_all(path + "/state");
  write_identity(after);
  expect_opened(Start::kJoin, Place::kMember, NodeId(3));
}

TEST_F(DataDirectoryStart, TheSameCommandLineRestartsANodeThatHasJoined) {
  join(NodeId(2));
  expect_opened(Start::kJoin, Place::kMember, NodeId(2));
  expect_opened(Start::kAgain, Place::kMember, NodeId(2));
  expect_refused(Start::kBootstrap, "node 2, which joined a cluster that is there");
  expect_refused(Start::kAlone, "node 2 of a cluster");
}

TEST_F(DataDirectoryStart, NodesThatDidNotJoinAreNotTakenForOnesThatDid) {
  (void)must(open(Start::kAlone));
  expect_refused(Start::kJoin, "holds the data of a node that was alone");
  (void)must(open(Start::kBootstrap));
  expect_refused(Start::kJoin, "the first node of a cluster");
  expect_refused(Start::kAlone, "node 1 of a cluster");
}

TEST_F(DataDirectoryStart, ANodeThatIsJoiningDoesNothingElse) {
  (void)must(open(Start::kJoin));
  expect_refused(Start::kBootstrap, "joining a cluster");
  expect_refused(Start::kAlone, "joining a cluster");
  expect_refused(Start::kAgain, "joining a cluster");
  const auto looked_at = DataDirectory::open_identity(path);
  ASSERT_FALSE(looked_at);
  EXPECT_THAT(looked_at.error().detail, HasSubstr("holds no data"));
}

TEST_F(DataDirectoryStart, ANewPlaceNeedsToBeToldHowToBegin) {
  const auto opened = open(Start::kAgain);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().field, "data");
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(DataDirectoryStart, ShardsAreTheClustersAndNotTheCommandLines) {
  join();
  EXPECT_EQ(must(open(Start::kJoin, 64)).identity.shard_count, 4);
  const auto other = open(Start::kAgain, 64);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().field, "shards");
}

TEST_F(DataDirectoryStart, AnIdentityThatACannotBeGivenIsRefusedAndNotKept) {
  auto joining = must(open(Start::kJoin));
  const std::string before = identity_bytes();
  EXPECT_FALSE(joining.finish_join(0, NodeId(3), 4));
  EXPECT_FALSE(joining.finish_join(kCluster, NodeId(), 4));
  EXPECT_FALSE(joining.finish_join(kCluster, NodeId(3), 0));
  EXPECT_FALSE(joining.finish_join(kCluster, NodeId(3), limits::kShardsMax + 1));
  EXPECT_EQ(identity_bytes(), before);
  EXPECT_TRUE(joining.is_joining());
}

TEST_F(DataDirectoryStart, ADamagedIdentityIsNoPlace) {
  join();
  const std::string sound = identity_bytes();
  for (std::size_t i = 0; i < sound.size(); ++i) {
    std::string damaged = sound;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    write_identity(damaged);
    const auto opened = open(Start::kJoin);
    ASSERT_FALSE(opened) << "byte " << i;
    EXPECT_EQ(opened.error().code, ErrorCode::kCorrupt) << "byte " << i;
  }
  std::string unknown_place = sound.substr(kSealBytes);
  unknown_place[30] = 9;
  write_identity(seal("EARSHOT\n", unknown_place));
  EXPECT_FALSE(open(Start::kJoin));
}

}  // namespace
}  // namespace earshot::storage
