#include "client/kj_loop.hpp"

#include <future>
#include <system_error>
#include <utility>

#include "client/connection.hpp"

namespace earshot::client {
namespace {

constexpr std::uint32_t kTurnsPerPoll = 16;

}  // namespace

Result<std::shared_ptr<KjLoop>> KjLoop::start() {
  std::shared_ptr<KjLoop> loop(new KjLoop);
  std::promise<Status> started;
  try {
    // The thread keeps the loop: the last owner outside may be gone before it has ended.
    loop->thread_ = std::thread([loop, &started] { loop->run(started); });
  } catch (const std::system_error& error) {
    return fail(ErrorCode::kInternal, "", std::string("cannot start a thread: ") + error.what());
  }
  Status status = started.get_future().get();
  if (!status) {
    loop->thread_.join();
    return fail(status.error());
  }
  return loop;
}

void KjLoop::run(std::promise<Status>& started) {
  thread_id_ = std::this_thread::get_id();
  bool running = false;
  auto failure = kj::runCatchingExceptions([&] {
    auto io = kj::setupAsyncIo();
    kj::TaskSet timers(*this);
    io_ = &io, timers_ = &timers;
    running = true;
    started.set_value({});
    run_until_stopped();
    io_ = nullptr, timers_ = nullptr;
  });
  KJ_IF_MAYBE (exception, failure) {
    EARSHOT_INVARIANT(!running, exception->getDescription().cStr());
    started.set_value(fail(ErrorCode::kInternal, "", exception->getDescription().cStr()));
  }
}

// Every turn waits, also when tasks are queued already, so that events that are ready have their turn; and now and then
// sockets, however busy the tasks and events are.
void KjLoop::run_until_stopped() {
  std::vector<std::function<void()>> tasks;
  for (std::uint32_t turn = 1;; ++turn) {
    auto from_here = kj::newPromiseAndFulfiller<void>();
    auto from_elsewhere = kj::newPromiseAndCrossThreadFulfiller<void>();
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ && queue_.empty() && holds_ == 0) {
        ended_ = true;
        return;
      }
      if (queue_.empty()) {
        own_bell_ = kj::mv(from_here.fulfiller);
        doorbell_ = kj::mv(from_elsewhere.fulfiller);
      }
    }
    if (from_here.fulfiller.get() != nullptr) from_here.fulfiller->fulfill();
    from_here.promise.exclusiveJoin(kj::mv(from_elsewhere.promise)).wait(io_->waitScope);
    if (turn % kTurnsPerPoll == 0) io_->waitScope.poll();
    {
      const std::lock_guard lock(mutex_);
      own_bell_ = nullptr, doorbell_ = nullptr;
      tasks.swap(queue_);
    }
    for (std::function<void()>& task : tasks) task();
    tasks.clear();
  }
}

void KjLoop::post(std::function<void()> task) {
  const std::unique_lock lock(mutex_);
  if (ended_) return;
  queue_.push_back(std::move(task));
  ring();
}

void KjLoop::ring() {
  // Its own thread wakes the loop without asking the system.
  if (is_current_thread()) {
    if (own_bell_.get() != nullptr) std::exchange(own_bell_, nullptr)->fulfill();
  } else if (doorbell_.get() != nullptr) {
    std::exchange(doorbell_, nullptr)->fulfill();
  }
}

void KjLoop::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    ring();
  }
  if (!thread_.joinable()) return;
  if (is_current_thread()) {
    thread_.detach();
  } else {
    thread_.join();
  }
}

void KjLoop::release() {
  --holds_;
  post([] {});  // the loop looks whether it may end
}

void KjLoop::after(std::uint64_t delay_ms, std::function<void()> task) {
  auto& timer = io_->provider->getTimer();
  timers_->add(timer.afterDelay(delay_ms * kj::MILLISECONDS).then([task = std::move(task)] { task(); }));
}

std::unique_ptr<Link> KjLoop::make_link(const Options& options, const std::string& address, LinkEvents& events) {
  return std::make_unique<Connection>(shared_from_this(), io(), events, options, address);
}

void KjLoop::taskFailed(kj::Exception&& exception) {
  EARSHOT_INVARIANT(false, exception.getDescription().cStr());  // timers do not fail, and tasks do not throw
}

}  // namespace earshot::client
