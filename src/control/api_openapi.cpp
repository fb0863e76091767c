// The OpenAPI file: operations from the rows of the API, schemas from api_schemas.inc.

#include "control/api_row.hpp"
#include "control/json_writer.hpp"

#include <algorithm>
#include <cctype>

namespace isthmus::control {
namespace {

constexpr std::string_view kSchemas =
#include "control/api_schemas.inc"
    ;

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(),
                           [](char c) { return static_cast<char>(std::tolower(c)); });
    return out;
}

void write_ref(JsonWriter& json, std::string_view kind, std::string_view name) {
    json.begin_object()
        .member("$ref", std::string("#/components/").append(kind).append("/").append(name))
        .end_object();
}

void write_parameter(JsonWriter& json, std::string_view name, std::string_view in,
                     std::string_view schema, std::string_view summary) {
    json.begin_object().member("name", name).member("in", in).member("description", summary);
    if (in == "path")
        json.member("required", true);
    json.key("schema");
    write_ref(json, "schemas", schema);
    json.end_object();
}

void write_parameters(JsonWriter& json, const Row& row) {
    json.key("parameters").begin_array();
    each_segment(row.path, [&](std::string_view segment, std::size_t) {
        if (const auto* it = placeholder_of(segment))
            write_parameter(json, lower(segment), "path", it->schema, it->summary);
        return true;
    });
    for (std::string_view names = row.query; !names.empty();) {
        const auto end = std::min(names.find(' '), names.size());
        const auto* it = query_of(names.substr(0, end));
        write_parameter(json, it->name, "query", it->schema, it->summary);
        names.remove_prefix(std::min(end + 1, names.size()));
    }
    write_ref(json, "parameters", "IfMatch");
    if (row.creates)
        write_ref(json, "parameters", "IfNoneMatch");
    json.end_array();
}

void write_content(JsonWriter& json, std::string_view schema, std::string_view line) {
    json.key("content")
        .begin_object()
        .key(schema == "Watch" ? "text/event-stream" : "application/json")
        .begin_object()
        .key("schema");
    write_ref(json, "schemas", schema);
    json.end_object();
    if (!line.empty()) {
        json.key("application/x-ndjson").begin_object().key("schema");
        write_ref(json, "schemas", line);
        json.end_object();
    }
    json.end_object();
}

void write_responses(JsonWriter& json, const Row& row) {
    json.key("responses").begin_object();
    for (const unsigned status : statuses_of(row)) {
        json.key(std::to_string(status));
        if (status >= 300) {
            write_ref(json, "responses", std::string("E").append(std::to_string(status)));
            continue;
        }
        json.begin_object().member("description", status == 204 ? "done" : row.answer);
        if (status != 204)
            write_content(json, row.answer, row.lines && row.body.empty() ? "Route" : "");
        json.end_object();
    }
    json.end_object();
}

void write_operation(JsonWriter& json, const Row& row) {
    std::string id = lower(row.verb);
    each_segment(row.path.substr(3), [&](std::string_view segment, std::size_t) {
        id.append("_").append(lower(segment));
        return true;
    });
    std::ranges::replace_if(
        id, [](char c) { return c == '-' || c == '.'; }, '_');
    json.key(lower(row.verb))
        .begin_object()
        .member("operationId", id)
        .member("summary", row.summary);
    write_parameters(json, row);
    if (!row.body.empty()) {
        json.key("requestBody").begin_object().member("required", true);
        write_content(json, row.body, row.lines ? "RouteLine" : "");
        json.end_object();
    }
    write_responses(json, row);
    json.end_object();
}

std::string path_of(const Row& row) {
    std::string path;
    each_segment(row.path, [&](std::string_view segment, std::size_t) {
        path.append("/");
        if (placeholder_of(segment))
            path.append("{").append(lower(segment)).append("}");
        else
            path.append(segment);
        return true;
    });
    return path;
}

std::string make_openapi() {
    JsonWriter json;
    json.begin_object().member("openapi", "3.1.0").key("info").begin_object();
    json.member("title", "The control API of Isthmus").member("version", ISTHMUS_VERSION);
    json.end_object().key("paths").begin_object();
    // Rows of one path stand together.
    std::string open;
    for (const Row& row : api_rows()) {
        if (const auto path = path_of(row); path != open) {
            if (!open.empty())
                json.end_object();
            json.key(path).begin_object();
            open = path;
        }
        write_operation(json, row);
    }
    json.end_object(); // the last operations
    json.end_object(); // paths; the file goes on
    std::string text = json.take();
    text.append(",\"components\":").append(kSchemas).append("}");
    return text;
}

} // namespace

const std::string& openapi_text() {
    static const std::string kText = make_openapi();
    return kText;
}

} // namespace isthmus::control
