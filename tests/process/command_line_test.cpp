// The programs as a person or a script uses them.
#include <csignal>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/support/child_process.hpp"
#include "tests/support/client_fake_server.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot {
namespace {

using testing::HasSubstr;

struct Outcome {
  int code = 0;
  std::string output;
};

Outcome run(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), tests::earshot_path());
  tests::ChildProcess process(arguments);
  Outcome outcome;
  outcome.output = process.read_all();
  outcome.code = process.wait();
  return outcome;
}

class CommandLine : public testing::Test {
 protected:
  // A command against the node of this test.
  Outcome earshot(const std::string& command, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {command, "--server", node_.address()});
    return run(std::move(arguments));
  }

  tests::TemporaryDirectory directory_;
  tests::NodeProcess node_{{directory_ / "node", 0, {}}};
};

TEST_F(CommandLine, SendsAndShowsAMessage) {
  const auto sent = earshot("send", {"--user", "alice", "--to", "bob", "Within earshot?"});
  EXPECT_EQ(sent.code, 0);
  EXPECT_TRUE(sent.output.starts_with("1 message stored for bob as 1, id ")) << sent.output;
  const auto history = earshot("history", {"--user", "bob", "--json"});
  EXPECT_EQ(history.code, 0);
  const auto message = nlohmann::json::parse(history.output);
  EXPECT_EQ(message["sequence"], 1);
  EXPECT_EQ(message["sender"], "alice");
  EXPECT_EQ(message["body"], "Within earshot?");
}

// What begins a terminal's commands: ESC [ in one character (C1) or two (C0), and what ends lines.
TEST_F(CommandLine, ABodyCannotSteerTheTerminalThatShowsIt) {
  const std::string body =
      "a\xc2\x9b"
      "2Jb\x1b[2Jc\x7f"
      "d\ne\xc2\x80"
      "f\xc2\x9f"
      "g\th\xc2\xa0i\xc3\xa9\xe2\x86\x92";
  ASSERT_EQ(earshot("send", {"--user", "alice", "--to", "bob", body}).code, 0);
  EXPECT_THAT(earshot("history", {"--user", "bob"}).output,
              HasSubstr("alice: a 2Jb [2Jc d e f g\th\xc2\xa0i\xc3\xa9\xe2\x86\x92\n"));
  EXPECT_EQ(nlohmann::json::parse(earshot("history", {"--user", "bob", "--json"}).output)["body"], body);
}

// Nor can the server: every text of it comes out with the codes of its errors, on standard error.
TEST(CommandLineAlone, AServerCannotSteerTheTerminalThatShowsItsErrors) {
  const auto command_line = [](const tests::FakeServer& server, const std::string& command) {
    return std::vector<std::string>{
        "/bin/sh", "-c",
        "exec " + tests::earshot_path() + " " + command + " --user bob --server " + server.address() + " 2>&1"};
  };
  const auto errors_of = [&](const tests::FakeServer& server, const std::string& command) {
    return tests::ChildProcess(command_line(server, command)).read_all();
  };
  tests::FakeServer server;
  const std::string text =
      "a\x1b[2Jb\xc2\x9b"
      "2Jc\nd\x7f"
      "e\xc3\xa9 \xff";
  const std::string shown = "a [2Jb 2Jc d e\xc3\xa9 \xef\xbf\xbd";
  server.script([&](auto& s) { s.refuse_login = Error{ErrorCode::kPermissionDenied, text, text, 0, 0}; });
  for (const char* command : {"history", "listen", "devices", "send --to alice hello"})
    EXPECT_THAT(errors_of(server, command), HasSubstr("(" + shown + "): " + shown)) << command;
  // A listener tries again for ever.
  const auto first_line_of_listener = [&] {
    tests::ChildProcess listener(command_line(server, "listen"));
    std::string line;
    EXPECT_TRUE(listener.read_line(line));
    return line;
  };
  server.script([&](auto& s) { s.refuse_login = Error{ErrorCode::kUnavailable, "", text, 0, 0}; });
  EXPECT_THAT(first_line_of_listener(), testing::EndsWith(shown + ", trying again"));
  server.script([&](auto& s) { s.refuse_login.reset(), s.fail = text; });
  EXPECT_THAT(first_line_of_listener(), testing::EndsWith(shown + ", trying again")) << "a call that fails";
}

TEST_F(CommandLine, ListenerInMemoryGoesOnAfterWhatItAckedBefore) {
  ASSERT_EQ(earshot("send", {"--user", "alice", "--to", "bob", "one", "two", "three"}).code, 0);
  const auto first = earshot("listen", {"--user", "bob", "--count", "2", "--window", "2"});
  EXPECT_EQ(first.code, 0);
  EXPECT_THAT(first.output, testing::AllOf(HasSubstr("alice: one"), HasSubstr("alice: two")));
  const auto second = earshot("listen", {"--user", "bob", "--until", "3"});
  EXPECT_EQ(second.code, 0);
  EXPECT_THAT(second.output, testing::AllOf(HasSubstr("alice: three"), testing::Not(HasSubstr("alice: one"))));
}

TEST_F(CommandLine, SendsTheLinesOfAFileEmptyOnesToo) {
  const std::string path = directory_ / "lines";
  std::ofstream(path) << "first\n\nthird\n";
  ASSERT_EQ(earshot("send", {"--user", "alice", "--to", "bob", "--lines", path}).code, 0);
  const auto state = directory_ / "phone";
  ASSERT_EQ(earshot("listen", {"--user", "bob", "--device", "phone", "--state", state, "--until", "3", "--quiet"}).code,
            0);
  EXPECT_EQ(run({"inbox", "--state", state, "--bodies"}).output, "first\n\nthird\n");
}

TEST_F(CommandLine, NamesTheFieldAndTheLimitOfBadInput) {
  EXPECT_EQ(earshot("send", {"--user", "alice", "--to", std::string(129, 'x'), "hello"}).code, 2);
  EXPECT_EQ(earshot("send", {"--user", "", "--to", "bob", "hello"}).code, 2);
  EXPECT_EQ(earshot("history", {"--user", "bob"}).output, "");
  EXPECT_EQ(run({"send"}).code, 2);
  EXPECT_EQ(run({}).code, 2);
}

TEST_F(CommandLine, KeepsWhatWasSentOfflineForTheNextCommand) {
  const auto state = directory_ / "laptop";
  node_.kill();
  const auto offline = earshot(
      "send", {"--user", "alice", "--device", "laptop", "--state", state, "--to", "bob", "--timeout", "0.5", "later"});
  EXPECT_EQ(offline.code, 4);
  node_.start();
  EXPECT_EQ(earshot("send", {"--user", "alice", "--device", "laptop", "--state", state, "--to", "bob", "now"}).code, 0);
  const auto history = earshot("history", {"--user", "bob"});
  EXPECT_THAT(history.output, testing::ContainsRegex("alice: later\n.*alice: now\n"));
}

TEST_F(CommandLine, WithoutAServerSaysSo) {
  node_.kill();
  EXPECT_EQ(earshot("send", {"--user", "alice", "--to", "bob", "--timeout", "0.5", "hello"}).code, 3);
  EXPECT_EQ(earshot("history", {"--user", "bob", "--timeout", "0.5"}).code, 3);
}

TEST_F(CommandLine, SecondLoginOfADeviceEndsTheFirst) {
  tests::ChildProcess first({tests::earshot_path(), "listen", "--server", node_.address(), "--user", "bob", "--json"});
  ASSERT_EQ(earshot("send", {"--user", "alice", "--to", "bob", "hello"}).code, 0);
  std::string line;
  ASSERT_TRUE(first.read_line(line));  // it is connected
  EXPECT_EQ(earshot("listen", {"--user", "bob", "--until", "1"}).code, 0);
  EXPECT_EQ(first.wait(), 3);
}

TEST_F(CommandLine, ListenEndsInOrderOnInterrupt) {
  tests::ChildProcess listener(
      {tests::earshot_path(), "listen", "--server", node_.address(), "--user", "bob", "--json"});
  ASSERT_EQ(earshot("send", {"--user", "alice", "--to", "bob", "hello"}).code, 0);
  std::string line;
  ASSERT_TRUE(listener.read_line(line));
  listener.signal(SIGINT);
  EXPECT_EQ(listener.wait(), 0);
  EXPECT_THAT(listener.read_all(), HasSubstr("\"summary\":true"));
}

TEST_F(CommandLine, BenchCountsWhatItStored) {
  const auto bench = earshot("bench", {"--messages", "2000", "--connections", "2", "--window", "32", "--json"});
  EXPECT_EQ(bench.code, 0);
  EXPECT_EQ(nlohmann::json::parse(bench.output)["stored"], 2000);
}

TEST_F(CommandLine, NodeStopsInOrderAndKeepsEverything) {
  ASSERT_EQ(earshot("send", {"--user", "alice", "--to", "bob", "hello"}).code, 0);
  EXPECT_EQ(node_.stop(), 0);
  node_.start();
  EXPECT_THAT(earshot("history", {"--user", "bob"}).output, HasSubstr("hello"));
}

}  // namespace
}  // namespace earshot
