#include "actors/feed_message.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <type_traits>
#include <utility>

#include "base/limits.hpp"
#include "schema/feed.capnp.h"
#include "schema/fields.hpp"
#include "schema/flat.hpp"
#include "schema/record_codec.hpp"

namespace earshot::actors {
namespace {

// Behind the checksum, so that a frame can be passed on before anybody reads it.
constexpr char kRequestMark = 'r';
constexpr char kTidingMark = 't';

// ---- writing

// Each layer is named once in a message.
class LayerNames {
 public:
  explicit LayerNames(const FeedItems& items) {
    for (const auto& move : items.moves) note(move.layer);
    for (const auto& cleared : items.cleared) note(cleared.layer);
    for (const auto& change : items.privacies) note(change.layer);
  }
  [[nodiscard]] std::uint16_t index(const LayerId& layer) const { return indices_.at(layer.text()); }
  [[nodiscard]] const std::vector<const LayerId*>& all() const { return layers_; }
  [[nodiscard]] std::size_t words() const {
    std::size_t words = 1 + layers_.size();
    for (const LayerId* layer : layers_) words += flat::words_of_text(layer->text().size());
    return words;
  }

 private:
  void note(const LayerId& layer) {
    const auto [at, is_new] = indices_.try_emplace(layer.text(), static_cast<std::uint16_t>(layers_.size()));
    if (is_new) layers_.push_back(&layer);
  }

  std::map<std::string_view, std::uint16_t> indices_;
  std::vector<const LayerId*> layers_;
};

std::size_t words_behind(const FeedItems& items, const LayerNames& names) {
  std::size_t words = flat::words_of<schema::FeedItems>() + names.words() +
                      flat::words_of_list<schema::FeedMove>(items.moves.size()) +
                      flat::words_of_list<schema::FeedCleared>(items.cleared.size()) +
                      flat::words_of_list<schema::FeedPrivacy>(items.privacies.size()) +
                      items.privacies.size() * flat::words_of<schema::LayerPrivacy>();
  for (const auto& move : items.moves) words += flat::words_of_data(move.member.size());
  return words;
}

void write(const cluster::Move& from, const LayerNames& names, schema::FeedMove::Builder to) {
  to.setLayer(names.index(from.layer));
  to.setHasScore(from.score.has_value());
  to.setScore(from.score.value_or(0));
  to.setHidden(from.hidden);
  to.setAhead(from.ahead);
  to.setSettles(from.settles);
  to.setAheadNumber(from.ahead_number);
  to.setElsewhere(from.elsewhere);
  to.setVersion(from.version);
  to.setMember(flat::data(from.member));
}

void write(const FeedItems& from, const LayerNames& names, schema::FeedItems::Builder to) {
  to.setNumber(from.number);
  to.setScan(static_cast<schema::FeedItems::Scan>(from.scan));
  to.setTellsLate(from.tells_late);
  auto layers = to.initLayers(static_cast<capnp::uint>(names.all().size()));
  for (capnp::uint i = 0; i < layers.size(); ++i) layers.set(i, flat::text(names.all()[i]->text()));
  auto moves = to.initMoves(static_cast<capnp::uint>(from.moves.size()));
  for (capnp::uint i = 0; i < moves.size(); ++i) write(from.moves[i], names, moves[i]);
  auto cleared = to.initCleared(static_cast<capnp::uint>(from.cleared.size()));
  for (capnp::uint i = 0; i < cleared.size(); ++i) {
    cleared[i].setLayer(names.index(from.cleared[i].layer));
    cleared[i].setVersion(from.cleared[i].version);
  }
  auto privacies = to.initPrivacies(static_cast<capnp::uint>(from.privacies.size()));
  for (capnp::uint i = 0; i < privacies.size(); ++i) {
    privacies[i].setLayer(names.index(from.privacies[i].layer));
    if (const auto& privacy = from.privacies[i].privacy) codec::write(*privacy, privacies[i].initPrivacy());
  }
}

template <class Fill>
std::string encode_with(const FeedId& id, std::size_t words, char mark, Fill fill) {
  flat::Writer writer(flat::words_of<schema::FeedMessage>() + words + flat::kChecksumWords + 1);
  auto root = writer.initRoot<schema::FeedMessage>();
  root.setTerm(id.term.value);
  root.setSubscription(id.subscription);
  fill(root);
  return flat::with_checksum(writer.take()) + mark;
}

// ---- reading

class ItemsReader {
 public:
  explicit ItemsReader(Fields& fields) : fields_(fields) {}

  FeedItems read(const FeedId& id, schema::FeedItems::Reader from) {
    FeedItems items;
    items.id = id;
    items.number = fields_.positive(from.getNumber(), "number");
    items.tells_late = from.getTellsLate();
    fields_.require(from.getScan() <= schema::FeedItems::Scan::ENDS, "scan", "is not known to this release");
    items.scan = static_cast<FeedScan>(from.getScan());
    if (!read_layers(from.getLayers())) return items;
    if (!fits(from.getMoves().size(), "moves") || !fits(from.getCleared().size(), "cleared") ||
        !fits(from.getPrivacies().size(), "privacies"))
      return items;
    for (const auto move : from.getMoves()) {
      items.moves.push_back(read(move));
      if (!fields_.ok()) return items;
    }
    for (const auto cleared : from.getCleared())
      items.cleared.push_back({layer(cleared.getLayer()), cleared.getVersion()});
    for (const auto change : from.getPrivacies()) items.privacies.push_back(read(change));
    return items;
  }

 private:
  bool fits(std::size_t size, std::string_view field) {
    return fields_.fits(size, limits::kFeedItemsMax, field, "items");
  }
  bool read_layers(capnp::List<capnp::Text>::Reader from) {
    // Each item of each kind may be of a layer of its own.
    if (!fields_.fits(from.size(), 3 * limits::kFeedItemsMax, "layers", "items")) return false;
    for (const auto name : from) {
      layers_.push_back(fields_.layer(name, "layers"));
      if (!fields_.ok()) return false;
    }
    return true;
  }
  LayerId layer(std::uint16_t index) {
    fields_.require(index < layers_.size(), "layer", "is none of the layers");
    return index < layers_.size() ? layers_[index] : LayerId();
  }
  cluster::Move read(schema::FeedMove::Reader from) {
    cluster::Move move;
    move.layer = layer(from.getLayer());
    move.member = fields_.data(from.getMember(), limits::kMemberBytesMax, "member");
    if (from.getHasScore()) {
      move.score = from.getScore();
      fields_.require(!std::isnan(from.getScore()), "score", "is no number");
    }
    move.version = from.getVersion();
    move.hidden = from.getHidden();
    move.ahead = from.getAhead();
    move.settles = from.getSettles();
    move.ahead_number = from.getAheadNumber();
    move.elsewhere = from.getElsewhere();
    return move;
  }
  cluster::PrivacyChange read(schema::FeedPrivacy::Reader from) {
    cluster::PrivacyChange change{layer(from.getLayer()), std::nullopt};
    if (!from.hasPrivacy()) return change;
    change.privacy = codec::read(from.getPrivacy());
    codec::check(*change.privacy, fields_);
    return change;
  }

  Fields& fields_;
  std::vector<LayerId> layers_;
};

std::vector<NodeId> read_view(Fields& fields, capnp::List<std::uint64_t>::Reader from) {
  std::vector<NodeId> view;
  if (!fields.fits(from.size(), limits::kClusterNodesMax, "view", "nodes")) return view;
  for (const std::uint64_t node : from) {
    fields.require(node > (view.empty() ? 0 : view.back().value), "view", "must ascend");
    view.emplace_back(node);
  }
  fields.require(!view.empty(), "view", "must not be empty");
  return view;
}

FeedId id_of(schema::FeedMessage::Reader from) { return {Term(from.getTerm()), from.getSubscription()}; }

Result<FeedRequest> read_request(schema::FeedMessage::Reader from) {
  Fields fields(Fields::Source::kWire);
  const FeedId id = id_of(from);
  switch (from.which()) {
    case schema::FeedMessage::SUBSCRIBE: {
      FeedSubscribe subscribe{id, read_view(fields, from.getSubscribe().getView())};
      return fields.finish<FeedRequest>(std::move(subscribe));
    }
    case schema::FeedMessage::ACK: return FeedAck{id, from.getAck().getNumber(), from.getAck().getPages()};
    case schema::FeedMessage::ASK_LEASE: return FeedAskLease{id, from.getAskLease().getAsk()};
    default: return flat::corrupt("feedMessage", "is no request");
  }
}

Result<FeedTiding> read_tiding(schema::FeedMessage::Reader from) {
  Fields fields(Fields::Source::kWire);
  const FeedId id = id_of(from);
  switch (from.which()) {
    case schema::FeedMessage::ITEMS: {
      auto items = std::make_shared<const FeedItems>(ItemsReader(fields).read(id, from.getItems()));
      return fields.finish<FeedTiding>(std::move(items));
    }
    case schema::FeedMessage::GRANT: return FeedGrant{id, from.getGrant().getAsk(), from.getGrant().getThrough()};
    case schema::FeedMessage::GONE: return FeedGone{id};
    default: return flat::corrupt("feedMessage", "is no tiding");
  }
}

template <class Read>
auto decode_marked(std::string_view bytes, char mark, Read read)
    -> std::invoke_result_t<Read, schema::FeedMessage::Reader> {
  if (bytes.size() > limits::kFeedFrameBytesMax)
    return fail(
        ErrorCode::kTooLarge, "feedMessage",
        "has " + std::to_string(bytes.size()) + " bytes, the limit is " + std::to_string(limits::kFeedFrameBytesMax));
  if (bytes.empty() || bytes.back() != mark) return flat::corrupt("feedMessage", "is of the other kind");
  bytes.remove_suffix(1);
  return flat::read_checked<schema::FeedMessage>(bytes, "feedMessage", read);
}

}  // namespace

std::size_t bytes_of(const FeedItems& items) {
  std::size_t bytes = sizeof items + items.moves.size() * sizeof(cluster::Move) +
                      items.cleared.size() * sizeof(cluster::ClearedLayer) +
                      items.privacies.size() * sizeof(cluster::PrivacyChange);
  for (const auto& move : items.moves) bytes += move.member.size();
  return bytes;
}

std::string encode(const FeedRequest& request) {
  return std::visit(
      [](const auto& one) {
        using Request = std::decay_t<decltype(one)>;
        const std::size_t words = flat::words_of<schema::FeedSubscribe>() + flat::words_of<schema::FeedAck>() + 1;
        if constexpr (std::is_same_v<Request, FeedSubscribe>)
          return encode_with(one.id, words + one.view.size(), kRequestMark, [&](schema::FeedMessage::Builder root) {
            auto view = root.initSubscribe().initView(static_cast<capnp::uint>(one.view.size()));
            for (capnp::uint i = 0; i < view.size(); ++i) view.set(i, one.view[i].value);
          });
        else if constexpr (std::is_same_v<Request, FeedAck>)
          return encode_with(one.id, words, kRequestMark, [&](schema::FeedMessage::Builder root) {
            auto ack = root.initAck();
            ack.setNumber(one.number);
            ack.setPages(one.pages);
          });
        else
          return encode_with(one.id, words, kRequestMark,
                             [&](schema::FeedMessage::Builder root) { root.initAskLease().setAsk(one.ask); });
      },
      request);
}

std::string encode(const FeedTiding& tiding) {
  if (const auto* items = std::get_if<std::shared_ptr<const FeedItems>>(&tiding)) {
    const LayerNames names(**items);
    return encode_with((*items)->id, words_behind(**items, names), kTidingMark,
                       [&](schema::FeedMessage::Builder root) { write(**items, names, root.initItems()); });
  }
  if (const auto* grant = std::get_if<FeedGrant>(&tiding))
    return encode_with(grant->id, flat::words_of<schema::FeedGrant>(), kTidingMark,
                       [&](schema::FeedMessage::Builder root) {
                         auto to = root.initGrant();
                         to.setAsk(grant->ask);
                         to.setThrough(grant->through);
                       });
  return encode_with(std::get<FeedGone>(tiding).id, 0, kTidingMark,
                     [](schema::FeedMessage::Builder root) { root.setGone(); });
}

bool is_feed_request(std::string_view bytes) { return !bytes.empty() && bytes.back() == kRequestMark; }

Result<FeedRequest> decode_feed_request(std::string_view bytes) {
  return decode_marked(bytes, kRequestMark, read_request);
}

Result<FeedTiding> decode_feed_tiding(std::string_view bytes) { return decode_marked(bytes, kTidingMark, read_tiding); }

}  // namespace earshot::actors
