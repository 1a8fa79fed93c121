#include "resp/replies.hpp"

#include <cstdlib>
#include <functional>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resp/command_table.hpp"

namespace earshot::resp {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using Names = std::vector<std::string>;

std::string written(bool is_resp3, const std::function<void(ReplyWriter&)>& write) {
  std::string to;
  ReplyWriter writer(to);
  writer.use_resp3(is_resp3);
  write(writer);
  return to;
}

// Takes one reply off the front; false where there is none, or not a whole one.
bool take_reply(std::string_view& bytes) {
  const auto end = bytes.find("\r\n");
  if (end == std::string_view::npos) return false;
  const char kind = bytes.front();
  const int number = std::atoi(std::string(bytes.substr(1, end - 1)).c_str());
  bytes.remove_prefix(end + 2);
  if (kind == '$' || kind == '=') {
    if (number < 0) return true;
    const auto size = static_cast<std::size_t>(number);
    if (bytes.size() < size + 2 || bytes.substr(size, 2) != "\r\n") return false;
    bytes.remove_prefix(size + 2);
    return true;
  }
  if (std::string_view("*~%").find(kind) == std::string_view::npos)
    return std::string_view("+:_").find(kind) != std::string_view::npos;
  for (int left = kind == '%' ? 2 * number : number; left > 0; --left)
    if (!take_reply(bytes)) return false;
  return true;
}

TEST(Replies, EachIsOneWholeReplyInBothProtocols) {
  const std::function<void(ReplyWriter&)> replies[] = {
      write_command_count,
      write_command_list,
      [](ReplyWriter& to) { write_command_info(to, std::nullopt); },
      [](ReplyWriter& to) {
        write_command_info(to, Names{"geoadd", "none", "CLIENT", "client|id"});
      },
      [](ReplyWriter& to) { write_command_docs(to, std::nullopt); },
      [](ReplyWriter& to) {
        write_command_docs(to, Names{"none", "config"});
      },
      [](ReplyWriter& to) { write_hello(to, 7); },
      [](ReplyWriter& to) { write_client_info(to, {}); },
      [](ReplyWriter& to) { write_info(to, {}, {}); },
  };
  for (const auto& reply : replies) {
    for (const bool is_resp3 : {false, true}) {
      const std::string bytes = written(is_resp3, reply);
      std::string_view left = bytes;
      EXPECT_TRUE(take_reply(left)) << bytes;
      EXPECT_EQ(left, "") << bytes;
    }
  }
}

TEST(Replies, CommandInfoTellsWhatRedisTells) {
  const auto info = [](const Names& names) {
    return written(true, [&](ReplyWriter& to) { write_command_info(to, names); });
  };
  EXPECT_EQ(info({"GeoAdd"}),
            "*1\r\n*10\r\n$6\r\ngeoadd\r\n:-5\r\n~2\r\n+write\r\n+denyoom\r\n:1\r\n:1\r\n:1\r\n"
            "~3\r\n+@geo\r\n+@write\r\n+@slow\r\n*0\r\n*0\r\n*0\r\n");
  EXPECT_EQ(info({"none"}), "*1\r\n_\r\n");
  EXPECT_THAT(info({"client"}), HasSubstr("$9\r\nclient|id\r\n:2\r\n"));
}

TEST(Replies, CommandsAreCountedAndListedWithoutTheirSubcommands) {
  const std::string list = written(false, write_command_list);
  EXPECT_THAT(list, HasSubstr("\r\ngeosearch\r\n"));
  EXPECT_THAT(list, Not(HasSubstr("|")));
  const std::string count = written(false, write_command_count);
  EXPECT_EQ(list.substr(1, list.find('\r') - 1), count.substr(1, count.find('\r') - 1));
}

TEST(Replies, DocsLeaveOutWhatThereIsNot) {
  EXPECT_EQ(written(true,
                    [](auto& to) {
                      write_command_docs(to, Names{"none", "zcard"});
                    }),
            "%1\r\n$5\r\nzcard\r\n%3\r\n$7\r\nsummary\r\n$26\r\nHow many members there are\r\n"
            "$5\r\nsince\r\n$5\r\n1.2.0\r\n$5\r\ngroup\r\n$10\r\nsorted-set\r\n");
}

TEST(Replies, HelloTellsTheProtocolThatItIsWrittenIn) {
  EXPECT_THAT(written(false, [](auto& to) { write_hello(to, 7); }),
              testing::AllOf(StartsWith("*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n"), HasSubstr("$5\r\nproto\r\n:2\r\n"),
                             HasSubstr("$2\r\nid\r\n:7\r\n"), EndsWith("$7\r\nmodules\r\n*0\r\n")));
  EXPECT_THAT(written(true, [](auto& to) { write_hello(to, 7); }),
              testing::AllOf(StartsWith("%7\r\n"), HasSubstr("$5\r\nproto\r\n:3\r\n")));
}

InfoFacts some_facts() {
  InfoFacts facts;
  facts.version = "0.9";
  facts.port = 6379;
  facts.uptime_s = 200'000;
  facts.connections = 3;
  facts.commands_total = 99;
  facts.keys = 4;
  facts.memory_bytes = 3'221'225;
  return facts;
}

TEST(Replies, InfoHasTheSectionsAskedFor) {
  const auto info = [](const Names& sections, const InfoFacts& facts = some_facts()) {
    return written(false, [&](ReplyWriter& to) { write_info(to, sections, facts); });
  };
  EXPECT_EQ(info({"memory", "none", "clients"}),
            "$90\r\n# Clients\r\nconnected_clients:3\r\n\r\n"
            "# Memory\r\nused_memory:3221225\r\nused_memory_human:3.07M\r\n\r\n");
  EXPECT_THAT(info({"server"}),
              testing::AllOf(HasSubstr("redis_version:7.0.0\r\n"), HasSubstr("earshot_version:0.9\r\n"),
                             HasSubstr("tcp_port:6379\r\n"), HasSubstr("uptime_in_days:2\r\n")));
  EXPECT_EQ(info({"keyspace"}), "$44\r\n# Keyspace\r\ndb0:keys=4,expires=0,avg_ttl=0\r\n\r\n");
  EXPECT_EQ(info({"keyspace"}, InfoFacts{}), "$12\r\n# Keyspace\r\n\r\n");
  EXPECT_EQ(info({"none"}), "$0\r\n\r\n");
  EXPECT_EQ(info({}), info({"all"}));
  EXPECT_EQ(info({}), info({"server", "default"}));
  EXPECT_THAT(info({}), HasSubstr("total_commands_processed:99\r\n"));
}

TEST(Replies, MemoryIsToldForPeopleUpToTheLargestNumber) {
  InfoFacts facts;
  for (const auto& [bytes, text] : {std::pair<std::uint64_t, std::string>{1023, "1023B"},
                                    {1024, "1.00K"},
                                    {std::numeric_limits<std::uint64_t>::max(), "16.00E"}}) {
    facts.memory_bytes = bytes;
    EXPECT_THAT(written(false, [&](auto& to) { write_info(to, Names{"memory"}, facts); }), HasSubstr(":" + text));
  }
}

TEST(Replies, ClientInfoIsOneLineOfVerbatimText) {
  const ClientFacts facts{7, "127.0.0.1:50000", "127.0.0.1:6379", "n", "alice", 5, 1};
  EXPECT_EQ(written(true, [&](auto& to) { write_client_info(to, facts); }),
            "=140\r\ntxt:id=7 addr=127.0.0.1:50000 laddr=127.0.0.1:6379 name=n age=5 idle=1 flags=N db=0 sub=0 psub=0 "
            "ssub=0 multi=-1 user=alice redir=-1 resp=3\n\r\n");
}

}  // namespace
}  // namespace earshot::resp
