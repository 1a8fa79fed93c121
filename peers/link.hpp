#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <kj/async-io.h>

#include "base/clock.hpp"
#include "peers/counters.hpp"
#include "peers/credits.hpp"
#include "peers/greeting.hpp"
#include "peers/intake.hpp"
#include "peers/link_watch.hpp"
#include "peers/send_box.hpp"

namespace earshot::peers {

// One connection that two nodes have agreed on, and the frames on it, both ways: reads as fast as its owner takes them,
// writes what its box holds in batches, says heartbeats where there is nothing else to say, and sees when the other end
// is gone. KJ thread only.
class Link final : private kj::TaskSet::ErrorHandler {
 public:
  class Owner {
   public:
    virtual ~Owner() noexcept(false) = default;
    // What came in at once; it may be moved from.
    virtual void arrived(Link& link, std::span<PeerFrame> frames) = 0;
    // The other end is there: it has answered probe().
    virtual void probe_answered(Link& link) = 0;
    // The last call, and only one. The link is not destroyed inside of it.
    virtual void broken(Link& link, const std::string& why) = 0;
  };
  struct Parts {
    kj::Own<kj::AsyncIoStream> stream;
    Hello theirs;
    bool dialled_here = false;
    SendBox& box;
    PeerCounters& counters;
    const Clock& clock;
    LinkTimes times;
  };

  Link(Parts parts, Owner& owner);

  void begin();
  // The box has something, where it had nothing.
  void wake();
  // To be called several times within silence_ms.
  void look();
  void probe();

  [[nodiscard]] NodeId node() const { return parts_.theirs.node; }
  [[nodiscard]] std::uint64_t boot() const { return parts_.theirs.boot; }
  [[nodiscard]] bool dialled_here() const { return parts_.dialled_here; }

 private:
  // What goes out in one write, about.
  static constexpr std::size_t kBatchBytes = 256 << 10;
  // A body that is not larger is copied, so that many go out as one.
  static constexpr std::size_t kCopiedBytesMax = 4 << 10;

  kj::Promise<void> read_on();
  bool take_in(std::size_t bytes);
  // Puts the whole frames that have come into arrived_. What is wrong with what came after those.
  Status take_frames();
  void handle(const Intake::ControlFrame& frame);
  kj::Promise<void> write_on();
  void add_control(Control kind, std::string body) { controls_.push_back({kind, std::move(body)}); }
  // Puts the batch into copied_ and slices_.
  void lay_out(const std::vector<Piece>& pieces);
  void note_progress(std::uint64_t now_ms);
  void fail(const std::string& why);
  void taskFailed(kj::Exception&& exception) override;

  Parts parts_;
  Owner& owner_;
  Intake intake_;
  Credits credits_;
  LinkWatch watch_;
  std::vector<PeerFrame> arrived_;
  std::vector<Intake::ControlFrame> controls_;  // to be written
  std::vector<Piece> going_out_;
  std::vector<char> copied_;
  std::vector<kj::ArrayPtr<const kj::byte>> slices_;
  bool writing_ = false;
  bool over_ = false;
  std::uint64_t taken_ = 0;  // by the other end's kernel, as of the last look
  kj::TaskSet tasks_;        // gone first
};

}  // namespace earshot::peers
