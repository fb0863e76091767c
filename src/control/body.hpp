#pragma once
// The bodies of API requests, made into the model's types. Each reader checks all that can be
// checked without the rest of the model: fields, types, ranges, names of configured things. Errors
// carry the path of the field, the value and the limit; a SAK appears in none. Any thread.

#include "control/control_plane.hpp"
#include "control/json_value.hpp"
#include "control/model.hpp"
#include "control/wipe.hpp"
#include "isthmus/result.hpp"
#include "macsec/suite.hpp"
#include "sim/traffic.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace isthmus::control {

// `name` is required, unless one is given: then it may be left out, but not differ.
[[nodiscard]] Result<Attachment> read_attachment(const JsonValue& body, const Config& config,
                                                 EdgeId edge, std::optional<std::string> name = {});
[[nodiscard]] Result<Feature> read_feature(const JsonValue& body);

struct LimitsChange {
    std::optional<std::optional<Limit>> egress, ingress; // outer nullopt: leave as it is
};
[[nodiscard]] Result<LimitsChange> read_limits(const JsonValue& body);

[[nodiscard]] Result<std::pair<IpPrefix, Route>> read_route(const JsonValue& body);
// Without `prefix`, which the path has.
[[nodiscard]] Result<Route> read_route_via(const JsonValue& body);
[[nodiscard]] Result<RouteChange> read_route_change(const JsonValue& body);
// One line of many: a route, or {"remove":"PREFIX"}. `line` is what errors call it.
struct RouteLine {
    IpPrefix prefix;
    std::optional<Route> route; // none: removed
};
[[nodiscard]] Result<RouteLine> read_route_line(const JsonValue& body, std::string_view line);

struct NeighbourBody {
    MacAddr mac;
    ChannelId channel; // none: the VPC side
};
[[nodiscard]] Result<NeighbourBody> read_neighbour(const JsonValue& body, const Config& config,
                                                   EdgeId edge);

[[nodiscard]] Result<AdminState> read_channel_admin(const JsonValue& body);
[[nodiscard]] Result<bool> read_port_admin(const JsonValue& body); // true: up

struct SaBody {
    uint8_t an = 0;
    WipedBytes sak;
    std::optional<uint64_t> pn; // next_pn or lowest_pn
    std::optional<macsec::XpnParameters> xpn;
    bool in_use = true; // receive only
};
[[nodiscard]] Result<SaBody> read_tx_sa(const JsonValue& body, macsec::CipherSuite suite);
[[nodiscard]] Result<SaBody> read_rx_sa(const JsonValue& body, macsec::CipherSuite suite);
[[nodiscard]] Result<bool> read_in_use(const JsonValue& body);
[[nodiscard]] Result<uint8_t> read_encoding_an(const JsonValue& body);
[[nodiscard]] Result<macsec::Sci> read_rx_sc(const JsonValue& body);

[[nodiscard]] Result<sim::TrafficSpec> read_traffic(const JsonValue& body);

// The same texts in a path.
[[nodiscard]] Result<uint8_t> parse_an(std::string_view text);
[[nodiscard]] Result<macsec::Sci> parse_sci(std::string_view text, std::string field = "sci");

// Ids by name within an edge; nothing if there is none.
[[nodiscard]] std::optional<PortId> find_port(const Config& config, EdgeId edge,
                                              std::string_view name);
[[nodiscard]] std::optional<ChannelId> find_channel(const Config& config, EdgeId edge,
                                                    std::string_view name);

} // namespace isthmus::control
