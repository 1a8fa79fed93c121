#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "app/place_picture.hpp"
#include "app/place_text.hpp"
#include "app/places_command.hpp"
#include "app/terminal.hpp"
#include "geo/geohash.hpp"

namespace earshot::app {

namespace {

// ---- nearby

struct NearbyOptions {
  ConnectionOptions connection;
  std::string layer;
  std::string at;
  std::string member;
  std::string radius;
  std::string box;
  std::uint32_t count = 0;
  bool any = false;
  std::string order = "nearest";
  bool map = false;
};

Result<NearbyRequest> request_of(const NearbyOptions& options) {
  NearbyRequest request;
  auto layer = layer_of(options.layer);
  if (!layer) return fail(std::move(layer.error()));
  request.layer = std::move(*layer);
  request.centre = options.member;
  if (!options.at.empty()) {
    auto point = parse_point(options.at, "at");
    if (!point) return fail(std::move(point.error()));
    request.centre = *point;
  }
  if (!options.radius.empty()) {
    auto radius = parse_length(options.radius, "radius");
    if (!radius) return fail(std::move(radius.error()));
    request.area = Circle{*radius};
  } else {
    auto box = parse_box(options.box, "box");
    if (!box) return fail(std::move(box.error()));
    request.area = *box;
  }
  request.count = options.count;
  request.any = options.any;
  if (options.order == "nearest") request.order = NearbyOrder::kNearestFirst;
  if (options.order == "farthest") request.order = NearbyOrder::kFarthestFirst;
  request.with_distance = request.with_point = request.with_geohash = true;
  return request;
}

std::string_view name_of(Completeness completeness) {
  switch (completeness) {
    case Completeness::kExact: return "exact";
    case Completeness::kTruncated: return "truncated";
    default: return "partial";
  }
}

std::string_view words_of(Completeness completeness) {
  switch (completeness) {
    case Completeness::kExact: return "that is everybody";
    case Completeness::kTruncated: return "there are more";
    default: return "there may be more: the node has just started and does not know yet where everybody is";
  }
}

std::string area_text(const std::variant<Circle, Box>& area) {
  if (const auto* circle = std::get_if<Circle>(&area)) return "within " + to_length_text(circle->radius_m);
  const auto& box = std::get<Box>(area);
  return "in a box of " + to_length_text(box.width_m) + " by " + to_length_text(box.height_m);
}

std::string json_of(const NearbyMember& member) {
  nlohmann::ordered_json line;
  put_member(line, member.member);
  if (member.distance_m) line["distanceM"] = *member.distance_m;
  if (member.point) line["longitude"] = member.point->longitude, line["latitude"] = member.point->latitude;
  if (member.geohash) line["geohash"] = geo::text_of(*member.geohash);
  return line.dump();
}

void print_table(const NearbyFound& found, bool with_signs) {
  std::size_t width = 6;
  for (const NearbyMember& one : found.members) width = std::max(width, printable(one.member).size());
  width = std::min<std::size_t>(width, 40);
  print_line(fmt::format("{}{:<{}} {:>9}  {:<22} {}", with_signs ? "   " : "", "member", width, "distance",
                         "longitude,latitude", "geohash"));
  for (std::size_t i = 0; i < found.members.size(); ++i) {
    const NearbyMember& one = found.members[i];
    print_line(fmt::format("{}{:<{}} {:>9}  {:<22} {}", with_signs ? std::string{sign_of(i), ' ', ' '} : "",
                           printable(one.member), width, one.distance_m ? to_length_text(*one.distance_m) : "",
                           one.point ? to_text(*one.point) : "", one.geohash ? geo::text_of(*one.geohash) : ""));
  }
}

// The centre of the picture: where the member is that was asked about.
Result<geo::Point> centre_of(client::Client& client, const NearbyRequest& request) {
  if (const auto* point = std::get_if<geo::Point>(&request.centre)) return *point;
  const PositionsRequest question{request.layer, {std::get<std::string>(request.centre)}};
  auto positions = client.positions(question).get();
  if (!positions) return fail(std::move(positions.error()));
  const auto& position = positions->members.at(0);
  if (!position) return fail(ErrorCode::kNotFound, "member", "has no position in this layer any more");
  return position->point;
}

ExitCode find(client::Client& client, const NearbyOptions& options, const NearbyRequest& request) {
  auto found = client.nearby(request).get();
  if (!found) return complain(found.error());
  if (options.connection.json) {
    for (const NearbyMember& one : found->members) print_line(json_of(one));
    print_line(nlohmann::ordered_json{{"found", found->members.size()}, {"completeness", name_of(found->completeness)}}
                   .dump());
    return ExitCode::kDone;
  }
  if (options.map) {
    auto centre = centre_of(client, request);
    if (!centre) return complain(centre.error());
    std::vector<geo::Point> points;
    for (const NearbyMember& one : found->members) points.push_back(one.point.value_or(geo::Point{}));
    print_line(draw_places(*centre, request.area, points));
  }
  if (!found->members.empty()) print_table(*found, options.map);
  if (!options.connection.quiet)
    print_line(fmt::format("{} {}; {}", found->members.size(), area_text(request.area), words_of(found->completeness)));
  return ExitCode::kDone;
}

ExitCode run_nearby(const NearbyOptions& options) {
  auto request = request_of(options);
  if (!request) return complain(request.error());
  return with_client(options.connection, [&](client::Client& client) { return find(client, options, *request); });
}

// ---- layers

struct LayersOptions {
  ConnectionOptions connection;
  std::string clear;
  std::string privacy;  // the layer whose privacy is shown, or set
  std::optional<std::uint32_t> precision_m;
  std::optional<std::uint32_t> step_m;
  std::optional<std::uint32_t> queries;
  bool inherit = false;
};

std::string privacy_text(const LayerPrivacyInfo& info) {
  const auto& [precision_m, step_m, queries] = info.privacy;
  std::string text = precision_m == 0 ? "exact places" : fmt::format("places to {} m", precision_m);
  text += step_m == 0 ? ", exact distances" : fmt::format(", distances to {} m", step_m);
  text += queries == 0 ? ", any number of questions" : fmt::format(", {} questions a minute", queries);
  return text + (info.inherited ? " (as by default)" : "");
}

nlohmann::ordered_json json_of(const LayerPrivacyInfo& info) {
  return {{"precisionM", info.privacy.precision_m},
          {"distanceStepM", info.privacy.distance_step_m},
          {"queriesPerMinute", info.privacy.queries_per_minute},
          {"inherited", info.inherited}};
}

ExitCode list_layers(client::Client& client, const LayersOptions& options) {
  const bool json = options.connection.json;
  if (!json) print_line(fmt::format("{:<32} {:>10}  {}", "layer", "members", "users are shown others by"));
  LayersRequest request;
  for (;;) {
    auto page = client.layers(request).get();
    if (!page) return complain(page.error());
    for (const LayerInfo& one : page->layers) {
      print_line(json ? nlohmann::ordered_json{{"layer", one.layer.text()},
                                               {"members", one.members},
                                               {"privacy", json_of(one.privacy)}}
                            .dump()
                      : fmt::format("{:<32} {:>10}  {}", one.layer.text(), one.members, privacy_text(one.privacy)));
    }
    if (!page->more || page->layers.empty()) return ExitCode::kDone;
    request.after = page->layers.back().layer.text();
  }
}

ExitCode clear_layer(client::Client& client, const LayersOptions& options, const LayerId& layer) {
  auto cleared = client.clear_layer(ClearLayerRequest{layer}).get();
  if (!cleared) return complain(cleared.error());
  if (options.connection.json)
    print_line(nlohmann::ordered_json{{"layer", layer.text()}, {"existed", cleared->existed}}.dump());
  else if (!options.connection.quiet)
    print_line(layer.text() + (cleared->existed ? " is cleared" : ": nobody was in it"));
  return ExitCode::kDone;
}

// Shows it, after it has been set if it is to be: what is not said of it stays as it is.
ExitCode set_privacy(client::Client& client, const LayersOptions& options, const LayerId& layer) {
  const auto ask = [&] { return client.layer_privacy(LayerPrivacyRequest{layer}).get(); };
  auto info = ask();
  if (!info) return complain(info.error());
  if (options.precision_m || options.step_m || options.queries || options.inherit) {
    SetLayerPrivacyRequest request{layer, std::nullopt};
    const LayerPrivacy& old = info->privacy;
    if (!options.inherit)
      request.privacy =
          LayerPrivacy{options.precision_m.value_or(old.precision_m), options.step_m.value_or(old.distance_step_m),
                       options.queries.value_or(old.queries_per_minute)};
    auto set = client.set_layer_privacy(request).get();
    if (!set) return complain(set.error());
    info = ask();
    if (!info) return complain(info.error());
  }
  if (options.connection.json)
    print_line(nlohmann::ordered_json{{"layer", layer.text()}, {"privacy", json_of(*info)}}.dump());
  else if (!options.connection.quiet)
    print_line(layer.text() + ": " + privacy_text(*info));
  return ExitCode::kDone;
}

ExitCode run_layers(const LayersOptions& options) {
  if (!options.privacy.empty()) {
    auto layer = LayerId::parse(options.privacy, "privacy");
    if (!layer) return complain(layer.error());
    return with_client(options.connection,
                       [&](client::Client& client) { return set_privacy(client, options, *layer); });
  }
  if (options.clear.empty())
    return with_client(options.connection, [&](client::Client& client) { return list_layers(client, options); });
  auto layer = LayerId::parse(options.clear, "clear");
  if (!layer) return complain(layer.error());
  return with_client(options.connection, [&](client::Client& client) { return clear_layer(client, options, *layer); });
}

}  // namespace

void add_nearby_command(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<NearbyOptions>();
  auto* command = add_places_command(app, "nearby", "Show who is near a place or a member", *options);
  command->add_option("--layer", options->layer, std::string("the layer (") + kDefaultLayer + ")");
  auto* at = command->add_option("--at", options->at, "around this place: LON,LAT in degrees");
  auto* member = command->add_option("--member", options->member, "around where this one is (neither: you yourself)");
  at->excludes(member);
  auto* area = command->add_option_group("area", "How far");
  area->add_option("--radius", options->radius, "within so much of it: 5km (units m, km, mi, ft)");
  area->add_option("--box", options->box, "in a box around it, width and height: 3kmx2km");
  area->require_option(1);
  command->add_option("--count", options->count, "so many at most: the nearest, or with --order farthest the farthest");
  command->add_flag("--any", options->any, "any of them when there are more");
  command->add_option("--order", options->order, "nearest, farthest or none")
      ->capture_default_str()
      ->check(CLI::IsMember({"nearest", "farthest", "none"}));
  command->add_flag("--map", options->map, "a picture, too");
  command->callback([options, &code] { code = run_nearby(*options); });
}

void add_layers_command(CLI::App& app, ExitCode& code) {
  auto options = std::make_shared<LayersOptions>();
  auto* command = add_places_command(app, "layers", "Show the layers that somebody is in, or look after one", *options);
  auto* clear = command->add_option("--clear", options->clear, "take away the positions of everybody in this layer");
  auto* privacy = command->add_option("--privacy", options->privacy, "how users are shown others in this layer");
  privacy->excludes(clear);
  auto* inherit = command->add_flag("--inherit", options->inherit, "as layers are by default")->needs(privacy);
  const auto add = [&](const char* name, std::optional<std::uint32_t>& value, const char* what) {
    command->add_option(name, value, what)->needs(privacy)->excludes(inherit);
  };
  add("--precision", options->precision_m, "about so many metres from where they are; 0: exactly there");
  add("--step", options->step_m, "distances are rounded up to so many metres; 0: they are not");
  add("--queries", options->queries, "so many questions a minute; 0: no limit");
  command->callback([options, &code] { code = run_layers(*options); });
}

}  // namespace earshot::app
