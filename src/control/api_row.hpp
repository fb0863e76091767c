#pragma once
// The methods of the API, a row each, and the names that stand in their paths and queries. Dispatch
// and the OpenAPI file follow from them.

#include "control/api_call.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::control {

// Schemas are those of api_schemas.inc.
struct Row {
    std::string_view verb;
    std::string_view path; // segments in capitals are placeholders
    CallHandler handler;
    std::string_view body;   // its schema; empty: none
    std::string_view answer; // its schema, without an error; empty: none
    std::string_view query;  // names of kQueries, with blanks between
    std::string_view summary;
    bool creates = false; // makes what the path names, if it is not there
    bool lines = false;   // body or answer may be NDJSON
};
[[nodiscard]] std::span<const Row> api_rows();

// All statuses of a row, in order: those that follow from its verb and columns, and those that
// every request can get.
[[nodiscard]] std::vector<unsigned> statuses_of(const Row& row);

// A name in a path or a query: `schema` is that of its text.
struct Placeholder {
    std::string_view segment;
    std::string_view schema;
    std::string_view summary;
    Result<void> (*resolve)(Call&, const std::string&);
};
[[nodiscard]] const Placeholder* placeholder_of(std::string_view segment);

struct QueryName {
    std::string_view name;
    std::string_view schema;
    std::string_view summary;
    Result<void> (*read)(Call&, const std::string& value);
};
[[nodiscard]] const QueryName* query_of(std::string_view name);
// Whether `names`, with blanks between, has this one.
[[nodiscard]] bool has_name(std::string_view names, std::string_view name);

// Calls visit(segment of the pattern, index) for each; false if one call was.
template <class Visit> bool each_segment(std::string_view pattern, const Visit& visit) {
    for (std::size_t i = 0; !pattern.empty(); ++i) {
        pattern.remove_prefix(1);
        const auto end = std::min(pattern.find('/'), pattern.size());
        if (!visit(pattern.substr(0, end), i))
            return false;
        pattern.remove_prefix(end);
    }
    return true;
}

[[nodiscard]] Result<void> resolve_path(Call& call, const Row& row,
                                        const std::vector<std::string>& path);
[[nodiscard]] Result<void> read_query(Call& call, const Row& row);

// The whole file, as it is served.
[[nodiscard]] const std::string& openapi_text();

} // namespace isthmus::control
