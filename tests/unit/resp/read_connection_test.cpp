#include "resp/read_connection.hpp"

#include "resp/read_server.hpp"
#include "tests/unit/resp/reading.hpp"

namespace earshot::resp {
namespace {

TEST(ReadConnection, TakesWhatEveryClientSaysFirst) {
  EXPECT_FALSE(read_as<Ping>("ping").text);
  EXPECT_EQ(read_as<Ping>("PING hi").text, "hi");
  EXPECT_EQ(read_as<Echo>("echo 'a b'").text, "a b");
  read_as<Ok>("select 0");
  read_as<Quit>("quit");
  read_as<Reset>("reset");
  EXPECT_FALSE(read_as<Auth>("auth secret").user);
  EXPECT_EQ(read_as<Auth>("auth alice secret").user, "alice");
  EXPECT_EQ(read_as<Auth>("auth alice secret").password, "secret");
  expect_refusals({
      {"ping a b", "ERR wrong number of arguments for 'ping' command"},
      {"auth", "ERR wrong number of arguments for 'auth' command"},
      {"auth a b c", "ERR syntax error"},
  });
}

TEST(ReadConnection, ThereIsOneDatabase) {
  expect_refusals({
      {"select 1", "ERR DB index is out of range"},
      {"select -1", "ERR DB index is out of range"},
      {"select x", "ERR value is not an integer or out of range"},
      {"select 2147483648", "ERR value is out of range, value must between -2147483648 and 2147483647"},
      {"select 99999999999999999999", "ERR value is not an integer or out of range"},
  });
}

TEST(ReadHello, TakesProtocolLoginAndName) {
  const Hello plain = read_as<Hello>("hello");
  EXPECT_FALSE(plain.protocol || plain.auth || plain.name);
  const Hello hello = read_as<Hello>("HELLO 3 SETNAME n AUTH alice secret");
  EXPECT_EQ(hello.protocol, 3);
  EXPECT_EQ(hello.auth->user, "alice");
  EXPECT_EQ(hello.auth->password, "secret");
  EXPECT_EQ(hello.name, "n");
  EXPECT_EQ(read_as<Hello>("hello 2").protocol, 2);
  expect_refusals({
      {"hello x", "ERR Protocol version is not an integer or out of range"},
      {"hello 1", "NOPROTO unsupported protocol version"},
      {"hello 4 foo", "NOPROTO unsupported protocol version"},
      {"hello 3 foo", "ERR Syntax error in HELLO option 'foo'"},
      {"hello 3 AUTH a", "ERR Syntax error in HELLO option 'AUTH'"},
      {"hello 3 setname", "ERR Syntax error in HELLO option 'setname'"},
      {"hello 3 setname 'a b'", "ERR Client names cannot contain spaces, newlines or special characters."},
  });
}

TEST(ReadClient, TakesWhatConcernsTheConnection) {
  read_as<ClientId>("CLIENT ID");
  read_as<ClientGetName>("client getname");
  EXPECT_EQ(read_as<ClientSetName>("client setname a~!").name, "a~!");
  EXPECT_EQ(read_as<ClientSetName>("client setname ''").name, "");
  for (const char* line : {"client info", "client list", "client LIST TYPE Normal"}) read_as<ClientInfo>(line);
  for (const char* line : {"client setinfo LIB-NAME redis-py", "client setinfo lib-ver 5.0", "client no-evict on",
                           "client no-touch OFF", "client reply ON"})
    read_as<Ok>(line);
}

TEST(ReadClient, SaysWhatIsWrong) {
  const std::string_view bad_name = "ERR Client names cannot contain spaces, newlines or special characters.";
  expect_refusals({
      {"client", "ERR wrong number of arguments for 'client' command"},
      {"client id x", "ERR wrong number of arguments for 'client|id' command"},
      {"client setname", "ERR wrong number of arguments for 'client|setname' command"},
      {"client setname 'a b'", bad_name},
      {"client setname \"a\\n\"", bad_name},
      {"client setname caf\xc3\xa9", bad_name},
      {"client setname \"a\\x00\"", bad_name},
      {"client list foo", "ERR syntax error"},
      {"client list type foo", "ERR Unknown client type 'foo'"},
      {"client list type pubsub", "ERR clients have no other type than NORMAL in Earshot"},
      {"client list id", "ERR syntax error"},
      {"client list id x", "ERR Invalid client ID"},
      {"client list id 1", "ERR CLIENT LIST ID is not supported by Earshot"},
      {"client no-evict x", "ERR syntax error"},
      {"client reply x", "ERR syntax error"},
      {"client reply off", "ERR CLIENT REPLY OFF and SKIP are not supported by Earshot"},
      {"client setinfo foo bar", "ERR Unrecognized option 'foo'"},
      {"client setinfo lib-name 'a b'", "ERR lib-name cannot contain spaces, newlines or special characters."},
      {"client help", "ERR CLIENT HELP is not supported by Earshot"},
  });
}

TEST(ReadServer, TakesWhatAsksForFacts) {
  EXPECT_EQ(read_as<Info>("INFO Server ALL").sections, (std::vector<std::string>{"server", "all"}));
  EXPECT_TRUE(read_as<Info>("info").sections.empty());
  EXPECT_EQ(read_as<ConfigGet>("config get MaxMemory *").patterns, (std::vector<std::string>{"maxmemory", "*"}));
  EXPECT_FALSE(read_as<CommandInfo>("command").names);
  EXPECT_FALSE(read_as<CommandInfo>("command info").names);
  EXPECT_EQ(read_as<CommandInfo>("command info get geoadd").names, (std::vector<std::string>{"get", "geoadd"}));
  EXPECT_FALSE(read_as<CommandDocs>("command docs").names);
  read_as<CommandCount>("command count");
  read_as<CommandList>("command list");
  const std::string_view in_file =
      "ERR settings are in the node's configuration file and cannot be changed by a client";
  expect_refusals({
      {"config set a b", in_file},
      {"config set a b c", "ERR syntax error"},
      {"config set a", "ERR wrong number of arguments for 'config|set' command"},
      {"config resetstat", in_file},
      {"config rewrite", in_file},
      {"config get", "ERR wrong number of arguments for 'config|get' command"},
      {"command list x", "ERR syntax error"},
      {"command list filterby x y", "ERR syntax error"},
      {"command list filterby pattern y", "ERR COMMAND LIST FILTERBY is not supported by Earshot"},
      {"command getkeys geoadd k", "ERR COMMAND GETKEYS is not supported by Earshot"},
      {"command count x", "ERR wrong number of arguments for 'command|count' command"},
  });
}

TEST(ReadServer, NamesPassAtTheLimitAndOneMoreIsRefused) {
  std::string names;
  for (std::size_t i = 0; i < limits::kRespNamesMax; ++i) names += " x";
  EXPECT_EQ(read_as<CommandInfo>("command info" + names).names->size(), limits::kRespNamesMax);
  EXPECT_EQ(read_as<CommandDocs>("command docs" + names).names->size(), limits::kRespNamesMax);
  EXPECT_EQ(read_as<ConfigGet>("config get" + names).patterns.size(), limits::kRespNamesMax);
  for (const std::string command : {"command info", "command docs", "config get"})
    EXPECT_EQ(read_line(command + names + " x").error(), "ERR more than 256 names are asked about: ask for fewer")
        << command;
}

}  // namespace
}  // namespace earshot::resp
