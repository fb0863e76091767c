// Bodies, paths and headers of API requests. The first octet picks the reader, the rest is its
// text.

#include "control/body.hpp"
#include "control/body_lines.hpp"
#include "control/http_tags.hpp"
#include "control/json_writer.hpp"
#include "control/url.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using namespace isthmus;
using namespace isthmus::control;

const Config& config() {
    static const Config kConfig = [] {
        auto parsed = parse_config("edge = [{name = \"e\"}]\ninterconnect = [{name = \"i\"}]\n"
                                   "port = [{name = \"a\", device = \"generator\"},"
                                   " {name = \"p\", device = \"d\"}]\n"
                                   "channel = [{name = \"ch1\", port = \"p\"}]\n",
                                   "fuzz");
        if (!parsed)
            std::abort();
        return *parsed;
    }();
    return kConfig;
}

// Every error is a sentence, and fit for a reply.
template <class T> void check(const Result<T>& result) {
    if (result)
        return;
    if (result.error().message.empty() || result.error().code != ErrorCode::invalid)
        std::abort();
    JsonWriter json;
    json.begin_object().member(result.error().field, result.error().message).end_object();
    if (!parse_json(json.take()))
        std::abort();
}

void read_body(uint8_t reader, const JsonValue& body) {
    const auto suite = macsec::kCipherSuites[reader >> 6];
    switch (reader % 15) {
    case 0:
        return check(read_attachment(body, config(), EdgeId{0}));
    case 1:
        return check(read_attachment(body, config(), EdgeId{0}, "c"));
    case 2:
        return check(read_feature(body));
    case 3:
        return check(read_limits(body));
    case 4:
        return check(read_route(body));
    case 5:
        return check(read_route_via(body));
    case 6:
        return check(read_route_change(body));
    case 7:
        return check(read_neighbour(body, config(), EdgeId{0}));
    case 8:
        return check(read_channel_admin(body));
    case 9:
        return check(read_port_admin(body));
    case 10:
        return check(read_tx_sa(body, suite));
    case 11:
        return check(read_rx_sa(body, suite));
    case 12:
        return check(read_rx_sc(body));
    case 13:
        return check(read_in_use(body));
    default:
        return check(read_traffic(body));
    }
}

void read_path(std::string_view text) {
    const auto segments = split_path(text);
    if (!segments)
        return;
    for (const auto& segment : *segments) {
        if (percent_decode(percent_encode(segment)) != segment)
            std::abort();
        check(parse_an(segment));
        check(parse_sci(segment));
        check(parse_prefix(segment));
        check(parse_ip(segment));
    }
}

// However the lines are cut into pieces, the change, or what is wrong with it, is the same.
void read_lines(uint8_t cut, std::string_view text) {
    RouteLines whole, pieces;
    whole.take(text);
    for (std::string_view rest = text; !rest.empty();) {
        const auto size = std::min<std::size_t>(rest.size(), cut + std::size_t{1});
        pieces.take(rest.substr(0, size));
        rest.remove_prefix(size);
    }
    const auto a = whole.finish();
    const auto b = pieces.finish();
    check(a);
    if (a.has_value() != b.has_value() || (!a && a.error().message != b.error().message) ||
        (a && ((*a)->add != (*b)->add || (*a)->remove != (*b)->remove)))
        std::abort();
}

void read_tags(std::string_view text) {
    const auto tags = parse_entity_tags(text, "If-Match");
    check(tags);
    if (tags && (tags->strong.size() > kMaxTags || (tags->any && !tags->strong.empty())))
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    read_path(text);
    read_tags(text);
    read_lines(data[0], text);
    const auto body = parse_json(text);
    check(body);
    if (body)
        read_body(data[0], *body);
    return 0;
}
