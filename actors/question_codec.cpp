#include "actors/question_codec.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <utility>

#include "base/limits.hpp"
#include "schema/fields.hpp"
#include "schema/flat.hpp"
#include "schema/question.capnp.h"

namespace earshot::actors {
namespace {

// ---- sizes: the words behind the message. One that is too small costs a copy, nothing else.

std::size_t words_behind(const NodeQuestion& question) {
  constexpr std::size_t kPart = flat::words_of<schema::NearbyPart>() + flat::words_of<schema::ViewerSight>();
  return flat::words_of<schema::NodeQuestion>() + question.view.size() + question.regions.size() / 4 + kPart +
         4 * flat::words_of_text(limits::kMemberBytesMax);
}

std::size_t words_of(const ToldMembers& members) {
  std::size_t words = 1 + members.size() * flat::words_of<schema::ToldMember>();
  for (const ToldMember& one : members) words += flat::words_of_data(one.name.size());
  return words;
}
std::size_t words_of(const ToldSize&) { return 0; }
std::size_t words_of(const ToldLayers& told) {
  std::size_t words = flat::words_of<schema::ToldLayers>() + 2 * told.layers.size();
  for (const auto& one : told.layers) words += flat::words_of_text(one.name.size());
  return words;
}
std::size_t words_of(const ToldScan& told) {
  std::size_t words = flat::words_of<schema::ToldScan>() + told.names.size();
  for (const std::string& name : told.names) words += flat::words_of_text(name.size());
  return words;
}

// ---- writing

void write_sight(const ViewerSight& from, schema::ViewerSight::Builder to) {
  to.setViewer(flat::text(from.viewer.text()));
  to.setPrecisionM(from.precision_m);
  to.setSecret(from.secret);
}

schema::Pick pick_of(geo::Pick pick) {
  switch (pick) {
    case geo::Pick::kAll: return schema::Pick::ALL;
    case geo::Pick::kAny: return schema::Pick::ANY;
    case geo::Pick::kNearest: return schema::Pick::NEAREST;
    case geo::Pick::kFarthest: return schema::Pick::FARTHEST;
  }
  return schema::Pick::ALL;
}

void write_bounds(const places::MemberBounds& from, schema::MemberBounds::Builder to) {
  to.setScoreMin(from.score_min);
  to.setScoreMax(from.score_max);
  to.setScoreMinExclusive(from.score_min_exclusive);
  to.setScoreMaxExclusive(from.score_max_exclusive);
  if (from.name_min) to.setNameMin(flat::data(*from.name_min));
  if (from.name_max) to.setNameMax(flat::data(*from.name_max));
  to.setNameMinExclusive(from.name_min_exclusive);
  to.setNameMaxExclusive(from.name_max_exclusive);
  to.setIsEmpty(from.is_empty);
}

struct PartWriter {
  schema::NodeQuestion::Builder question;

  void operator()(const NearbyPart& from) {
    auto to = question.initNearby();
    to.setLayer(flat::text(from.layer.text()));
    to.setLongitude(from.area.centre().longitude);
    to.setLatitude(from.area.centre().latitude);
    if (from.area.is_box()) {
      auto box = to.initBox();
      box.setWidthM(from.area.width_m());
      box.setHeightM(from.area.height_m());
    } else {
      to.setRadiusM(from.area.reach_m());
    }
    to.setPick(pick_of(from.pick));
    to.setCountMax(from.count_max);
    if (from.sight) write_sight(*from.sight, to.initSight());
  }
  void operator()(const SizePart& from) { question.setSize(flat::text(from.layer.text())); }
  void operator()(const RangePart& from) {
    auto to = question.initRange();
    to.setLayer(flat::text(from.layer.text()));
    if (from.bounds) write_bounds(*from.bounds, to.initBounds());
    to.setDescending(from.descending);
    if (from.after) {
      auto after = to.initAfter();
      after.setScore(from.after->score);
      after.setName(flat::data(from.after->name));
    }
    to.setCountMax(from.count_max);
  }
  void operator()(const LayersPart& from) { question.setLayers(flat::text(from.after)); }
  void operator()(const ScanPart& from) {
    auto to = question.initScan();
    to.setFrom(from.from);
    to.setCountMax(from.count_max);
  }
};

struct ToldWriter {
  schema::NodeAnswer::Builder answer;

  void operator()(const ToldMembers& from) {
    auto to = answer.initMembers(static_cast<capnp::uint>(from.size()));
    for (capnp::uint i = 0; i < to.size(); ++i) {
      to[i].setName(flat::data(from[i].name));
      to[i].setScore(from[i].score);
      to[i].setVersion(from[i].version);
      to[i].setDistanceM(from[i].distance_m);
      to[i].setHidden(from[i].is_hidden);
    }
  }
  void operator()(const ToldSize& from) { answer.setSize(from.members); }
  void operator()(const ToldLayers& from) {
    auto to = answer.initLayers();
    const auto count = static_cast<capnp::uint>(from.layers.size());
    auto names = to.initNames(count);
    auto members = to.initMembers(count);
    for (capnp::uint i = 0; i < count; ++i) {
      names.set(i, flat::text(from.layers[i].name));
      members.set(i, from.layers[i].members);
    }
  }
  void operator()(const ToldScan& from) {
    auto to = answer.initScan();
    auto names = to.initNames(static_cast<capnp::uint>(from.names.size()));
    for (capnp::uint i = 0; i < names.size(); ++i) names.set(i, flat::text(from.names[i]));
    to.setNext(from.next);
  }
};

template <class Fill>
std::string encode_message(std::size_t words, Fill fill) {
  flat::Writer writer(flat::words_of<schema::QuestionMessage>() + words + flat::kChecksumWords);
  fill(writer.initRoot<schema::QuestionMessage>());
  return flat::with_checksum(writer.take());
}

// ---- reading

double number(double value, Fields& fields, std::string_view field) {
  fields.require(!std::isnan(value), field, "is no number");
  return value;
}

std::optional<ViewerSight> read_sight(schema::ViewerSight::Reader from, Fields& fields) {
  fields.at_most(from.getPrecisionM(), limits::kPrecisionMMax, "precisionM");
  return ViewerSight{fields.user(from.getViewer(), "viewer"), from.getPrecisionM(), from.getSecret()};
}

geo::Pick read_pick(schema::Pick from, Fields& fields) {
  switch (from) {
    case schema::Pick::ALL: return geo::Pick::kAll;
    case schema::Pick::ANY: return geo::Pick::kAny;
    case schema::Pick::NEAREST: return geo::Pick::kNearest;
    case schema::Pick::FARTHEST: return geo::Pick::kFarthest;
  }
  fields.require(false, "pick", "is unknown");
  return geo::Pick::kAll;
}

Result<QuestionPart> read_nearby(schema::NearbyPart::Reader from) {
  Fields fields(Fields::Source::kWire);
  LayerId layer = fields.layer(from.getLayer(), "layer");
  const geo::Point centre{from.getLongitude(), from.getLatitude()};
  fields.require(std::fabs(centre.longitude) <= geo::kLongitudeMax, "longitude", "is beyond the Earth's");
  fields.require(std::fabs(centre.latitude) <= geo::kLatitudeMax, "latitude", "is beyond what has places");
  fields.at_most(from.getCountMax(), limits::kNodeMembersMax, "countMax");
  const geo::Pick pick = read_pick(from.getPick(), fields);
  std::optional<ViewerSight> sight;
  if (from.hasSight()) sight = read_sight(from.getSight(), fields);
  if (Status status = fields.finish(); !status) return fail(std::move(status.error()));
  auto area = from.isRadiusM() ? geo::Area::circle(centre, from.getRadiusM(), "radiusM")
                               : geo::Area::box(centre, from.getBox().getWidthM(), from.getBox().getHeightM(), "box");
  if (!area) return fail(std::move(area.error()));
  return QuestionPart(NearbyPart{std::move(layer), *area, pick, from.getCountMax(), std::move(sight)});
}

places::MemberBounds read_bounds(schema::MemberBounds::Reader from, Fields& fields) {
  places::MemberBounds bounds;
  bounds.score_min = number(from.getScoreMin(), fields, "scoreMin");
  bounds.score_max = number(from.getScoreMax(), fields, "scoreMax");
  bounds.score_min_exclusive = from.getScoreMinExclusive();
  bounds.score_max_exclusive = from.getScoreMaxExclusive();
  // Longer than any name, as Redis's clients may say it.
  if (from.hasNameMin()) bounds.name_min = fields.data(from.getNameMin(), limits::kRespArgumentBytesMax, "nameMin");
  if (from.hasNameMax()) bounds.name_max = fields.data(from.getNameMax(), limits::kRespArgumentBytesMax, "nameMax");
  bounds.name_min_exclusive = from.getNameMinExclusive();
  bounds.name_max_exclusive = from.getNameMaxExclusive();
  bounds.is_empty = from.getIsEmpty();
  return bounds;
}

Result<QuestionPart> read_range(schema::RangePart::Reader from) {
  Fields fields(Fields::Source::kWire);
  RangePart part;
  part.layer = fields.layer(from.getLayer(), "layer");
  if (from.hasBounds()) part.bounds = read_bounds(from.getBounds(), fields);
  part.descending = from.getDescending();
  if (from.hasAfter())
    part.after = MemberSpot{number(from.getAfter().getScore(), fields, "after"),
                            fields.data(from.getAfter().getName(), limits::kMemberBytesMax, "after")};
  part.count_max = from.getCountMax();
  fields.at_most(part.count_max, limits::kNodePageMembersMax, "countMax");
  return fields.finish(QuestionPart(std::move(part)));
}

Result<QuestionPart> read_part(schema::NodeQuestion::Reader from) {
  Fields fields(Fields::Source::kWire);
  switch (from.which()) {
    case schema::NodeQuestion::NEARBY: return read_nearby(from.getNearby());
    case schema::NodeQuestion::SIZE: {
      SizePart part{fields.layer(from.getSize(), "size")};
      return fields.finish(QuestionPart(std::move(part)));
    }
    case schema::NodeQuestion::RANGE: return read_range(from.getRange());
    case schema::NodeQuestion::LAYERS: {
      LayersPart part{fields.text_or_none(from.getLayers(), "layers")};
      return fields.finish(QuestionPart(std::move(part)));
    }
    case schema::NodeQuestion::SCAN: {
      fields.at_most(from.getScan().getCountMax(), limits::kLayersPageMax, "countMax");
      return fields.finish(QuestionPart(ScanPart{from.getScan().getFrom(), from.getScan().getCountMax()}));
    }
  }
  return fail(ErrorCode::kUnsupportedVersion, "question", "comes from a newer version of this program");
}

Result<QuestionMessage> read(schema::NodeQuestion::Reader from) {
  Fields fields(Fields::Source::kWire);
  NodeQuestion question;
  question.id = fields.positive(from.getId(), "id");
  question.left_ms = from.getLeftMs();
  fields.at_most(question.left_ms, limits::kNearbyDeadlineMsMax, "leftMs");
  if (fields.fits(from.getView().size(), limits::kClusterNodesMax, "view", "nodes"))
    for (const std::uint64_t node : from.getView()) {
      fields.require(node > (question.view.empty() ? 0 : question.view.back().value), "view", "must ascend");
      question.view.emplace_back(node);
    }
  if (fields.fits(from.getRegions().size(), limits::kQuestionRegionsMax, "regions", "entries"))
    for (const std::uint16_t region : from.getRegions()) {
      fields.require(region < cluster::kRegions, "regions", "are fewer");
      fields.require(question.regions.empty() || region > question.regions.back().value, "regions", "must ascend");
      question.regions.emplace_back(region);
    }
  if (Status status = fields.finish(); !status) return fail(std::move(status.error()));
  auto part = read_part(from);
  if (!part) return fail(std::move(part.error()));
  question.part = std::move(*part);
  question.tag = {NodeId(), RequestTag::door_of(from.getDoor()), from.getClient(), from.getClientCall()};
  return QuestionMessage(std::move(question));
}

ToldMembers read_members(capnp::List<schema::ToldMember>::Reader from, Fields& fields) {
  ToldMembers members;
  if (!fields.fits(from.size(), limits::kNodePageMembersMax, "members", "entries")) return members;
  members.reserve(from.size());
  for (const auto one : from)
    members.push_back({fields.data(one.getName(), limits::kMemberBytesMax, "name"),
                       number(one.getScore(), fields, "score"), one.getVersion(),
                       number(one.getDistanceM(), fields, "distanceM"), one.getHidden()});
  return members;
}

ToldLayers read_layers(schema::ToldLayers::Reader from, Fields& fields) {
  ToldLayers told;
  const auto names = from.getNames();
  const auto members = from.getMembers();
  fields.require(names.size() == members.size(), "layers", "have each a number of members");
  if (!fields.fits(names.size(), limits::kLayersPageMax, "layers", "entries") || !fields.ok()) return told;
  told.layers.reserve(names.size());
  for (capnp::uint i = 0; i < names.size(); ++i) {
    std::string name = fields.layer(names[i], "layers").text();
    fields.require(told.layers.empty() || told.layers.back().name < name, "layers", "must ascend");
    told.layers.push_back({std::move(name), members[i]});
  }
  return told;
}

// Those with the same place are told together, so there may be some more than were asked for.
ToldScan read_scan(schema::ToldScan::Reader from, Fields& fields) {
  ToldScan told;
  if (!fields.fits(from.getNames().size(), 2 * limits::kLayersPageMax, "scan", "entries")) return told;
  for (const auto name : from.getNames()) told.names.push_back(fields.layer(name, "scan").text());
  told.next = from.getNext();
  return told;
}

Result<QuestionMessage> read(schema::NodeAnswer::Reader from) {
  Fields fields(Fields::Source::kWire);
  NodeAnswer answer;
  answer.id = fields.positive(from.getId(), "id");
  answer.serving = from.getServing();
  answer.part = from.getPart();
  answer.parts = from.getParts();
  fields.require(answer.part < answer.parts, "part", "is one of parts");
  fields.at_most(answer.parts, limits::kNodeAnswerPartsMax, "parts");
  answer.is_partial = from.getIsPartial();
  answer.is_other_view = from.getIsOtherView();
  answer.more = from.getMore();
  answer.follows_ms = from.getFollowsMs();
  switch (from.which()) {
    case schema::NodeAnswer::MEMBERS: answer.told = read_members(from.getMembers(), fields); break;
    case schema::NodeAnswer::SIZE: answer.told = ToldSize{from.getSize()}; break;
    case schema::NodeAnswer::LAYERS: answer.told = read_layers(from.getLayers(), fields); break;
    case schema::NodeAnswer::SCAN: answer.told = read_scan(from.getScan(), fields); break;
    default: return fail(ErrorCode::kUnsupportedVersion, "answer", "comes from a newer version of this program");
  }
  return fields.finish(QuestionMessage(std::move(answer)));
}

}  // namespace

std::string encode(const NodeQuestion& question) {
  return encode_message(words_behind(question), [&](schema::QuestionMessage::Builder message) {
    auto to = message.initQuestion();
    to.setId(question.id);
    to.setLeftMs(question.left_ms);
    to.setDoor(static_cast<std::uint8_t>(question.tag.door));
    to.setClient(question.tag.client);
    to.setClientCall(question.tag.call);
    auto view = to.initView(static_cast<capnp::uint>(question.view.size()));
    for (capnp::uint i = 0; i < view.size(); ++i) view.set(i, question.view[i].value);
    auto regions = to.initRegions(static_cast<capnp::uint>(question.regions.size()));
    for (capnp::uint i = 0; i < regions.size(); ++i) regions.set(i, question.regions[i].value);
    std::visit(PartWriter{to}, question.part);
  });
}

std::string encode(const NodeAnswer& answer) {
  const std::size_t words =
      flat::words_of<schema::NodeAnswer>() + std::visit([](const auto& told) { return words_of(told); }, answer.told);
  return encode_message(words, [&](schema::QuestionMessage::Builder message) {
    auto to = message.initAnswer();
    to.setId(answer.id);
    to.setServing(answer.serving);
    to.setPart(answer.part);
    to.setParts(answer.parts);
    to.setIsPartial(answer.is_partial);
    to.setIsOtherView(answer.is_other_view);
    to.setMore(answer.more);
    to.setFollowsMs(answer.follows_ms);
    std::visit(ToldWriter{to}, answer.told);
  });
}

std::vector<std::string> encode_parts(NodeAnswer answer) {
  auto* members = std::get_if<ToldMembers>(&answer.told);
  if (members == nullptr || members->size() <= limits::kNodePageMembersMax) return {encode(answer)};
  ToldMembers all = std::move(*members);
  answer.parts =
      static_cast<std::uint16_t>((all.size() + limits::kNodePageMembersMax - 1) / limits::kNodePageMembersMax);
  std::vector<std::string> parts;
  for (auto begin = all.begin(); begin != all.end(); ++answer.part) {
    const auto left = static_cast<std::size_t>(all.end() - begin);
    const auto end = begin + static_cast<std::ptrdiff_t>(std::min(left, limits::kNodePageMembersMax));
    answer.told = ToldMembers(std::make_move_iterator(begin), std::make_move_iterator(end));
    parts.push_back(encode(answer));
    begin = end;
  }
  return parts;
}

Result<QuestionMessage> decode_question_message(std::string_view bytes) {
  if (bytes.size() > limits::kCallBytesMax)
    return fail(
        ErrorCode::kTooLarge, "question",
        "has " + std::to_string(bytes.size()) + " bytes, the limit is " + std::to_string(limits::kCallBytesMax));
  return flat::read_checked<schema::QuestionMessage>(
      bytes, "question", [](schema::QuestionMessage::Reader from) -> Result<QuestionMessage> {
        switch (from.which()) {
          case schema::QuestionMessage::QUESTION: return read(from.getQuestion());
          case schema::QuestionMessage::ANSWER: return read(from.getAnswer());
        }
        return fail(ErrorCode::kUnsupportedVersion, "question", "comes from a newer version of this program");
      });
}

std::size_t bytes_of(const Told& told) {
  std::size_t bytes = sizeof told;
  if (const auto* members = std::get_if<ToldMembers>(&told))
    for (const ToldMember& one : *members) bytes += sizeof one + one.name.size();
  if (const auto* layers = std::get_if<ToldLayers>(&told))
    for (const auto& one : layers->layers) bytes += sizeof one + one.name.size();
  if (const auto* scan = std::get_if<ToldScan>(&told))
    for (const std::string& name : scan->names) bytes += sizeof(std::string) + name.size();
  return bytes;
}

}  // namespace earshot::actors
