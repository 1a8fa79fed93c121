// earshot token: makes and shows login tokens, and the keys that sign them.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "app/command.hpp"
#include "app/duration.hpp"
#include "auth/keys.hpp"
#include "auth/token.hpp"
#include "base/clock.hpp"

namespace earshot::app {
namespace {

constexpr const char* kDescription =
    "Makes a login token, and the keys that sign it; no server is asked.\n\n"
    "  earshot token --new-key es256 --kid 2026-11 > signing.json     a key, for who makes tokens (umask 077)\n"
    "  earshot token --public --key signing.json > keys.json          its public half, for the nodes: jwt_keys\n"
    "  earshot token --key signing.json --user alice --ttl 12h        a token for alice\n"
    "  earshot token --show FILE --key keys.json                      what a token says, and whether it is good";

struct TokenOptions {
  std::string key_file;
  std::string kid;
  std::string user;
  std::string role = "user";
  std::string ttl = "1h";
  std::string audience;
  std::string issuer;
  std::string new_key;
  bool public_half = false;
  std::string show;
};

Error usage(std::string why) { return Error{ErrorCode::kInvalidArgument, "", std::move(why), 0, 0}; }

ExitCode print(const Result<std::string>& text) {
  if (!text) return complain(text.error());
  std::fwrite(text->data(), 1, text->size(), stdout);
  return ExitCode::kDone;
}

ExitCode make_key(const TokenOptions& options) {
  std::string name = options.new_key;
  for (char& letter : name)
    if (letter >= 'a' && letter <= 'z') letter = static_cast<char>(letter - 'a' + 'A');
  const auto algorithm = auth::parse_algorithm(name);
  if (!algorithm) return complain(usage("--new-key " + algorithm.error().detail));
  const auto key = auth::new_key(*algorithm, options.kid);
  if (!key) return complain(options.kid.empty() ? usage("--kid must name the new key") : key.error());
  return print(auth::to_json(std::vector<auth::Key>{*key}));
}

// The key that is named, or the only one that can sign.
Result<auth::Key> signing_key(const auth::KeySet& keys, const std::string& kid) {
  const auth::Key* found = nullptr;
  for (const auth::Key& key : keys.keys()) {
    if (kid.empty() ? !key.can_sign() : key.id != kid) continue;
    if (found != nullptr) return fail(usage("several keys can sign: name one with --kid"));
    found = &key;
  }
  if (found == nullptr)
    return fail(usage(kid.empty() ? "no key in the file can sign" : "there is no key \"" + kid + "\""));
  return *found;
}

Result<std::string> make_token(const TokenOptions& options, const auth::KeySet& keys) {
  const auto key = signing_key(keys, options.kid);
  if (!key) return fail(key.error());
  auto user = UserId::parse(options.user, "user");
  if (!user) return fail(user.error());
  const auto ttl_ms = parse_duration(options.ttl, "ttl");
  if (!ttl_ms) return fail(ttl_ms.error());
  const std::uint64_t ttl_s = *ttl_ms / 1'000;  // what a token counts in
  if (ttl_s == 0) return fail(usage("--ttl is \"" + options.ttl + "\", must be at least 1s"));
  auth::Claims claims{std::move(*user), Role::kUser, SystemClock().wall_ms() / 1'000};
  for (const Role role : {Role::kService, Role::kOperator})
    if (options.role == name_of(role)) claims.role = role;
  claims.expires_at_s = claims.issued_at_s + ttl_s;
  claims.audience = options.audience;
  claims.issuer = options.issuer;
  auto token = auth::sign(claims, *key);
  if (token) *token += '\n';
  return token;
}

Result<std::string> read_line(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
      path == "-" ? stdin : std::fopen(path.c_str(), "r"),
      [](std::FILE* open) { return open == stdin ? 0 : std::fclose(open); });
  if (file == nullptr) return fail(usage("cannot read " + path));
  std::string line(limits::kTokenBytesMax + 2, '\0');
  line.resize(std::fread(line.data(), 1, line.size(), file.get()));
  line.resize(std::min(line.size(), line.find_first_of("\r\n")));
  return line;
}

Result<auth::KeySet> read_keys(const std::string& path) {
  auto keys = auth::KeySet::read(path);
  if (keys)
    for (const std::string& unfit : keys->passed_over())
      std::fprintf(stderr, "earshot: %s holds a key that is passed over; %s\n", path.c_str(), unfit.c_str());
  return keys;
}

ExitCode show(const TokenOptions& options) {
  const auto token = read_line(options.show);
  if (!token) return complain(token.error());
  const auto text = auth::decode(*token);
  if (!text) return complain(text.error());
  std::printf("%s\n%s\n", text->header.c_str(), text->claims.c_str());
  if (options.key_file.empty()) {
    std::printf("the signature was not checked: that takes --key\n");
    return ExitCode::kDone;
  }
  const auto keys = read_keys(options.key_file);
  if (!keys) return complain(keys.error());
  const auth::TokenRules rules{options.audience, options.issuer, false};
  const auto identity = auth::verify(*token, *keys, rules, SystemClock().wall_ms());
  if (!identity) return complain(identity.error());
  std::printf("good: %s, role %s\n", identity->user.text().c_str(), std::string(name_of(identity->role)).c_str());
  return ExitCode::kDone;
}

ExitCode run(const TokenOptions& options) {
  if (!options.new_key.empty()) return make_key(options);
  if (!options.show.empty()) return show(options);
  if (options.key_file.empty()) return complain(usage("--key is required: a file of keys (make one with --new-key)"));
  const auto keys = read_keys(options.key_file);
  if (!keys) return complain(keys.error());
  if (options.public_half) return print(auth::to_json(keys->keys(), true));
  return print(make_token(options, *keys));
}

}  // namespace

void add_token_command(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<TokenOptions>();
  CLI::App* command = app.add_subcommand("token", kDescription);
  command->add_option("--key", options->key_file, "file with the keys, as --new-key prints it");
  command->add_option("--kid", options->kid,
                      "the key in it to sign with (not needed for the only one); a new key's name");
  command->add_option("--user", options->user, "whose token it is")->envname("EARSHOT_USER");
  command->add_option("--role", options->role, "what its holder may do")
      ->check(CLI::IsMember({"user", "service", "operator"}))
      ->capture_default_str();
  command->add_option("--ttl", options->ttl, "how long it lives: 90s, 15m, 12h, 30d")->capture_default_str();
  command->add_option("--audience", options->audience, "for whom it is (aud)");
  command->add_option("--issuer", options->issuer, "who made it (iss)");
  command->add_option("--new-key", options->new_key, "prints a file with a new key: hs256, rs256 or es256");
  command->add_flag("--public", options->public_half, "prints the public halves of the keys in --key");
  command->add_option("--show", options->show, "prints what the token in a file says (-: standard input)");
  command->callback([options, &code] { code = run(*options); });
}

}  // namespace earshot::app
