#include "control/body_lines.hpp"

#include "control/body.hpp"
#include "control/body_routes.hpp"

namespace isthmus::control {
namespace {

std::string name_of(uint32_t line) {
    return "line " + std::to_string(line);
}

Error at_line(uint32_t line, std::string problem) {
    return {ErrorCode::invalid, name_of(line) + ": " + std::move(problem), name_of(line)};
}

} // namespace

Result<void> RouteLines::read_line(std::string_view line) {
    ++line_;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos)
        return {};
    if (line.size() > kMaxLine)
        return at_line(line_, "over " + std::to_string(kMaxLine) + " octets");
    const auto body = parse_json(line);
    if (!body)
        return at_line(line_, body.error().message);
    const auto read = read_route_line(*body, name_of(line_));
    if (!read)
        return read.error();
    if (change_.add.size() + change_.remove.size() == kMaxRoutes)
        return at_line(line_, "over " + std::to_string(kMaxRoutes) + " routes");
    if (added_.contains(read->prefix) || removed_.contains(read->prefix))
        return invalid_value(name_of(line_) + (read->route ? ".prefix" : ".remove"),
                             to_string(read->prefix), "each prefix once");
    if (read->route) {
        static_cast<void>(added_.insert(read->prefix, *read->route));
        change_.add.emplace_back(read->prefix, *read->route);
        add_lines_.push_back(line_);
    } else {
        static_cast<void>(removed_.insert(read->prefix, {}));
        change_.remove.push_back(read->prefix);
        remove_lines_.push_back(line_);
    }
    return {};
}

void RouteLines::take(std::string_view piece) {
    while (!error_ && !piece.empty()) {
        const auto end = piece.find('\n');
        const bool whole = end != std::string_view::npos;
        std::string_view line = piece.substr(0, end);
        piece.remove_prefix(whole ? end + 1 : piece.size());
        if (!whole || !rest_.empty()) {
            // One octet over is enough to know that it is too long.
            rest_ += line.substr(0, kMaxLine + 1 - std::min(rest_.size(), kMaxLine + 1));
            line = rest_;
        }
        if (!whole)
            return;
        if (auto read = read_line(line); !read)
            error_ = read.error();
        rest_.clear();
    }
}

Result<const RouteChange*> RouteLines::finish() {
    take("\n");
    if (error_)
        return *error_;
    return &change_;
}

Error RouteLines::with_line(Error error) const {
    const auto prefix = parse_prefix(error.value, {});
    std::optional<uint32_t> line;
    for (std::size_t i = 0; prefix && i < change_.remove.size(); ++i)
        if (change_.remove[i] == *prefix)
            line = remove_lines_[i];
    for (std::size_t i = 0; i < change_.add.size() && !line; ++i)
        if ((prefix && change_.add[i].first == *prefix) ||
            (change_.add[i].second.next_hop &&
             to_string(*change_.add[i].second.next_hop) == error.value))
            line = add_lines_[i];
    if (line) {
        error.field = name_of(*line) + "." + error.field;
        error.message = name_of(*line) + ": " + error.message;
    }
    return error;
}

} // namespace isthmus::control
