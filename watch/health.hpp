#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace earshot::watch {

// Why a node does not serve yet, or no more.
struct Missing {
  std::string what;  // one word, for programs
  std::string why;   // for people
};

// What has to be so that a node serves, each by its own check. Thread-safe.
class Readiness {
 public:
  // Nothing: all is well. Called on the http port's thread; waits for nobody.
  using Check = std::function<std::optional<Missing>()>;

  void add(Check check);
  [[nodiscard]] std::vector<Missing> missing() const;

 private:
  mutable std::mutex mutex_;
  std::vector<Check> checks_;
};

// As JSON: {"ready":false,"missing":[{"what":"disk","why":"…"}]}, and {"alive":false,"why":"…"}.
std::string readiness_json(const std::vector<Missing>& missing);
std::string health_json(bool is_alive, const std::string& why);

}  // namespace earshot::watch
