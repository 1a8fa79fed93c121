#pragma once

#include <memory>
#include <sstream>
#include <string>

#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

namespace earshot::tests {

// What is logged while this lives.
class LogCapture {
 public:
  LogCapture() {
    spdlog::set_default_logger(
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(log_)));
  }
  ~LogCapture() { spdlog::set_default_logger(usual_); }
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  // Since the last call.
  std::string take() {
    std::string text = log_.str();
    log_.str({});
    return text;
  }

 private:
  const std::shared_ptr<spdlog::logger> usual_ = spdlog::default_logger();
  std::ostringstream log_;
};

}  // namespace earshot::tests
