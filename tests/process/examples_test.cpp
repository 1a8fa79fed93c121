// The examples that show the client library, as their comments tell a reader to run them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/process_client.hpp"

namespace earshot {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

class Examples : public tests::ProcessTest {
 protected:
  struct Outcome {
    int code = 0;
    std::string output;
  };
  static Outcome run(const std::string& example, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), tests::example_path(example));
    tests::ChildProcess process(arguments);
    Outcome outcome;
    outcome.output = process.read_all();
    outcome.code = process.wait();
    return outcome;
  }
};

TEST_F(Examples, HelloIsHeardOnceEachTime) {
  start_node();
  for (int i = 0; i < 2; ++i) {
    const auto hello = run("hello", {node().address()});
    EXPECT_EQ(hello.code, 0);
    EXPECT_THAT(hello.output,
                ContainsRegex("message [0-9a-f]{32} is stored by the server\nalice says: Hello, Bob!\n$"));
  }
  EXPECT_EQ(mailbox("bob").size(), 2u);
}

TEST_F(Examples, NearbyFindsWhoIsNear) {
  start_node();
  const auto nearby = run("nearby", {node().address()});
  EXPECT_EQ(nearby.code, 0);
  EXPECT_EQ(nearby.output, "alice is 0 m away\nbob is 853 m away\nthat is everybody\n");
}

TEST_F(Examples, OfflineKeepsWhatItWasToldAndSendsItLater) {
  start_node();
  node().kill();
  const auto outbox = directory_ / "outbox";
  const auto offline = run("offline", {node().address(), outbox, "alice", "bob", "first", "second"});
  EXPECT_EQ(offline.code, 3);
  EXPECT_THAT(offline.output, HasSubstr("0 stored, 0 refused or uncertain, 2 kept for the next run\n"));
  node().start();
  const auto online = run("offline", {node().address(), outbox, "alice", "bob", "third"});
  EXPECT_EQ(online.code, 0);
  EXPECT_THAT(online.output, HasSubstr("3 stored, 0 refused or uncertain, 0 kept for the next run\n"));
  EXPECT_THAT(tests::bodies_of(mailbox("bob")), testing::ElementsAre("first", "second", "third"));
}

TEST_F(Examples, OwnDatabaseGoesOnWhereItWas) {
  start_node();
  const auto journal = directory_ / "journal";
  send("alice", "bob", {"one", "two"});
  const auto first = run("own-database", {node().address(), journal, "bob", "2"});
  EXPECT_EQ(first.code, 0);
  EXPECT_EQ(first.output, "1 alice: one\n2 alice: two\n");
  send("alice", "bob", {"three"});
  const auto second = run("own-database", {node().address(), journal, "bob", "3"});
  EXPECT_EQ(second.code, 0);
  EXPECT_EQ(second.output, "1 alice: one\n2 alice: two\n3 alice: three\n");
}

}  // namespace
}  // namespace earshot
