#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/shard_world.hpp"

// What becomes of a device between its session's login and the session's registration.
namespace earshot::actors {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using tests::device;
using tests::RecordingSession;
using tests::ShardWorld;

class ShardRegistration : public testing::Test {
 protected:
  ShardRegistration() { world.settle(); }

  ProducerId login() {
    world->handle(ShardLogin{port, ++world.requests, LoginCommand{world.alice, device("phone"), {}, {}, {}, {}}});
    world.settle();
    return port->logins.back().outcome->producer;
  }
  void remove_device() {
    world->handle(ShardManage{port, ++world.requests, RemoveDeviceRequest{world.alice, device("phone")}});
    world.settle();
    ASSERT_TRUE(port->manages.back().answer);
  }
  void subscribe(SessionId id, ProducerId producer) {
    world->handle(ShardRegister{phone, id, world.alice, device("phone"), true, {}, producer});
  }
  std::vector<std::uint64_t> pushed_of_one_more() {
    world.send(port, world.alice, ++sent_);
    world.settle();
    return phone->pushed();
  }

  ShardWorld world;
  std::shared_ptr<RecordingSession> port = std::make_shared<RecordingSession>();
  std::shared_ptr<RecordingSession> phone = std::make_shared<RecordingSession>();
  std::uint64_t sent_ = 0;
};

TEST_F(ShardRegistration, SessionOfTheLastLoginIsTaken) {
  subscribe(1, login());
  EXPECT_FALSE(phone->evicted.has_value());
  EXPECT_THAT(pushed_of_one_more(), ElementsAre(1));
}

// Its lanes are forgotten: a message that it sends again would be stored again.
TEST_F(ShardRegistration, SessionOfADeviceThatWasRemovedSinceItsLoginMustLogInAgain) {
  const ProducerId producer = login();
  remove_device();
  subscribe(1, producer);
  ASSERT_TRUE(phone->evicted.has_value());
  EXPECT_EQ(phone->evicted->code, ErrorCode::kClosed);
  EXPECT_THAT(pushed_of_one_more(), IsEmpty());
}

TEST_F(ShardRegistration, SessionWhoseDeviceHasAnotherProducerByNowIsReplaced) {
  const ProducerId producer = login();
  subscribe(1, producer);
  ASSERT_NE(login(), producer);
  subscribe(1, producer);
  ASSERT_TRUE(phone->evicted.has_value());
  EXPECT_EQ(phone->evicted->code, ErrorCode::kSessionReplaced);
  EXPECT_THAT(pushed_of_one_more(), IsEmpty()) << "nothing of it is left";
}

}  // namespace
}  // namespace earshot::actors
