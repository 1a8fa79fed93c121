#include "client/runtime.hpp"

#include "client/kj_loop.hpp"

namespace earshot::client {

Result<std::shared_ptr<Runtime>> Runtime::start() {
  Result<std::shared_ptr<KjLoop>> loop = KjLoop::start();
  if (!loop) return fail(loop.error());
  return std::make_shared<Runtime>(std::move(*loop));
}

Runtime::~Runtime() { loop_->stop(); }

bool Runtime::is_current_thread() const { return loop_->is_current_thread(); }

}  // namespace earshot::client
