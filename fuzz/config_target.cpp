// The configuration file: what is accepted is printed and read back as the same settings.
#include "app/config_file.hpp"
#include "fuzz/target.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace earshot;
  const auto config = app::parse_config(fuzz::view(data, size), "fuzz");
  if (!config) return 0;
  (void)app::check_config(*config);
  const std::string printed = app::to_toml(*config);
  const auto again = app::parse_config(printed, "printed");
  fuzz::require(again.has_value() && app::to_toml(*again) == printed);
  return 0;
}
