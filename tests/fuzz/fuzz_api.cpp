// Bodies and paths of API requests. The first octet picks the reader, the rest is its text.

#include "control/body.hpp"
#include "control/json_writer.hpp"
#include "control/url.hpp"

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

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
    if (size == 0)
        return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    read_path(text);
    const auto body = parse_json(text);
    check(body);
    if (body)
        read_body(data[0], *body);
    return 0;
}
