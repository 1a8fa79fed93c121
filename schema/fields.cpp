#include "schema/fields.hpp"

#include "base/limits.hpp"
#include "schema/flat.hpp"

namespace earshot {

void Fields::note(Error error) {
  if (!error_) error_ = std::move(error);
}

void Fields::refuse(ErrorCode on_wire, std::string_view field, std::string rule) {
  if (error_) return;
  const ErrorCode code = source_ == Source::kWire ? on_wire : ErrorCode::kCorrupt;
  error_ = Error{code, std::string(field), std::move(rule)};
}

void Fields::require(bool holds, std::string_view field, std::string_view rule) {
  if (!holds) refuse(ErrorCode::kInvalidArgument, field, std::string(rule));
}

std::uint64_t Fields::positive(std::uint64_t value, std::string_view field) {
  require(value > 0, field, "must be at least 1");
  return value;
}

void Fields::at_most(std::uint64_t value, std::uint64_t max, std::string_view field) {
  if (value <= max) return;
  refuse(ErrorCode::kInvalidArgument, field, "is " + std::to_string(value) + ", the limit is " + std::to_string(max));
}

bool Fields::fits(std::uint64_t size, std::uint64_t max, std::string_view field, std::string_view unit) {
  if (size <= max) return true;
  refuse(ErrorCode::kTooLarge, field,
         "has " + std::to_string(size) + " " + std::string(unit) + ", the limit is " + std::to_string(max));
  return false;
}

bool Fields::may_hold(std::uint64_t entries, std::uint64_t max, std::string_view field) {
  return source_ == Source::kStored || fits(entries, max, field, "entries");
}

template <class Id>
Id Fields::name(capnp::Text::Reader text, std::string_view field) {
  const std::string_view bytes = flat::view(text);
  if (source_ == Source::kWire) return inner(Id::parse(bytes, field));
  require(!bytes.empty(), field, "must not be empty");
  return fits(bytes.size(), limits::kNameBytesMax, field, "bytes") ? Id::trusted(bytes) : Id{};
}

UserId Fields::user(capnp::Text::Reader text, std::string_view field) { return name<UserId>(text, field); }

UserId Fields::user_or_none(capnp::Text::Reader text, std::string_view field) {
  return text.size() == 0 ? UserId{} : name<UserId>(text, field);
}

DeviceId Fields::device(capnp::Text::Reader text, std::string_view field) { return name<DeviceId>(text, field); }

LayerId Fields::layer(capnp::Text::Reader text, std::string_view field) { return name<LayerId>(text, field); }

std::string Fields::text_or_none(capnp::Text::Reader text, std::string_view field) {
  const std::string_view bytes = flat::view(text);
  if (bytes.empty()) return {};
  Status status = check_name(bytes, field);
  if (status) return std::string(bytes);
  note(std::move(status.error()));
  return {};
}

std::string Fields::text(capnp::Text::Reader text, std::size_t bytes_max, std::string_view field) {
  return fits(text.size(), bytes_max, field, "bytes") ? std::string(flat::view(text)) : std::string{};
}

std::string Fields::data(capnp::Data::Reader data, std::size_t bytes_max, std::string_view field) {
  return fits(data.size(), bytes_max, field, "bytes") ? std::string(flat::view(data)) : std::string{};
}

std::vector<Sequence> Fields::ascending(capnp::List<std::uint64_t>::Reader list, Sequence floor, std::size_t count_max,
                                        std::string_view field) {
  std::vector<Sequence> sequences;
  if (!fits(list.size(), count_max, field, "entries")) return sequences;
  sequences.reserve(list.size());
  for (const std::uint64_t value : list) {
    if (value <= floor.value) {
      require(false, field, "must ascend, and begin above what is acked as a whole");
      break;
    }
    floor = Sequence(value);
    sequences.push_back(floor);
  }
  return sequences;
}

}  // namespace earshot
