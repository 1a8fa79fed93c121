#include "peers/link.hpp"

#include <algorithm>
#include <utility>

#include "peers/greeting_io.hpp"
#include "transport/socket_progress.hpp"

namespace earshot::peers {

Link::Link(Parts parts, Owner& owner)
    : parts_(kj::mv(parts)),
      owner_(owner),
      credits_(parts_.theirs.windows),
      watch_(parts_.times, parts_.clock.monotonic_ms()),
      tasks_(*this) {}

// Streams throw at once where the other end is found gone: whoever wakes a link must not hear of that, but its tasks.
void Link::begin() {
  tasks_.add(kj::evalNow([this] { return read_on(); }));
  wake();
}

// ---- in

// Everybody else has a turn between two reads, however much there is to read.
kj::Promise<void> Link::read_on() {
  const auto room = intake_.room();
  return parts_.stream->tryRead(room.data(), 1, room.size()).then([this](std::size_t bytes) -> kj::Promise<void> {
    if (over_ || !take_in(bytes)) return kj::READY_NOW;
    return kj::evalLater([this] { return read_on(); });
  });
}

bool Link::take_in(std::size_t bytes) {
  if (bytes == 0) {
    fail("closed by the other end");
    return false;
  }
  watch_.heard(parts_.clock.monotonic_ms());
  count(parts_.counters.bytes_received, bytes);
  count(parts_.box.counters().bytes_received, bytes);
  intake_.took(bytes);
  const Status taken = take_frames();
  count(parts_.counters.frames_received, arrived_.size());
  count(parts_.box.counters().frames_received, arrived_.size());
  if (!arrived_.empty()) owner_.arrived(*this, arrived_);
  arrived_.clear();
  if (!taken) {
    count(parts_.counters.frames_broken);
    fail(taken.error().detail);
  }
  if (over_) return false;
  if (intake_.grant_due()) wake();
  return true;
}

Status Link::take_frames() {
  for (;;) {
    auto next = intake_.next();
    if (!next) return earshot::fail(std::move(next.error()));
    if (!*next) return {};
    if (auto* frame = std::get_if<PeerFrame>(&**next))
      arrived_.push_back(std::move(*frame));
    else
      handle(std::get<Intake::ControlFrame>(**next));
  }
}

void Link::handle(const Intake::ControlFrame& frame) {
  switch (frame.kind) {
    case Control::kHeartbeat: break;
    case Control::kGrant: {
      PerClass<std::uint64_t> totals{};
      for (std::size_t i = 0; i < kFrameClasses && (i + 1) * 8 <= frame.body.size(); ++i)
        totals[i] = get_u64(frame.body.data() + i * 8);
      credits_.grant(totals);
      watch_.progressed(parts_.clock.monotonic_ms());
      wake();
      break;
    }
    case Control::kProbe:
      // Who probes without end gets one answer a batch.
      if (std::ranges::any_of(controls_, [](const auto& waits) { return waits.kind == Control::kProbeAnswer; })) break;
      add_control(Control::kProbeAnswer, {});
      wake();
      break;
    case Control::kProbeAnswer: owner_.probe_answered(*this); break;
  }
}

// ---- out

void Link::wake() {
  if (writing_ || over_) return;
  writing_ = true;
  tasks_.add(kj::evalNow([this] { return write_on(); }));
}

void Link::probe() {
  add_control(Control::kProbe, {});
  wake();
}

kj::Promise<void> Link::write_on() {
  if (over_) return kj::READY_NOW;
  if (intake_.grant_due()) {
    std::string body(8 * kFrameClasses, '\0');
    const auto totals = intake_.grant();
    for (std::size_t i = 0; i < kFrameClasses; ++i) put_u64(body.data() + i * 8, totals[i]);
    add_control(Control::kGrant, std::move(body));
  }
  going_out_ = parts_.box.take(kBatchBytes, credits_);
  if (going_out_.empty() && controls_.empty()) {
    writing_ = false;
    return kj::READY_NOW;
  }
  lay_out(going_out_);
  const std::uint64_t now_ms = parts_.clock.monotonic_ms();
  watch_.said(now_ms);
  watch_.progressed(now_ms);
  const auto frames =
      std::ranges::count_if(going_out_, [](const Piece& piece) { return !(piece.flags & kMoreFollows); });
  count(parts_.counters.frames_sent, static_cast<std::uint64_t>(frames));
  count(parts_.box.counters().frames_sent, static_cast<std::uint64_t>(frames));
  count(parts_.counters.writes);
  return parts_.stream->write(kj::arrayPtr(slices_.data(), slices_.size())).then([this] {
    return kj::evalLater([this] { return write_on(); });  // others have a turn, however much there is to write
  });
}

void Link::lay_out(const std::vector<Piece>& pieces) {
  const auto is_copied = [](const Piece& piece) { return piece.bytes <= kCopiedBytesMax; };
  std::size_t copied = 0;
  std::size_t bytes = 0;
  for (const auto& control : controls_) copied += kHeaderBytes + control.body.size();
  for (const Piece& piece : pieces) {
    copied += kHeaderBytes + (is_copied(piece) ? piece.bytes : 0);
    bytes += kHeaderBytes + piece.bytes;
  }
  count(parts_.counters.bytes_sent, bytes);
  count(parts_.box.counters().bytes_sent, bytes);
  copied_.resize(copied);
  slices_.clear();
  char* to = copied_.data();
  char* begin = to;
  const auto slice = [this](const char* from, std::size_t size) {
    if (size > 0) slices_.push_back(kj::arrayPtr(reinterpret_cast<const kj::byte*>(from), size));
  };
  const auto put = [&to](std::uint8_t kind, std::uint8_t flags, std::uint16_t group, std::string_view body, bool copy) {
    write_header(to, kind, flags, group, body);
    to += kHeaderBytes;
    if (copy) to = std::ranges::copy(body, to).out;
  };
  for (const auto& control : std::exchange(controls_, {}))
    put(static_cast<std::uint8_t>(control.kind), 0, 0, control.body, true);
  for (const Piece& piece : pieces) {
    put(piece.kind, piece.flags, piece.group, piece.view(), is_copied(piece));
    if (is_copied(piece)) continue;
    slice(begin, static_cast<std::size_t>(to - begin));
    slice(piece.view().data(), piece.bytes);
    begin = to;
  }
  slice(begin, static_cast<std::size_t>(to - begin));
}

// ---- time

void Link::note_progress(std::uint64_t now_ms) {
  if (!writing_) {
    if (parts_.box.is_empty()) watch_.progressed(now_ms);
    return;  // else it waits for credit: only a grant is progress
  }
  KJ_IF_MAYBE (fd, parts_.stream->getFd()) {
    const auto progress = transport::socket_progress(*fd);
    if (progress && std::exchange(taken_, progress->bytes_taken) != progress->bytes_taken) watch_.progressed(now_ms);
  }
}

void Link::look() {
  if (over_) return;
  const std::uint64_t now_ms = parts_.clock.monotonic_ms();
  note_progress(now_ms);
  switch (watch_.look(now_ms)) {
    case LinkWatch::Verdict::kFine: break;
    case LinkWatch::Verdict::kSilent:
      count(parts_.counters.links_silent);
      return fail("nothing was heard of it for " + std::to_string(parts_.times.silence_ms) + " ms");
    case LinkWatch::Verdict::kStalled:
      count(parts_.counters.links_stalled);
      return fail("it took nothing in for " + std::to_string(parts_.times.stall_ms) + " ms");
  }
  if (intake_.grant_due()) wake();  // it was handled after the last read
  if (writing_ || !watch_.heartbeat_due(now_ms)) return;
  add_control(Control::kHeartbeat, {});
  wake();
}

void Link::fail(const std::string& why) {
  if (std::exchange(over_, true)) return;
  owner_.broken(*this, why);
}

void Link::taskFailed(kj::Exception&& exception) { fail(text_of(exception)); }

}  // namespace earshot::peers
