#pragma once

#include "actors/ports.hpp"

namespace earshot::tests {

// A shard to which all is lost, but what somebody derived from it hears.
class DeafShard : public actors::ShardInbox {
 public:
  void post(actors::ShardSend) override {}
  void post(actors::ShardLogin) override {}
  void post(actors::ShardAck) override {}
  void post(actors::ShardFetch) override {}
  void post(actors::ShardHistory) override {}
  void post(actors::ShardManage) override {}
  void post(actors::ShardAttempts) override {}
  void post(actors::ShardRegister) override {}
  void post(actors::ShardUnregister) override {}
  void post(actors::ShardPositions) override {}
  void post(actors::ShardWhere) override {}
  void post(actors::ShardTransfer) override {}
  void post(actors::ShardTransferred) override {}
};

}  // namespace earshot::tests
