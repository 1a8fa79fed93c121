#include "client/runtime.hpp"

#include "client/loop.hpp"

namespace earshot::client {

Result<std::shared_ptr<Runtime>> Runtime::start() {
  Result<std::shared_ptr<Loop>> loop = Loop::start();
  if (!loop) return fail(loop.error());
  return std::shared_ptr<Runtime>(new Runtime(std::move(*loop)));
}

Runtime::~Runtime() { loop_->stop(); }

bool Runtime::is_current_thread() const { return loop_->is_current_thread(); }

}  // namespace earshot::client
