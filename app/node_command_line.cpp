#include "app/node_command_line.hpp"

#include <algorithm>
#include <map>
#include <sstream>
#include <utility>

#include <CLI/CLI.hpp>

#include "app/config_file.hpp"
#include "app/settings.hpp"
#include "base/version.hpp"

namespace earshot::app {
namespace {

constexpr const char* kDescription =
    "earshotd runs one node of an Earshot broker: it takes messages in, keeps them on disk and brings them to their\n"
    "recipients until they are acknowledged.\n\n"
    "  earshotd                                 serve on 127.0.0.1:7400, data in ./earshot-data, metrics on :7480\n"
    "  earshotd --data /var/lib/earshot         elsewhere\n"
    "  earshotd --print-config > node.toml      a file with every setting, to edit\n"
    "  earshotd --config node.toml              go by it";

constexpr const char* kFooter =
    "Every setting has a flag and a key of the same name in the file; a flag wins. SIGTERM and SIGINT stop the node "
    "in\n"
    "order; SIGHUP makes it read certificate, key and token keys again, and log what it counted at its door. When it\n"
    "serves it prints one line to standard output: \"earshotd ready: clients ADDRESS, data DIRECTORY, …\".\n"
    "Exit codes: 0 stopped, 1 failed, 2 bad usage or configuration, 3 cannot open the data, 4 cannot listen,\n"
    "5 the cluster has removed the node.";

std::string flag_of(const Setting& setting) {
  std::string flag = "--" + std::string(setting.key);
  std::ranges::replace(flag, '_', '-');
  return setting.key == "data_dir" ? flag + ",--data" : flag;
}

NodeCommandLine refuse(std::string why) {
  return {std::nullopt, NodeExit::kUsage, "", "earshotd: " + std::move(why) + "\n"};
}

NodeCommandLine refuse(const Error& error) {
  return refuse(error.field.empty() ? error.detail : error.field + ": " + error.detail);
}

}  // namespace

NodeCommandLine read_node_command_line(std::vector<std::string> arguments) {
  CLI::App app{kDescription, "earshotd"};
  app.footer(kFooter);
  app.set_version_flag("--version", std::string("earshotd ") + kVersion, "Print the version and exit.");
  app.set_help_flag("-h,--help", "Print this help and exit.");
  std::string file;
  bool print = false;
  app.add_option("-c,--config", file, "A TOML file with settings.")->type_name("FILE.toml");
  app.add_flag("--print-config", print, "Print the settings as TOML and exit.");
  const NodeConfig defaults;
  std::map<std::string_view, std::string> given;
  for (const Setting& setting : settings()) {
    auto* option = app.add_option(flag_of(setting), given[setting.key], std::string(setting.help))
                       ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast)
                       ->group("Settings");
    if (is_flag(setting)) {
      // --bootstrap alone is --bootstrap true; of a default that the parser knows of it would be that.
      option->expected(0, 1)->type_name("true|false [" + value_of(defaults, setting) + "]");
    } else {
      option->type_name(is_number(setting) ? "NUMBER" : "TEXT")->default_str(value_of(defaults, setting));
    }
  }
  std::ranges::reverse(arguments);  // as CLI11 takes them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& error) {
    std::ostringstream output;
    std::ostringstream errors;
    const int code = app.exit(error, output, errors);
    return {std::nullopt, code == 0 ? NodeExit::kDone : NodeExit::kUsage, output.str(), errors.str()};
  }
  NodeConfig config;
  if (!file.empty()) {
    auto read = read_config_file(file);
    if (!read) return refuse(read.error());
    config = std::move(*read);
  }
  for (const auto& [key, text] : given) {
    const Setting& setting = *find_setting(key);
    const std::string flag = flag_of(setting);
    if (app.get_option(flag.substr(0, flag.find(',')))->count() == 0) continue;
    const std::string_view value = is_flag(setting) && text.empty() ? std::string_view("true") : text;
    if (auto done = set(config, setting, value); !done) return refuse(done.error());
  }
  if (auto fits = check_config(config); !fits) return refuse(fits.error());
  if (print) return {std::nullopt, NodeExit::kDone, to_toml(config), ""};
  return {std::move(config), NodeExit::kDone, "", ""};
}

}  // namespace earshot::app
