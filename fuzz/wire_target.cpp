// What clients and servers read from each other's messages: a value or an error, never an exception.
#include <cstring>

#include <capnp/message.h>
#include <capnp/serialize.h>
#include <kj/exception.h>

#include "base/limits.hpp"
#include "fuzz/target.hpp"
#include "schema/wire.hpp"

namespace earshot::fuzz {
namespace {

template <class Struct>
void read_root(capnp::MessageReader& message) {
  (void)wire::read(message.getRoot<Struct>());
}

void read_send(capnp::MessageReader& message) {
  const auto messages = message.getRoot<schema::Session::SendParams>().getMessages();
  if (!wire::check_size(messages)) return;
  for (const auto one : messages) {
    if (wire::read(one)) continue;
    (void)wire::read_refused(one);
    (void)wire::lane_of(one, 64);
  }
}

using Read = void (*)(capnp::MessageReader&);
constexpr Read kReads[] = {
    read_send,
    read_root<schema::LoginRequest>,
    read_root<schema::Welcome>,
    read_root<schema::Batch>,
    read_root<schema::Incoming>,
    read_root<schema::SendAnswer>,
    read_root<schema::Session::SubscribeParams>,
    read_root<schema::Session::AckParams>,
    read_root<schema::Session::NackParams>,
    read_root<schema::Session::FetchParams>,
    read_root<schema::Session::HistoryParams>,
    read_root<schema::Session::DevicesParams>,
    read_root<schema::Session::RemoveDeviceParams>,
    read_root<schema::Session::ParkedParams>,
    read_root<schema::Session::ReplayParams>,
    read_root<schema::Session::DropParkedParams>,
    read_root<schema::Session::ExplainParams>,
    read_root<schema::Session::PolicyParams>,
    read_root<schema::Session::SetPolicyParams>,
    read_root<schema::ExplainAnswer>,
    read_root<schema::ParkedAnswer>,
    read_root<schema::DevicesAnswer>,
    read_root<schema::ReplayAnswer>,
    read_root<schema::PolicyAnswer>,
    read_root<schema::StatusAnswer>,
    read_root<schema::AckAnswer>,
    read_root<schema::FetchAnswer>,
    read_root<schema::Session::SetPositionsParams>,
    read_root<schema::Session::ClearPositionsParams>,
    read_root<schema::Session::ClearLayerParams>,
    read_root<schema::Session::NearbyParams>,
    read_root<schema::Session::PositionsParams>,
    read_root<schema::Session::DistanceParams>,
    read_root<schema::Session::LayersParams>,
    read_root<schema::Session::LayerPrivacyParams>,
    read_root<schema::Session::SetLayerPrivacyParams>,
    read_root<schema::SetPositionsAnswer>,
    read_root<schema::ClearPositionsAnswer>,
    read_root<schema::ClearLayerAnswer>,
    read_root<schema::NearbyAnswer>,
    read_root<schema::PositionsAnswer>,
    read_root<schema::DistanceAnswer>,
    read_root<schema::LayersAnswer>,
    read_root<schema::LayerPrivacyAnswer>,
    read_root<schema::Broker::ClusterStatusParams>,
    read_root<schema::ClusterStatusAnswer>,
    read_root<schema::Broker::RemoveNodeParams>,
    read_root<schema::RemoveNodeAnswer>,
};

}  // namespace
}  // namespace earshot::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace earshot;
  std::string_view bytes = fuzz::view(data, size);
  const auto read = fuzz::kReads[fuzz::choose(bytes, std::size(fuzz::kReads))];
  auto words = kj::heapArray<capnp::word>(bytes.size() / sizeof(capnp::word));
  if (words.size() == 0) return 0;
  std::memcpy(words.begin(), bytes.data(), words.asBytes().size());
  capnp::ReaderOptions options;
  options.traversalLimitInWords = limits::kCallWordsMax;
  options.nestingLimit = limits::kCallNestingMax;
  // A broken segment table or root is the RPC system's to refuse; what is behind it is ours.
  kj::runCatchingExceptions([&] {
    capnp::FlatArrayMessageReader message(words, options);
    read(message);
  });
  return 0;
}
