// earshot cert: makes the certificates that the nodes of a cluster know each other by, and shows them.
#include <cstdio>
#include <memory>
#include <string>

#include "app/cert_files.hpp"
#include "app/command.hpp"
#include "app/terminal.hpp"

namespace earshot::app {
namespace {

constexpr const char* kDescription =
    "Makes the certificates that the nodes of a cluster know each other by; no server is asked.\n\n"
    "  earshot cert ca --out pki                                    an authority; keep pki/ca.key off the nodes\n"
    "  earshot cert node --ca pki --node 3 --host n3.example --out pki    for node 3, whom clients may know by that "
    "name\n"
    "  earshot cert node --ca pki --out pki                         for a node that gets its id when it joins\n"
    "  earshot cert show pki/node-3.pem                             what a certificate says";

ExitCode make_ca(const AuthorityFiles& options) {
  const auto written = make_authority(options);
  if (!written) return complain(written.error());
  std::printf("%s\n%s\n", written->certificate.c_str(), written->key.c_str());
  return ExitCode::kDone;
}

ExitCode make_for_node(const NodeFiles& options) {
  const auto written = make_node(options);
  if (!written) return complain(written.error());
  std::printf("peer_tls_certificate = \"%s\"\npeer_tls_key = \"%s\"\npeer_tls_ca = \"%s/ca.pem\"\n",
              written->certificate.c_str(), written->key.c_str(), options.ca.c_str());
  return ExitCode::kDone;
}

ExitCode show(const std::string& path) {
  const auto text = show_certificate(path);
  if (!text) return complain(text.error());
  std::string line;
  for (const char letter : *text) {
    if (letter != '\n') {
      line += letter;
      continue;
    }
    std::printf("%s\n", printable(line).c_str());  // whoever made it chose the names in it
    line.clear();
  }
  return ExitCode::kDone;
}

void add_ca(CLI::App& cert, ExitCode& code) {
  auto options = std::make_shared<AuthorityFiles>();
  CLI::App* command = cert.add_subcommand("ca", "Make an authority for a cluster: ca.pem for every node, and ca.key");
  command->add_option("--out", options->out, "the directory to write to")->required();
  command->add_option("--name", options->name, "its name in certificates")->capture_default_str();
  command->add_option("--days", options->days, "how long it lasts")->capture_default_str();
  command->add_flag("--force", options->force, "replaces what is there: all certificates it made become worthless");
  command->callback([options, &code] { code = make_ca(*options); });
}

void add_node(CLI::App& cert, ExitCode& code) {
  auto options = std::make_shared<NodeFiles>();
  CLI::App* command =
      cert.add_subcommand("node", "Make a certificate and its key for a node, and print the settings that use them");
  command->add_option("--ca", options->ca, "the directory of the authority")->required();
  command->add_option("--out", options->out, "the directory to write to")->required();
  command->add_option("--node", options->node, "the node's id (without: any node, which gets its id when it joins)")
      ->check(CLI::PositiveNumber);
  command->add_option("--host", options->hosts, "a name or address that it is reached by; several may be given");
  command->add_option("--days", options->days, "how long it lasts")->capture_default_str();
  command->add_flag("--force", options->force, "replaces what is there");
  command->callback([options, &code] { code = make_for_node(*options); });
}

}  // namespace

void add_cert_command(CLI::App& app, ExitCode& code) {
  CLI::App* cert = app.add_subcommand("cert", kDescription);
  cert->require_subcommand(1);
  add_ca(*cert, code);
  add_node(*cert, code);
  auto path = std::make_shared<std::string>();
  CLI::App* command = cert->add_subcommand("show", "Show what a certificate says");
  command->add_option("file", *path, "a certificate, PEM")->required();
  command->callback([path, &code] { code = show(*path); });
}

}  // namespace earshot::app
