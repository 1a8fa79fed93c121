#pragma once

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.hpp"
#include "client/runtime.hpp"
#include "tests/support/cluster_process.hpp"
#include "tests/support/cluster_states.hpp"
#include "tests/support/mailbox_load.hpp"
#include "tests/support/place_load.hpp"
#include "tests/support/seed.hpp"
#include "tests/support/temporary_directory.hpp"

namespace earshot::tests {

// Three nodes under load to which a test does something in rounds. After each round they are whole again by themselves,
// and circles are exact again; at the end the load is judged, nothing waits anywhere, and all replicas have applied the
// same, which their disks show when they have ended. No answer that says that it is exact may be wrong at any time.
class ClusterTest : public testing::Test {
 protected:
  using Clock = std::chrono::steady_clock;

  // EARSHOT_CLUSTER_ROUNDS; one without: the short form.
  static int rounds() {
    const char* given = std::getenv("EARSHOT_CLUSTER_ROUNDS");
    return given != nullptr ? std::atoi(given) : 1;
  }
  static bool is_long() { return rounds() > 1; }
  static void sleep_s(std::uint64_t seconds) { std::this_thread::sleep_for(std::chrono::seconds(seconds)); }
  static void sleep_ms(std::uint64_t ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

  void start_cluster(ClusterOptions options = {}, const std::string& name = "nodes") {
    options.directory = directory_.path() + "/" + name;
    std::filesystem::create_directories(options.directory);
    // Retransmits soon, so that what an old session had outstanding is seen again within the test.
    options.more.insert(options.more.end(), {"--retransmit-first-ms", "200"});
    cluster_.emplace(std::move(options));
  }
  // The n-th client is told all addresses, beginning with another one each time.
  void start_load(MailboxLoad::Shape shape) { start_load(shape, cluster_->addresses()); }
  void start_load(MailboxLoad::Shape shape, const std::vector<std::string>& addresses) {
    load_.emplace(shape, random_.next());
    load_->start(turned(addresses), runtime_);
    load_->wait_for_answers(1, kPatienceMs);
  }
  // Walkers and circles, likewise; returns when circles are exact.
  void start_places(PlaceLoad::Shape shape) { start_places(shape, cluster_->addresses()); }
  void start_places(PlaceLoad::Shape shape, const std::vector<std::string>& addresses) {
    places_.emplace(shape, random_.next());
    places_->start(turned(addresses), runtime_);
    ASSERT_NE(places_->ms_until_exact(Clock::now(), 0, kPatienceMs), UINT64_MAX) << cluster_->logs();
  }
  static MailboxLoad::Shape usual_load() {
    return {.senders = 12, .window = 32, .recipients = 6, .devices = 3, .messages_per_s = 2'000, .reads = true};
  }
  // Beside that: on a machine where others are at work, too, an answer may take its time.
  static PlaceLoad::Shape usual_places() { return {.deadline_ms = 4'000, .rest_ms = 10, .row = 5}; }

  // Does it that often, each time in the middle of the load, and prints how long senders had to wait.
  void in_rounds(const std::string& what, const std::function<void()>& fault) {
    MailboxLoad::Pauses longest;
    for (int round = 1; round <= rounds(); ++round) {
      load_->wait_for_answers(1 + random_.below(3'000), 3'000);
      load_->take_pauses();
      fault();
      const auto healed_at = Clock::now();
      const std::string amiss = cluster_->wait_whole();
      ASSERT_EQ(amiss, "") << "after round " << round << " of " << what << "\n" << cluster_->logs();
      load_->wait_for_answers(500, 3'000);
      const auto pauses = load_->take_pauses();
      longest.sender_ms = std::max(longest.sender_ms, pauses.sender_ms);
      longest.message_ms = std::max(longest.message_ms, pauses.message_ms);
      std::cout << what << ", round " << round << ": longest pause of a sender " << pauses.sender_ms
                << " ms, of one message " << pauses.message_ms << " ms" << std::endl;
      if (!places_) continue;
      ASSERT_NO_FATAL_FAILURE(expect_exact(what, healed_at));
    }
    RecordProperty("pause_ms", static_cast<int>(longest.sender_ms));
  }
  // The n-th client begins with another address than the one before it.
  static std::function<std::vector<std::string>(std::uint32_t n)> turned(std::vector<std::string> addresses) {
    return [addresses = std::move(addresses)](std::uint32_t n) {
      std::vector<std::string> all = addresses;
      std::rotate(all.begin(), all.begin() + n % all.size(), all.end());
      return all;
    };
  }
  // How many more messages are answered within the time.
  std::uint64_t answered_within(std::uint64_t ms) {
    const std::uint64_t before = load_->answered();
    sleep_ms(ms);
    return load_->answered() - before;
  }
  // All circles are exact again, in time; prints how long after `since` that was.
  void expect_exact(const std::string& what, Clock::time_point since) {
    const std::uint64_t ms = places_->ms_until_exact(since, 0, 2 * kPatienceMs);
    ASSERT_NE(ms, UINT64_MAX) << "circles are not exact again after " << what << "\n" << cluster_->logs();
    ASSERT_THAT(places_->wrong(), testing::IsEmpty()) << "in a round of " << what << "\n" << cluster_->logs();
    std::cout << what << ": all circles are exact again " << ms << " ms after it" << std::endl;
  }
  void judge() {
    if (places_) judge_places();
    EXPECT_THAT(load_->judge(), testing::IsEmpty());
    EXPECT_EQ(cluster_->wait_level(), "");
    std::cout << rounds() << " rounds, " << load_->stored() << " messages stored" << std::endl;
    EXPECT_TRUE(cluster_->stop()) << "a node did not end in order";
    EXPECT_EQ(difference_of_states({cluster_->data_of(1), cluster_->data_of(2), cluster_->data_of(3)}, compared_kinds_),
              "");
    if (HasFailure()) std::cout << cluster_->logs() << std::endl;
  }
  void judge_places() {
    places_->end();
    EXPECT_THAT(places_->wrong(), testing::IsEmpty());
    EXPECT_GT(places_->steps(), 0u);
    std::cout << places_->steps() << " steps, " << places_->circles() << " circles, of which "
              << places_->circles() - places_->exact() << " were partial" << std::endl;
    if (const auto [count, why] = places_->unanswered(); count > 0)
      std::cout << count << " circles without an answer, the first: " << why << std::endl;
  }

  std::string_view compared_kinds_ = kComparedKinds;
  TemporaryDirectory directory_;
  Random random_{seed_of_test()};
  std::shared_ptr<client::Runtime> runtime_ = client::Runtime::start().value();
  std::optional<ClusterProcess> cluster_;
  std::optional<MailboxLoad> load_;
  std::optional<PlaceLoad> places_;
};

}  // namespace earshot::tests
