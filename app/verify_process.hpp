#pragma once

#include <functional>
#include <memory>
#include <string>

#include <sys/mman.h>

#include "app/verify_worker.hpp"
#include "base/clock.hpp"
#include "base/error.hpp"
#include "storage/verify.hpp"

// A process that a damaged page may kill or lead in circles, and the one that waits for its end.
namespace earshot::app {

// Memory that both processes see.
class SharedVerify {
 public:
  static Result<SharedVerify> make();
  VerifyShared& operator*() const { return *shared_; }
  VerifyShared* operator->() const { return shared_.get(); }

 private:
  struct Unmap {
    void operator()(VerifyShared* shared) const { ::munmap(shared, sizeof(VerifyShared)); }
  };
  explicit SharedVerify(VerifyShared* shared) : shared_(shared) {}
  std::unique_ptr<VerifyShared, Unmap> shared_;
};

// What the waiting process does meanwhile.
struct Supervision {
  std::function<void(storage::Finding)> found;
  std::function<void()> looked;  // every tenth of a second
};

// Has `work` done in a process of its own, and waits for its end: "" when it finished, else why not. One that says
// nothing and reaches neither record nor page for kVerifySilenceMsMax is ended, except in the commit, which takes the
// time that the disk takes. Fails when there can be no process.
//
// Call it while the process has one thread.
Result<std::string> run_supervised(VerifyShared& shared, const Clock& clock,
                                   const std::function<void(storage::Witness&)>& work, const Supervision& supervision);

}  // namespace earshot::app
