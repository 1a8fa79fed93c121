#include <array>
#include <fstream>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "app/duration.hpp"
#include "app/place_text.hpp"
#include "app/places_command.hpp"
#include "app/terminal.hpp"

namespace earshot::app {
namespace {

constexpr std::size_t kLineBytesMax = 4096;
constexpr std::size_t kBatchItems = 1024;  // set by one call
constexpr std::array kOutcomeNames = {"added", "changed", "unchanged", "skipped", "accepted"};

struct LocateOptions {
  ConnectionOptions connection;
  std::string layer;
  std::vector<std::string> place;  // MEMBER LON LAT, LON LAT, or with --remove members
  std::string file;
  std::string ttl;
  bool hidden = false;
  bool remove = false;
  bool only_if_new = false;
  bool only_if_exists = false;
  bool accepted = false;
};

const char* name_of(PositionOutcome outcome) { return kOutcomeNames.at(static_cast<std::size_t>(outcome)); }

std::string shown(const std::string& member) { return member.empty() ? "you" : printable(member); }

Result<PositionOutcomes> set(client::Client& client, const SetPositionsRequest& request) {
  auto outcomes = client.set_positions(request).get();
  if (outcomes && outcomes->size() != request.items.size())
    return fail(ErrorCode::kInternal, "outcomes", "the server answered for others");
  return outcomes;
}

ExitCode set_one(client::Client& client, const LocateOptions& options, const SetPositionsRequest& request) {
  auto outcomes = set(client, request);
  if (!outcomes) return complain(outcomes.error());
  const std::string& member = request.items.front().member;
  const char* const outcome = name_of(outcomes->front());
  if (options.connection.json) {
    nlohmann::ordered_json line;
    put_member(line, member);
    line["outcome"] = outcome;
    print_line(line.dump());
  } else if (!options.connection.quiet) {
    print_line(shown(member) + ": " + outcome);
  }
  return ExitCode::kDone;
}

ExitCode remove(client::Client& client, const LocateOptions& options, const ClearPositionsRequest& request) {
  auto cleared = client.clear_positions(request).get();
  if (!cleared) return complain(cleared.error());
  if (options.connection.json)
    print_line(nlohmann::ordered_json{{"removed", cleared->members}}.dump());
  else if (!options.connection.quiet)
    print_line(fmt::format("{} of {} had a position; none has one now", cleared->members, request.members.size()));
  return ExitCode::kDone;
}

// A file, taken in batch by batch.
class Loading {
 public:
  Loading(client::Client& client, const LocateOptions& options, SetPositionsRequest request)
      : client_(client), options_(options), request_(std::move(request)) {}

  ExitCode run() {
    std::ifstream file(options_.file);
    if (!file) return complain(ExitCode::kUsage, "cannot read " + options_.file);
    PositionItem like;
    if (!request_.items.empty()) like = std::move(request_.items.front());
    request_.items.clear();
    for (std::string line; std::getline(file, line);) {
      ++lines_;
      take(line, like);
      if (request_.items.size() < kBatchItems) continue;
      if (auto sent = send(); !sent) return complain(sent.error());
    }
    if (file.bad()) return complain(ExitCode::kFailed, "cannot read on in " + options_.file);
    if (auto sent = send(); !sent) return complain(sent.error());
    tell();
    return unread_ == 0 ? ExitCode::kDone : ExitCode::kFailed;
  }

 private:
  void take(const std::string& line, const PositionItem& like) {
    auto place = line.size() > kLineBytesMax
                     ? fail(ErrorCode::kInvalidArgument, "line",
                            fmt::format("has {} bytes, the limit is {}", line.size(), kLineBytesMax))
                     : read_place_line(line);
    if (!place) {
      ++unread_;
      complain(ExitCode::kFailed,
               fmt::format("{}:{}: {} {}", options_.file, lines_, place.error().field, place.error().detail));
    } else if (std::optional<PlaceLine> found = std::move(place).value()) {
      request_.items.push_back({std::move(found->member), found->point, like.ttl_ms, like.hidden});
    }
  }
  Status send() {
    if (request_.items.empty()) return {};
    auto outcomes = set(client_, request_);
    if (!outcomes) return fail(std::move(outcomes.error()));
    for (const PositionOutcome one : *outcomes) ++counts_.at(static_cast<std::size_t>(one));
    request_.items.clear();
    return {};
  }
  // The last outcome is told where it was asked for.
  [[nodiscard]] std::size_t told() const { return counts_.size() - (options_.accepted ? 0 : 1); }
  void tell() const {
    if (options_.connection.json) {
      nlohmann::ordered_json line;
      for (std::size_t i = 0; i < told(); ++i) line[kOutcomeNames[i]] = counts_[i];
      line["unreadLines"] = unread_;
      return print_line(line.dump());
    }
    if (options_.connection.quiet) return;
    std::string text;
    for (std::size_t i = 0; i < told(); ++i)
      text += fmt::format("{}{} {}", i == 0 ? "" : ", ", counts_[i], kOutcomeNames[i]);
    if (unread_ > 0) text += fmt::format("; {} lines could not be read", unread_);
    print_line(text);
  }

  client::Client& client_;
  const LocateOptions& options_;
  SetPositionsRequest request_;
  std::array<std::uint64_t, kOutcomeNames.size()> counts_{};
  std::uint64_t lines_ = 0;
  std::uint64_t unread_ = 0;
};

// With one item, which holds only what is the same for all when a file is to be read.
Result<SetPositionsRequest> request_of(const LocateOptions& options, LayerId layer) {
  SetPositionsRequest request;
  request.layer = std::move(layer);
  if (options.only_if_new) request.condition = PositionCondition::kIfNew;
  if (options.only_if_exists) request.condition = PositionCondition::kIfExists;
  request.accepted = options.accepted;
  PositionItem item;
  item.hidden = options.hidden;
  if (!options.ttl.empty()) {
    auto ttl = parse_duration(options.ttl, "ttl");
    if (!ttl) return fail(std::move(ttl.error()));
    item.ttl_ms = *ttl;
  }
  if (options.file.empty()) {
    const auto& words = options.place;
    if (words.size() != 2 && words.size() != 3)
      return fail(ErrorCode::kInvalidArgument, "", "MEMBER LON LAT is wanted, or LON LAT, or --file");
    if (words.size() == 3) item.member = words.front();
    auto point = parse_point(words[words.size() - 2], words.back(), "place");
    if (!point) return fail(std::move(point.error()));
    item.point = *point;
  }
  request.items.push_back(std::move(item));
  return request;
}

ExitCode run_locate(const LocateOptions& options) {
  auto layer = layer_of(options.layer);
  if (!layer) return complain(layer.error());
  if (options.remove) {
    ClearPositionsRequest request{std::move(*layer), options.place};
    if (request.members.empty()) request.members.emplace_back();
    return with_client(options.connection, [&](client::Client& client) { return remove(client, options, request); });
  }
  auto request = request_of(options, std::move(*layer));
  if (!request) return complain(request.error());
  return with_client(options.connection, [&](client::Client& client) {
    return options.file.empty() ? set_one(client, options, *request) : Loading(client, options, *request).run();
  });
}

}  // namespace

void add_locate_command(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<LocateOptions>();
  auto* command = add_places_command(app, "locate", "Say where somebody is: MEMBER LON LAT, in degrees", *options);
  command->add_option("place", options->place,
                      "MEMBER LON LAT (without MEMBER: you yourself); with --remove the members");
  command->add_option("--layer", options->layer, std::string("the layer (") + kDefaultLayer + ")");
  auto* file = command->add_option("--file", options->file,
                                   "many at once: tzdata's zone1970.tab, or lines of member,longitude,latitude");
  auto* ttl = command->add_option("--ttl", options->ttl, "the position ends after so long (30m)");
  auto* hidden = command->add_flag("--hidden", options->hidden, "from every user but the member itself");
  auto* fresh = command->add_flag("--only-if-new", options->only_if_new, "only members that have no position");
  auto* known = command->add_flag("--only-if-exists", options->only_if_exists, "only members that have one");
  auto* accepted = command->add_flag("--accepted", options->accepted,
                                     "answered at once; what is not synced yet is lost when the node dies");
  fresh->excludes(known);
  accepted->excludes(fresh)->excludes(known);
  command->add_flag("--remove", options->remove, "take positions away")
      ->excludes(file)
      ->excludes(ttl)
      ->excludes(hidden)
      ->excludes(fresh)
      ->excludes(known)
      ->excludes(accepted);
  command->callback([options, &code] { code = run_locate(*options); });
}

}  // namespace earshot::app
