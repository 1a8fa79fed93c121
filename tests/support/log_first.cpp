#include <spdlog/spdlog.h>

// The log is made when it is first written to. For tests that is before there are threads: spdlog is not instrumented
// for ThreadSanitizer, to which two threads that come first would seem to race for it.
namespace {
[[maybe_unused]] const spdlog::logger* const made_first = spdlog::default_logger_raw();
}  // namespace
