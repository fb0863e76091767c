#include "control/http_error.hpp"

#include "control/json_writer.hpp"

#include <array>

namespace isthmus::control {
namespace {

struct StatusName {
    ErrorCode code;
    unsigned status;
    std::string_view name;
};
constexpr auto kStatuses = std::to_array<StatusName>({
    {ErrorCode::invalid, 400, "invalid"},
    {ErrorCode::not_found, 404, "not_found"},
    {ErrorCode::conflict, 409, "conflict"},
    {ErrorCode::unavailable, 503, "unavailable"},
    {ErrorCode::no_storage, 507, "no_storage"},
    {ErrorCode::internal, 500, "internal"},
});

} // namespace

HttpResponse render_error(unsigned status, std::string_view code, const Error& error) {
    JsonWriter json;
    json.begin_object().key("error").begin_object().member("code", code);
    if (!error.field.empty())
        json.member("field", error.field);
    if (!error.value.empty())
        json.member("value", error.value);
    if (!error.limit.empty())
        json.member("limit", error.limit);
    json.member("message", error.message).end_object().end_object();
    return {status, json.take()};
}

HttpResponse render_error(const Error& error) {
    for (const auto& row : kStatuses)
        if (row.code == error.code)
            return render_error(row.status, row.name, error);
    return render_error(500, "internal", error);
}

} // namespace isthmus::control
