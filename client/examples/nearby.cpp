// Nearby: a backend says where three people are, and asks who is within five kilometres of one of them.
//
//   client-example-nearby [ADDRESS]        default 127.0.0.1:7400
//
// With `--auth none` the token is the user's name, and everybody may do this; else the token needs the role service or
// operator, which are shown exactly where everybody is. The client only asks: it receives no messages, and has nothing
// to keep.
#include <iostream>

#include "client/client.hpp"
#include "client/memory_store.hpp"

using namespace earshot;

int main(int argc, char** argv) {
  const auto runtime = client::Runtime::start();
  if (!runtime) return std::cerr << runtime.error().to_string() << "\n", 1;
  client::Options options;
  options.addresses = {argc > 1 ? argv[1] : "127.0.0.1:7400"};
  options.token = "backend";
  options.device = "nearby-example";
  options.receive = false;
  auto client = client::Client::open(options, std::make_shared<client::MemoryStore>(), {}, *runtime);
  if (!client) return std::cerr << client.error().to_string() << "\n", 1;
  if (const Status status = (*client)->wait_connected(10'000); !status)
    return std::cerr << status.error().to_string() << "\n", 1;

  // Longitude, then latitude. The answer comes when the positions are committed: whoever asks from here on sees them.
  SetPositionsRequest positions;
  positions.items = {{"alice", {116.40, 39.90}, 0}, {"bob", {116.41, 39.90}, 0}, {"carol", {121.47, 31.23}, 0}};
  const auto outcomes = (*client)->set_positions(positions).get();
  if (!outcomes) return std::cerr << outcomes.error().to_string() << "\n", 1;

  NearbyRequest question;
  question.centre = "alice";      // or a geo::Point
  question.area = Circle{5'000};  // metres; or a Box
  question.order = NearbyOrder::kNearestFirst;
  question.with_distance = true;
  const auto found = (*client)->nearby(question).get();
  if (!found) return std::cerr << found.error().to_string() << "\n", 1;
  for (const NearbyMember& one : found->members)
    std::cout << one.member << " is " << static_cast<int>(one.distance_m.value_or(0)) << " m away\n";
  if (found->completeness == Completeness::kExact) std::cout << "that is everybody\n";
}
