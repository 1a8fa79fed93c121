#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "base/limits.hpp"
#include "geo/area.hpp"
#include "schema/fields.hpp"
#include "schema/flat.hpp"
#include "schema/read_answer.hpp"
#include "schema/record_codec.hpp"
#include "schema/wire.hpp"

// The calls about where members are.
namespace earshot::wire {
namespace {

LayerId read_layer(capnp::Text::Reader from, Fields& fields) {
  return from.size() == 0 ? LayerId::trusted(kDefaultLayer) : fields.layer(from, "layer");
}

// "" is the session's own user, whom only the session knows.
std::string read_member(capnp::Text::Reader from, std::string_view field, Fields& fields) {
  return fields.text(from, limits::kMemberBytesMax, field);
}

std::vector<std::string> read_members(capnp::List<capnp::Text>::Reader from, Fields& fields) {
  std::vector<std::string> members;
  if (!fields.fits(from.size(), limits::kPositionsBatchMax, "members", "entries")) return members;
  members.reserve(from.size());
  for (const auto member : from) members.push_back(read_member(member, "members", fields));
  return members;
}

void write_members(const std::vector<std::string>& from, capnp::List<capnp::Text>::Builder to) {
  for (capnp::uint i = 0; i < to.size(); ++i) to.set(i, flat::text(from[i]));
}

void write(const geo::Point& from, schema::Point::Builder to) {
  to.setLongitude(from.longitude);
  to.setLatitude(from.latitude);
}

geo::Point read_point(bool is_set, schema::Point::Reader from, std::string_view field, Fields& fields) {
  fields.require(is_set, field, "must not be null");
  return fields.inner(geo::check_point(from.getLongitude(), from.getLatitude(), field));
}

void write(geo::Geohash from, schema::Geohash::Builder to) {
  to.setValue(from.value);
  to.setText(flat::text(geo::text_of(from)));
}

geo::Geohash read_geohash(schema::Geohash::Reader from, Fields& fields) {
  fields.require(from.getValue() < std::uint64_t{1} << 52, "geohash", "has more than 52 bits");
  return geo::Geohash(from.getValue());
}

void write(const PositionItem& from, schema::PositionItem::Builder to) {
  to.setMember(flat::text(from.member));
  write(from.point, to.initPoint());
  to.setTtlMs(from.ttl_ms);
  to.setHidden(from.hidden);
}

// A call sets thousands: a fault says which item's it is.
PositionItem read_item(schema::PositionItem::Reader from, std::size_t index, Fields& fields) {
  Fields own(Fields::Source::kWire);
  PositionItem item;
  item.member = read_member(from.getMember(), "member", own);
  item.point = read_point(from.hasPoint(), from.getPoint(), "point", own);
  item.ttl_ms = from.getTtlMs();
  own.at_most(item.ttl_ms, limits::kTtlMsMax, "ttlMs");
  item.hidden = from.getHidden();
  auto read = own.finish(std::move(item));
  if (!read) read.error().field = "items[" + std::to_string(index) + "]." + read.error().field;
  return fields.inner(std::move(read));
}

void write(const std::variant<Circle, Box>& from, schema::NearbyRequest::Area::Builder to) {
  if (const auto* circle = std::get_if<Circle>(&from)) return to.setRadiusM(circle->radius_m);
  auto box = to.initBox();
  box.setWidthM(std::get<Box>(from).width_m);
  box.setHeightM(std::get<Box>(from).height_m);
}

// Whether there is such an area depends on its size alone: any centre will do to ask.
std::variant<Circle, Box> read_area(schema::NearbyRequest::Area::Reader from, Fields& fields) {
  const auto check = [&](const Result<geo::Area>& area) {
    if (!area) fields.require(false, area.error().field, area.error().detail);
  };
  if (from.isRadiusM()) {
    check(geo::Area::circle({}, from.getRadiusM(), "area.radiusM"));
    return Circle{from.getRadiusM()};
  }
  fields.require(from.isBox(), "area", "is unknown to this server");
  const Box box{from.getBox().getWidthM(), from.getBox().getHeightM()};
  check(geo::Area::box({}, box.width_m, 0, "area.box.widthM"));
  check(geo::Area::box({}, 0, box.height_m, "area.box.heightM"));
  return box;
}

std::variant<geo::Point, std::string> read_centre(schema::NearbyRequest::Centre::Reader from, Fields& fields) {
  if (from.isMember()) return read_member(from.getMember(), "centre.member", fields);
  fields.require(from.isPoint(), "centre", "is unknown to this server");
  return read_point(from.hasPoint(), from.getPoint(), "centre.point", fields);
}

void write(const NearbyMember& from, schema::NearbyMember::Builder to) {
  if (is_utf8(from.member))
    to.setMember(flat::text(from.member));
  else
    to.setMemberBytes(flat::data(from.member));
  if (from.distance_m) to.setDistanceM(*from.distance_m);
  if (from.point) write(*from.point, to.initPoint());
  if (from.geohash) write(*from.geohash, to.initGeohash());
}

NearbyMember read_found(schema::NearbyMember::Reader from, Fields& fields) {
  NearbyMember found;
  found.member = from.hasMemberBytes() ? fields.data(from.getMemberBytes(), limits::kMemberBytesMax, "memberBytes")
                                       : read_member(from.getMember(), "member", fields);
  fields.require(!found.member.empty(), "member", "must not be empty");
  if (!std::isnan(from.getDistanceM())) found.distance_m = from.getDistanceM();
  if (from.hasPoint()) found.point = read_point(true, from.getPoint(), "point", fields);
  if (from.hasGeohash()) found.geohash = read_geohash(from.getGeohash(), fields);
  return found;
}

// One that a newer node invented is no promise.
Completeness read_completeness(schema::Completeness from) {
  const auto completeness = static_cast<Completeness>(from);
  return completeness <= Completeness::kPartial ? completeness : Completeness::kPartial;
}

}  // namespace

// ---- parameters

void write(const SetPositionsRequest& from, schema::Session::SetPositionsParams::Builder to) {
  to.setLayer(flat::text(from.layer.text()));
  auto items = to.initItems(static_cast<capnp::uint>(from.items.size()));
  for (capnp::uint i = 0; i < items.size(); ++i) write(from.items[i], items[i]);
  to.setCondition(static_cast<schema::SetCondition>(from.condition));
  to.setAccepted(from.accepted);
}

Result<SetPositionsRequest> read(schema::Session::SetPositionsParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    SetPositionsRequest request;
    request.layer = read_layer(from.getLayer(), fields);
    const auto items = from.getItems();
    if (fields.fits(items.size(), limits::kPositionsBatchMax, "items", "entries")) {
      request.items.reserve(items.size());
      for (capnp::uint i = 0; i < items.size() && fields.ok(); ++i)
        request.items.push_back(read_item(items[i], i, fields));
    }
    request.condition = static_cast<PositionCondition>(from.getCondition());
    fields.require(request.condition <= PositionCondition::kIfExists, "condition", "is unknown to this server");
    request.accepted = from.getAccepted();
    fields.require(!request.accepted || request.condition == PositionCondition::kAlways, "accepted",
                   "goes with no condition: whether one holds is known when the change is committed");
    return fields.finish(std::move(request));
  });
}

void write(const ClearPositionsRequest& from, schema::Session::ClearPositionsParams::Builder to) {
  to.setLayer(flat::text(from.layer.text()));
  write_members(from.members, to.initMembers(static_cast<capnp::uint>(from.members.size())));
}

Result<ClearPositionsRequest> read(schema::Session::ClearPositionsParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    ClearPositionsRequest request;
    request.layer = read_layer(from.getLayer(), fields);
    request.members = read_members(from.getMembers(), fields);
    return fields.finish(std::move(request));
  });
}

void write(const ClearLayerRequest& from, schema::Session::ClearLayerParams::Builder to) {
  to.setLayer(flat::text(from.layer.text()));
}

Result<ClearLayerRequest> read(schema::Session::ClearLayerParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    return fields.finish(ClearLayerRequest{read_layer(from.getLayer(), fields)});
  });
}

void write(const NearbyRequest& from, schema::Session::NearbyParams::Builder params) {
  auto to = params.initRequest();
  to.setLayer(flat::text(from.layer.text()));
  if (const auto* point = std::get_if<geo::Point>(&from.centre))
    write(*point, to.initCentre().initPoint());
  else
    to.initCentre().setMember(flat::text(std::get<std::string>(from.centre)));
  write(from.area, to.initArea());
  to.setCount(from.count);
  to.setAny(from.any);
  to.setOrder(static_cast<schema::NearbyOrder>(from.order));
  to.setWithDistance(from.with_distance);
  to.setWithPoint(from.with_point);
  to.setWithGeohash(from.with_geohash);
  to.setDeadlineMs(from.deadline_ms);
}

Result<NearbyRequest> read(schema::Session::NearbyParams::Reader params) {
  return guarded("request", [&] {
    const auto from = params.getRequest();
    Fields fields(Fields::Source::kWire);
    NearbyRequest request;
    request.layer = read_layer(from.getLayer(), fields);
    request.centre = read_centre(from.getCentre(), fields);
    request.area = read_area(from.getArea(), fields);
    request.count = from.getCount();
    fields.at_most(request.count, limits::kNearbyAnswerMax, "count");
    request.any = from.getAny();
    request.order = static_cast<NearbyOrder>(from.getOrder());
    fields.require(request.order <= NearbyOrder::kFarthestFirst, "order", "is unknown to this server");
    request.with_distance = from.getWithDistance();
    request.with_point = from.getWithPoint();
    request.with_geohash = from.getWithGeohash();
    request.deadline_ms = from.getDeadlineMs();
    fields.at_most(request.deadline_ms, limits::kNearbyDeadlineMsMax, "deadlineMs");
    return fields.finish(std::move(request));
  });
}

void write(const PositionsRequest& from, schema::Session::PositionsParams::Builder to) {
  to.setLayer(flat::text(from.layer.text()));
  write_members(from.members, to.initMembers(static_cast<capnp::uint>(from.members.size())));
}

Result<PositionsRequest> read(schema::Session::PositionsParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    PositionsRequest request;
    request.layer = read_layer(from.getLayer(), fields);
    request.members = read_members(from.getMembers(), fields);
    return fields.finish(std::move(request));
  });
}

void write(const DistanceRequest& from, schema::Session::DistanceParams::Builder to) {
  to.setLayer(flat::text(from.layer.text()));
  to.setFrom(flat::text(from.from));
  to.setTo(flat::text(from.to));
}

Result<DistanceRequest> read(schema::Session::DistanceParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    DistanceRequest request;
    request.layer = read_layer(from.getLayer(), fields);
    request.from = read_member(from.getFrom(), "from", fields);
    request.to = read_member(from.getTo(), "to", fields);
    return fields.finish(std::move(request));
  });
}

void write(const LayersRequest& from, schema::Session::LayersParams::Builder to) {
  to.setAfter(flat::text(from.after));
}

Result<LayersRequest> read(schema::Session::LayersParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    return fields.finish(LayersRequest{fields.text(from.getAfter(), limits::kNameBytesMax, "after")});
  });
}

void write(const LayerPrivacyRequest& from, schema::Session::LayerPrivacyParams::Builder to) {
  to.setLayer(flat::text(from.layer.text()));
}

Result<LayerPrivacyRequest> read(schema::Session::LayerPrivacyParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    return fields.finish(LayerPrivacyRequest{read_layer(from.getLayer(), fields)});
  });
}

void write(const SetLayerPrivacyRequest& from, schema::Session::SetLayerPrivacyParams::Builder to) {
  to.setLayer(flat::text(from.layer.text()));
  if (from.privacy) codec::write(*from.privacy, to.initPrivacy());
  to.setInherit(!from.privacy);
}

Result<SetLayerPrivacyRequest> read(schema::Session::SetLayerPrivacyParams::Reader from) {
  return guarded("request", [&] {
    Fields fields(Fields::Source::kWire);
    SetLayerPrivacyRequest request;
    request.layer = read_layer(from.getLayer(), fields);
    if (from.getInherit()) return fields.finish(std::move(request));
    // One that is left out would show everything.
    fields.require(from.hasPrivacy(), "privacy", "must not be null");
    request.privacy = codec::read(from.getPrivacy());
    codec::check(*request.privacy, fields);
    return fields.finish(std::move(request));
  });
}

// ---- answers

void write(const Result<PositionOutcomes>& from, schema::SetPositionsAnswer::Builder to) {
  if (!from) return write(from.error(), to.initError());
  auto outcomes = to.initOutcomes(static_cast<capnp::uint>(from->size()));
  for (capnp::uint i = 0; i < outcomes.size(); ++i) outcomes.set(i, static_cast<schema::PositionOutcome>((*from)[i]));
}

Result<PositionOutcomes> read(schema::SetPositionsAnswer::Reader from) {
  return read_answer(from, from.isOutcomes(), [&](Fields& fields) {
    PositionOutcomes outcomes;
    const auto list = from.getOutcomes();
    if (!fields.fits(list.size(), limits::kPositionsBatchMax, "outcomes", "entries")) return outcomes;
    outcomes.reserve(list.size());
    for (const auto one : list) {
      outcomes.push_back(static_cast<PositionOutcome>(one));
      fields.require(outcomes.back() <= PositionOutcome::kAccepted, "outcomes", "is unknown to this client");
    }
    return outcomes;
  });
}

void write(const Result<PositionsCleared>& from, schema::ClearPositionsAnswer::Builder to) {
  from ? to.setCleared(from->members) : write(from.error(), to.initError());
}

Result<PositionsCleared> read(schema::ClearPositionsAnswer::Reader from) {
  return read_answer(from, from.isCleared(), [&](Fields&) { return PositionsCleared{from.getCleared()}; });
}

void write(const Result<LayerCleared>& from, schema::ClearLayerAnswer::Builder to) {
  from ? to.setExisted(from->existed) : write(from.error(), to.initError());
}

Result<LayerCleared> read(schema::ClearLayerAnswer::Reader from) {
  return read_answer(from, from.isExisted(), [&](Fields&) { return LayerCleared{from.getExisted()}; });
}

void write(const Result<NearbyFound>& from, schema::NearbyAnswer::Builder to) {
  if (!from) return write(from.error(), to.initError());
  auto found = to.initFound();
  auto members = found.initMembers(static_cast<capnp::uint>(from->members.size()));
  for (capnp::uint i = 0; i < members.size(); ++i) write(from->members[i], members[i]);
  found.setCompleteness(static_cast<schema::Completeness>(from->completeness));
}

Result<NearbyFound> read(schema::NearbyAnswer::Reader from) {
  return read_answer(from, from.isFound(), [&](Fields& fields) {
    NearbyFound found;
    const auto members = from.getFound().getMembers();
    found.completeness = read_completeness(from.getFound().getCompleteness());
    if (!fields.fits(members.size(), limits::kNearbyAnswerMax, "members", "entries")) return found;
    found.members.reserve(members.size());
    for (const auto member : members) found.members.push_back(read_found(member, fields));
    return found;
  });
}

void write(const Result<Positions>& from, schema::PositionsAnswer::Builder to) {
  if (!from) return write(from.error(), to.initError());
  auto positions = to.initPositions(static_cast<capnp::uint>(from->members.size()));
  for (capnp::uint i = 0; i < positions.size(); ++i) {
    const auto& position = from->members[i];
    if (!position) continue;
    write(position->point, positions[i].initPoint());
    write(position->geohash, positions[i].initGeohash());
  }
}

Result<Positions> read(schema::PositionsAnswer::Reader from) {
  return read_answer(from, from.isPositions(), [&](Fields& fields) {
    Positions positions;
    const auto list = from.getPositions();
    if (!fields.fits(list.size(), limits::kPositionsBatchMax, "positions", "entries")) return positions;
    positions.members.resize(list.size());
    for (capnp::uint i = 0; i < list.size(); ++i) {
      if (!list[i].hasPoint()) continue;
      positions.members[i] =
          Position{read_point(true, list[i].getPoint(), "point", fields), read_geohash(list[i].getGeohash(), fields)};
    }
    return positions;
  });
}

void write(const Result<Distance>& from, schema::DistanceAnswer::Builder to) {
  if (!from) return write(from.error(), to.initError());
  from->metres ? to.setMetres(*from->metres) : to.setNone();
}

Result<Distance> read(schema::DistanceAnswer::Reader from) {
  return read_answer(from, from.isMetres() || from.isNone(), [&](Fields&) {
    Distance distance;
    if (from.isMetres()) distance.metres = from.getMetres();
    return distance;
  });
}

void write(const Result<LayersPage>& from, schema::LayersAnswer::Builder to) {
  if (!from) return write(from.error(), to.initError());
  auto found = to.initFound();
  auto layers = found.initLayers(static_cast<capnp::uint>(from->layers.size()));
  for (capnp::uint i = 0; i < layers.size(); ++i) {
    layers[i].setName(flat::text(from->layers[i].layer.text()));
    layers[i].setMembers(from->layers[i].members);
    codec::write(from->layers[i].privacy.privacy, layers[i].initPrivacy());
    layers[i].setPrivacyInherited(from->layers[i].privacy.inherited);
  }
  found.setMore(from->more);
}

Result<LayersPage> read(schema::LayersAnswer::Reader from) {
  return read_answer(from, from.isFound(), [&](Fields& fields) {
    LayersPage page;
    const auto layers = from.getFound().getLayers();
    page.more = from.getFound().getMore();
    if (!fields.fits(layers.size(), limits::kLayersPageMax, "layers", "entries")) return page;
    page.layers.reserve(layers.size());
    for (const auto layer : layers) {
      const LayerPrivacyInfo privacy{codec::read(layer.getPrivacy()), layer.getPrivacyInherited()};
      page.layers.push_back({fields.layer(layer.getName(), "name"), layer.getMembers(), privacy});
    }
    return page;
  });
}

void write(const Result<LayerPrivacyInfo>& from, schema::LayerPrivacyAnswer::Builder to) {
  if (!from) return write(from.error(), to.initError());
  codec::write(from->privacy, to.initPrivacy());
  to.setInherited(from->inherited);
}

Result<LayerPrivacyInfo> read(schema::LayerPrivacyAnswer::Reader from) {
  return read_answer(from, from.isPrivacy(), [&](Fields&) {
    return LayerPrivacyInfo{codec::read(from.getPrivacy()), from.getInherited()};
  });
}

}  // namespace earshot::wire
