#include "tests/simulation/manage_frames.hpp"

#include <type_traits>
#include <utility>
#include <variant>

namespace earshot::simulation {
namespace {

using Calls = schema::Session;

// What a call's parameters and its answer are in the schema, and what the answer is in C++.
template <class ParametersSchema, class AnswerSchema, class AnswerType>
struct CallSchemas {
  using Parameters = ParametersSchema;
  using Answer = AnswerSchema;
  using Value = AnswerType;
};
template <class Request>
struct SchemasOf;
template <>
struct SchemasOf<DevicesRequest> : CallSchemas<Calls::DevicesParams, schema::DevicesAnswer, std::vector<DeviceInfo>> {};
template <>
struct SchemasOf<RemoveDeviceRequest> : CallSchemas<Calls::RemoveDeviceParams, schema::StatusAnswer, Done> {};
template <>
struct SchemasOf<ParkedRequest> : CallSchemas<Calls::ParkedParams, schema::ParkedAnswer, std::vector<ParkedMessage>> {};
template <>
struct SchemasOf<ReplayRequest> : CallSchemas<Calls::ReplayParams, schema::ReplayAnswer, Replayed> {};
template <>
struct SchemasOf<DropParkedRequest> : CallSchemas<Calls::DropParkedParams, schema::StatusAnswer, Done> {};
template <>
struct SchemasOf<ExplainRequest> : CallSchemas<Calls::ExplainParams, schema::ExplainAnswer, Explanation> {};
template <>
struct SchemasOf<PolicyRequest> : CallSchemas<Calls::PolicyParams, schema::PolicyAnswer, PolicyInfo> {};
template <>
struct SchemasOf<SetPolicyRequest> : CallSchemas<Calls::SetPolicyParams, schema::StatusAnswer, Done> {};

// Calls visit(request) with an empty request of the type that stands at `method`.
template <std::size_t Index = 0, class Visit>
auto with_method(std::size_t method, Visit&& visit) {
  if constexpr (Index + 1 < std::variant_size_v<ManageRequest>) {
    if (method != Index) return with_method<Index + 1>(method, std::forward<Visit>(visit));
  }
  EARSHOT_INVARIANT(method == Index, "a frame of a call names it");
  return visit(std::variant_alternative_t<Index, ManageRequest>{});
}

template <class Value>
auto coded(const Result<ManageAnswer>& answer) {
  if constexpr (std::is_same_v<Value, Done>) {
    return answer ? Status() : Status(fail(answer.error()));
  } else {
    return answer ? Result<Value>(std::get<Value>(*answer)) : Result<Value>(fail(answer.error()));
  }
}

}  // namespace

Frame write_manage(std::uint64_t number, const ManageRequest& request) {
  Frame frame = std::visit(
      [&](const auto& one) {
        using Schemas = SchemasOf<std::decay_t<decltype(one)>>;
        return write_frame<typename Schemas::Parameters>(FrameKind::kManage, number, one);
      },
      request);
  frame.method = request.index();
  return frame;
}

Result<ManageRequest> read_manage(const Frame& frame) {
  return with_method(frame.method, [&](auto empty) -> Result<ManageRequest> {
    auto request = read_frame<typename SchemasOf<decltype(empty)>::Parameters>(frame);
    if (!request) return fail(std::move(request.error()));
    return ManageRequest(std::move(*request));
  });
}

Frame write_managed(std::uint64_t number, std::size_t method, const Result<ManageAnswer>& answer) {
  Frame frame = with_method(method, [&](auto request) {
    using Schemas = SchemasOf<decltype(request)>;
    return write_frame<typename Schemas::Answer>(FrameKind::kManaged, number, coded<typename Schemas::Value>(answer));
  });
  frame.method = method;
  return frame;
}

Result<ManageAnswer> read_managed(const Frame& frame) {
  return with_method(frame.method, [&](auto request) -> Result<ManageAnswer> {
    using Schemas = SchemasOf<decltype(request)>;
    auto answer = read_frame<typename Schemas::Answer>(frame);
    if (!answer) return fail(std::move(answer.error()));
    if constexpr (std::is_same_v<typename Schemas::Value, Done>) {
      return ManageAnswer(Done{});
    } else {
      return ManageAnswer(std::move(*answer));
    }
  });
}

}  // namespace earshot::simulation
