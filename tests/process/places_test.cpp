// Where everybody is, with real programs: set by the command line, asked by the client library, judged by looking at
// every member.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "auth/keys.hpp"
#include "auth/token.hpp"
#include "base/clock.hpp"
#include "geo/geohash.hpp"
#include "tests/support/certificates.hpp"
#include "tests/support/process_client.hpp"
#include "tests/support/search_oracle.hpp"

namespace earshot {
namespace {

using testing::HasSubstr;

const std::string kZones = "/usr/share/zoneinfo/zone1970.tab";  // of Debian's tzdata

struct Outcome {
  int code = 0;
  std::string output;  // with what went to standard error
};

class PlacesProcess : public tests::ProcessTest {
 protected:
  // A command against the node of this test; the arguments hold nothing that a shell would take apart.
  Outcome earshot(const std::string& arguments) {
    tests::ChildProcess process(
        {"/bin/sh", "-c",
         "exec " + tests::earshot_path() + " " + arguments + " --server " + node().address() + " 2>&1"});
    Outcome outcome;
    outcome.output = process.read_all();
    outcome.code = process.wait();
    return outcome;
  }
  std::unique_ptr<tests::Device> connect(const std::string& token = "operator") {
    auto device = open_sender(token);
    const auto connected = (*device)->wait_connected(tests::kPatienceMs);
    EXPECT_TRUE(connected) << connected.error().to_string();
    return device;
  }
  // Its calls end with their connection.
  std::unique_ptr<tests::Device> connect_once() {
    auto once = options("operator", "sender");
    once.receive = false;
    once.call_timeout_ms = 0;
    auto device = open(std::move(once), std::make_shared<client::MemoryStore>());
    const auto connected = (*device)->wait_connected(tests::kPatienceMs);
    EXPECT_TRUE(connected) << connected.error().to_string();
    return device;
  }
  // Asked again while the node says that it does not know yet.
  static Positions positions(tests::Device& device, const std::vector<std::string>& members) {
    for (;;) {
      auto told = device->positions({{}, members}).get();
      if (told) return std::move(told).value();
      if (told.error().retry_after_ms == 0) throw std::runtime_error(told.error().to_string());
    }
  }
  // Everybody's place, asked member by member.
  static tests::Spots spots_of(tests::Device& device, const std::vector<std::string>& members) {
    tests::Spots spots;
    const Positions told = positions(device, members);
    for (std::size_t i = 0; i < members.size(); ++i) {
      EXPECT_TRUE(told.members.at(i)) << members[i];
      if (told.members.at(i)) spots[members[i]] = {told.members[i]->point.longitude, told.members[i]->point.latitude};
    }
    return spots;
  }
};

std::vector<std::string> zones() {
  std::vector<std::string> names;
  std::ifstream file(kZones);
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const auto second = line.find('\t', line.find('\t') + 1);
    names.push_back(line.substr(second + 1, line.find('\t', second + 1) - second - 1));
  }
  return names;
}

// All of them with their distances from a place, the nearest first, by the test's own haversine.
std::vector<std::pair<double, std::string>> by_distance(const tests::Spots& spots, const tests::Spot& centre) {
  std::vector<std::pair<double, std::string>> distances;
  for (const auto& [name, spot] : spots) distances.emplace_back(tests::haversine_m(centre, spot), name);
  std::ranges::sort(distances);
  return distances;
}

TEST_F(PlacesProcess, TheZonesOfTheEarthAreLoadedAndFoundAsLookingAtEachOfThemFindsThem) {
  const auto names = zones();
  ASSERT_GT(names.size(), 200u);
  start_node();
  const auto loaded = earshot("locate --user operator --file " + kZones);
  EXPECT_EQ(loaded.code, 0);
  EXPECT_THAT(loaded.output, HasSubstr(std::to_string(names.size()) + " added, 0 changed"));
  const auto device = connect();
  const tests::Spots spots = spots_of(*device, names);
  ASSERT_EQ(spots.size(), names.size());
  EXPECT_NEAR(spots.at("Pacific/Chatham").longitude, -(176 + 33 / 60.0), 1e-5);
  EXPECT_NEAR(spots.at("Pacific/Chatham").latitude, -(43 + 57 / 60.0), 1e-5);

  NearbyRequest around_beijing;
  around_beijing.centre = geo::Point{116.4, 39.9};
  around_beijing.area = Circle{1'500'000};
  around_beijing.order = NearbyOrder::kNearestFirst;
  around_beijing.with_distance = true;
  const auto near = (*device)->nearby(around_beijing).get();
  ASSERT_TRUE(near) << near.error().to_string();
  EXPECT_EQ(near->completeness, Completeness::kExact);
  auto expected = by_distance(spots, {116.4, 39.9});
  std::erase_if(expected, [](const auto& one) { return one.first > 1'500'000; });
  ASSERT_GT(expected.size(), 3u);
  ASSERT_EQ(near->members.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(near->members[i].member, expected[i].second);
    EXPECT_NEAR(near->members[i].distance_m.value(), expected[i].first, 0.01);
  }

  // The nearest to Chatham are on both sides of 180 degrees.
  const auto nearest = earshot("nearby --user operator --member Pacific/Chatham --radius 20000km --count 5 --json");
  EXPECT_EQ(nearest.code, 0);
  expected = by_distance(spots, spots.at("Pacific/Chatham"));
  std::istringstream lines(nearest.output);
  std::set<bool> sides;
  for (std::size_t i = 0; i < 5; ++i) {
    std::string line;
    ASSERT_TRUE(std::getline(lines, line)) << nearest.output;
    const auto one = nlohmann::json::parse(line);
    EXPECT_EQ(one["member"], expected[i].second);
    EXPECT_NEAR(one["distanceM"].get<double>(), expected[i].first, 0.01);
    sides.insert(one["longitude"].get<double>() > 0);
  }
  EXPECT_EQ(sides.size(), 2u);
  std::string last;
  std::getline(lines, last);
  EXPECT_EQ(last, R"({"found":5,"completeness":"truncated"})");
}

TEST_F(PlacesProcess, TheCommandsSetShowAndClear) {
  start_node();
  EXPECT_EQ(earshot("locate --user alice 116.4 39.9").output, "you: added\n");
  EXPECT_EQ(earshot("locate --user alice bob -73.9 40.7").output, "bob: added\n");
  EXPECT_EQ(earshot("locate --user alice bob 116.41 39.9 --only-if-new").output, "bob: skipped\n");
  EXPECT_EQ(earshot("locate --user alice bob 116.42 39.9 --accepted").output, "bob: accepted\n");
  EXPECT_EQ(earshot("locate --user alice bob 116.41 39.9 --only-if-exists --ttl 1h").output, "bob: changed\n");
  EXPECT_EQ(earshot("locate --user alice carol 1 2 --only-if-exists --json").output,
            "{\"member\":\"carol\",\"outcome\":\"skipped\"}\n");
  const auto near = earshot("nearby --user alice --radius 5km --map");
  EXPECT_EQ(near.code, 0);
  EXPECT_THAT(near.output, testing::AllOf(HasSubstr("bob"), HasSubstr("853 m"), HasSubstr("| 2 km\n"),
                                          HasSubstr("2 within 5.00 km; that is everybody\n")));
  EXPECT_THAT(earshot("nearby --user alice --at 116.4,39.9 --box 100mx100m").output,
              testing::AllOf(HasSubstr("alice"), testing::Not(HasSubstr("bob")),
                             HasSubstr("1 in a box of 100 m by 100 m; that is everybody\n")));
  EXPECT_THAT(earshot("nearby --user alice --radius 5km --count 1").output, HasSubstr("there are more\n"));
  earshot("locate --user alice --layer taxis 7 1 2");
  EXPECT_THAT(earshot("layers --user alice").output,
              testing::ContainsRegex("people +2  places to 200 m.*\ntaxis +1  places to 200 m"));
  EXPECT_EQ(earshot("layers --user alice --clear taxis").output, "taxis is cleared\n");
  EXPECT_EQ(earshot("layers --user alice --clear taxis").output, "taxis: nobody was in it\n");
  EXPECT_EQ(earshot("layers --user alice --json").output,
            "{\"layer\":\"people\",\"members\":2,\"privacy\":{\"precisionM\":200,\"distanceStepM\":100,"
            "\"queriesPerMinute\":30,\"inherited\":true}}\n");
  EXPECT_EQ(earshot("layers --user alice --privacy people --precision 300 --step 0").output,
            "people: places to 300 m, exact distances, 30 questions a minute\n");
  EXPECT_EQ(earshot("layers --user alice --privacy people --inherit").output,
            "people: places to 200 m, distances to 100 m, 30 questions a minute (as by default)\n");
  EXPECT_EQ(earshot("locate --user alice --remove bob carol").output, "1 of 2 had a position; none has one now\n");
  EXPECT_EQ(earshot("locate --user alice --remove").output, "1 of 1 had a position; none has one now\n");

  // Bad usage, before a server is asked.
  for (const char* wrong :
       {"locate --user alice", "locate --user alice 1", "locate --user alice bob 181 0", "locate --user alice bob x 0",
        "locate --user alice bob 1 2 --only-if-new --only-if-exists", "locate --user alice --file /nowhere",
        "nearby --user alice", "nearby --user alice --radius 5parsecs", "nearby --user alice --radius -5",
        "nearby --user alice --radius 1km --box 1x1", "nearby --user alice --at 1 --radius 5",
        "nearby --user alice --at 1,2 --member bob --radius 5", "nearby --user alice --radius 5 --order best"})
    EXPECT_EQ(earshot(wrong).code, 2) << wrong;
  EXPECT_EQ(earshot("nearby --user alice --radius 5 --count 10001").code, 2) << "refused by the node";
  EXPECT_EQ(earshot("nearby --user alice --member nobody --radius 5").code, 1);
}

TEST_F(PlacesProcess, LinesThatCannotBeReadAreNamedAndTheRestIsLoaded) {
  start_node();
  const std::string path = directory_ / "places.csv";
  std::ofstream(path) << "member,longitude,latitude\nann,1,2\nben,200,2\n\n# nobody\ncid,3,4\ndan\n";
  const auto loaded = earshot("locate --user operator --file " + path);
  EXPECT_EQ(loaded.code, 1);
  EXPECT_THAT(loaded.output,
              testing::AllOf(HasSubstr(path + ":3: place.longitude must be from -180 to 180 degrees"),
                             HasSubstr(path + ":7: line must be member,longitude,latitude"),
                             HasSubstr("2 added, 0 changed, 0 unchanged, 0 skipped; 2 lines could not be read")));
}

TEST_F(PlacesProcess, AUsersTokenSetsItsOwnPlaceAndNobodyElses) {
  const auto key = auth::new_key(auth::Algorithm::kEs256, "first").value();
  tests::write_file(directory_ / "keys.json", auth::to_json(std::vector{key}).value());
  start_node({"--auth", "jwt", "--jwt-keys", directory_ / "keys.json"});
  const auto token_file = [&](const std::string& user, Role role) {
    const std::uint64_t now_s = SystemClock().wall_ms() / 1'000;
    const std::string path = directory_ / (user + ".token");
    tests::write_file(path, auth::sign({UserId::trusted(user), role, now_s, now_s + 3'600}, key).value());
    return path;
  };
  const std::string alice = " --token-file " + token_file("alice", Role::kUser);
  const std::string backend = " --token-file " + token_file("backend", Role::kService);
  EXPECT_EQ(earshot("locate 1 2" + alice).code, 0);
  EXPECT_EQ(earshot("locate alice 1 2" + alice).code, 0);
  const auto other = earshot("locate bob 1 2" + alice);
  EXPECT_EQ(other.code, 3);
  EXPECT_THAT(other.output, HasSubstr("role service or operator"));
  EXPECT_EQ(earshot("locate --remove bob" + alice).code, 3);
  EXPECT_EQ(earshot("layers --clear people" + alice).code, 3);
  EXPECT_EQ(earshot("layers --privacy people --precision 0" + alice).code, 3);
  EXPECT_EQ(earshot("locate bob 1.001 2" + backend).code, 0);
  EXPECT_EQ(earshot("locate carol 1.001 2 --hidden" + backend).code, 0);
  EXPECT_THAT(earshot("nearby --radius 5km" + alice).output,
              testing::AllOf(HasSubstr("bob"), HasSubstr("00 m"), testing::Not(HasSubstr("carol"))));
  EXPECT_THAT(earshot("nearby --member alice --radius 5km" + backend).output,
              testing::AllOf(HasSubstr("111 m"), HasSubstr("carol")));
  const auto near = earshot("nearby --member alice --radius 5km --json" + backend);
  EXPECT_EQ(near.code, 0);
  EXPECT_THAT(near.output, testing::AllOf(HasSubstr("alice"), HasSubstr("bob"), HasSubstr("exact")));
}

// ---- the node is killed

// Moves members about and remembers what was answered, and what may have been done all the same.
class Mover {
 public:
  Mover(tests::Device& device, int round) : device_(device), thread_([this, round] { run(round); }) {}
  ~Mover() { join(); }
  Mover(const Mover&) = delete;
  Mover& operator=(const Mover&) = delete;

  std::atomic<std::uint64_t> answered = 0;
  std::atomic<bool> has_ended = false;  // a call has failed
  // Once the thread has ended.
  std::map<std::string, geo::Geohash> known;
  std::map<std::string, geo::Geohash> in_doubt;

  static constexpr int kMembers = 8'000;
  static std::string name_of(int member) { return "member " + std::to_string(member); }
  void join() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  static constexpr int kBatch = 500;

  void run(int round) {
    for (int step = 0;; ++step) {
      SetPositionsRequest request;
      for (int i = 0; i < kBatch; ++i) {
        const int member = (step * kBatch + i) % kMembers;
        request.items.push_back(
            {name_of(member), {(member * 37 + step * 11 + round * 7) % 360 - 180.0 + 0.5, member % 160 - 80.0}, 0});
      }
      const auto outcomes = device_->set_positions(request).get();
      for (const PositionItem& item : request.items)
        (outcomes ? known : in_doubt)[item.member] = geo::encode(item.point);
      if (!outcomes) break;
      ++answered;
    }
    has_ended = true;
  }

  tests::Device& device_;
  std::thread thread_;
};

// Many whom nobody asks for, so that a node that starts takes its time to know where everybody is.
void put_others(tests::Device& device) {
  constexpr int kOthers = 40 * static_cast<int>(limits::kPositionsBatchMax);
  for (int other = 0; other < kOthers;) {
    SetPositionsRequest request;
    request.layer = LayerId::trusted("others");
    while (request.items.size() < limits::kPositionsBatchMax) {
      request.items.push_back({"other " + std::to_string(other), {other % 360 - 180.0, other % 170 - 85.0}, 0});
      ++other;
    }
    ASSERT_TRUE(device->set_positions(request).get());
  }
}

TEST_F(PlacesProcess, WhatWasAnsweredIsBackAfterAKillAndNothingIsSaidToBeWholeBefore) {
  start_node();
  put_others(*connect());
  std::map<std::string, geo::Geohash> known;
  std::size_t partial = 0, exact = 0;
  for (int round = 0; round < 4; ++round) {
    std::map<std::string, geo::Geohash> in_doubt;
    {
      const auto device = connect_once();
      Mover mover(*device, round);
      const std::uint64_t wanted = Mover::kMembers / 500 * (round == 0 ? 1 : 0) + 3 + 5 * round;
      while (mover.answered < wanted && !mover.has_ended) std::this_thread::yield();
      ASSERT_FALSE(mover.has_ended);
      node().kill();
      mover.join();
      for (const auto& [member, place] : mover.known) known[member] = place;
      in_doubt = mover.in_doubt;
    }
    ASSERT_EQ(known.size(), std::size_t{Mover::kMembers});
    node().start();
    const auto device = connect();
    NearbyRequest everybody;
    everybody.centre = geo::Point{0, 0};
    everybody.area = Circle{21'000'000};
    everybody.with_geohash = true;
    everybody.deadline_ms = 1;
    for (bool whole = false; !whole;) {
      const auto found = (*device)->nearby(everybody).get();
      ASSERT_TRUE(found) << found.error().to_string();
      whole = found->completeness == Completeness::kExact;
      ++(whole ? exact : partial);
      std::set<std::string> members;
      for (const NearbyMember& one : found->members) {
        EXPECT_TRUE(members.insert(one.member).second) << one.member << " is told twice";
        const geo::Geohash place = one.geohash.value();
        EXPECT_TRUE(place == known[one.member] || (in_doubt.contains(one.member) && place == in_doubt[one.member]))
            << one.member;
      }
      EXPECT_TRUE(!whole || members.size() == known.size()) << "said to be exact";
    }
    // What was in doubt is known from here on.
    std::vector<std::string> names;
    for (const auto& [name, place] : in_doubt) names.push_back(name);
    const Positions told = positions(*device, names);
    for (std::size_t i = 0; i < names.size(); ++i) known[names[i]] = told.members.at(i).value().geohash;
  }
  EXPECT_EQ(exact, 4u);
  RecordProperty("partial_answers", static_cast<int>(partial));
}

}  // namespace
}  // namespace earshot
