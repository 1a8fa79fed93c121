#pragma once

#include <kj/exception.h>
#include <spdlog/spdlog.h>

namespace earshot::transport {

// What KJ has to say goes where everything else is logged, as long as this lives on the stack of a KJ thread. For
// floors that log.
class KjLog final : public kj::ExceptionCallback {
 public:
  void logMessage(kj::LogSeverity severity, const char* file, int line, int, kj::String&& text) override {
    spdlog::log(level_of(severity), "kj: {} ({}:{})", text.cStr(), file, line);
  }

 private:
  static spdlog::level::level_enum level_of(kj::LogSeverity severity) {
    switch (severity) {
      case kj::LogSeverity::FATAL: return spdlog::level::critical;
      case kj::LogSeverity::ERROR: return spdlog::level::err;
      case kj::LogSeverity::WARNING: return spdlog::level::warn;
      default: return spdlog::level::debug;
    }
  }
};

}  // namespace earshot::transport
