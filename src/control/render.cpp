#include "control/render.hpp"

#include "control/usage_time.hpp"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace isthmus::control {
namespace {

// By Via and PuntReason.
constexpr std::array<std::string_view, 3> kVias = {"channels", "vpc", "blackhole"};
constexpr std::array<std::string_view, kPuntReasonCount> kPuntReasons = {"arp", "local", "nd",
                                                                         "unresolved", "notice"};

template <std::size_t N, class Enum>
std::string_view name_of(const std::array<std::string_view, N>& names, Enum value) {
    return names.at(static_cast<std::size_t>(value));
}

void write_addresses(JsonWriter& json, const LinkAddresses& local) {
    json.key("addresses").begin_array();
    if (local.ipv4)
        json.value(to_string(*local.ipv4));
    if (local.ipv6)
        json.value(to_string(*local.ipv6));
    json.end_array();
}

void write_feature(JsonWriter& json, const Feature& feature) {
    json.begin_object().member("vlan", feature.vlan);
    write_addresses(json, feature.local);
    if (feature.peer_ipv4)
        json.member("peer_ipv4", to_string(*feature.peer_ipv4));
    if (feature.peer_ipv6)
        json.member("peer_ipv6", to_string(*feature.peer_ipv6));
    json.member("mtu", feature.mtu).end_object();
}

void write_limit(JsonWriter& json, std::string_view name, const std::optional<Limit>& limit) {
    json.key(name);
    if (!limit) {
        json.null();
        return;
    }
    json.begin_object().member("rate_bps", limit->rate_bps).member("burst_us", limit->burst_us);
    if (limit->peak_bps)
        json.member("peak_bps", *limit->peak_bps).member("excess_dscp", *limit->excess_dscp);
    json.end_object();
}

void write_direction(JsonWriter& json, std::string_view name, const DirectionCounters& counters) {
    json.key(name)
        .begin_object()
        .member("rx_packets", counters.rx_packets)
        .member("rx_bytes", counters.rx_bytes)
        .member("tx_packets", counters.tx_packets)
        .member("tx_bytes", counters.tx_bytes)
        .member("meter_drop_packets", counters.meter_drop_packets)
        .member("meter_drop_bytes", counters.meter_drop_bytes)
        .member("mss_clamped", counters.mss_clamped)
        .end_object();
}

void write_stream(JsonWriter& json, const sim::Stream& stream) {
    json.begin_object()
        .member("source", to_string(stream.source))
        .member("destination", to_string(stream.destination))
        .member("rate_bps", stream.rate_bps)
        .member("flows", stream.flows);
    json.key("sizes").begin_array();
    for (const auto& size : stream.sizes)
        json.begin_object()
            .member("ip_bytes", size.ip_bytes)
            .member("weight", size.weight)
            .end_object();
    json.end_array().end_object();
}

void write_traffic_spec(JsonWriter& json, const sim::TrafficSpec& spec) {
    json.begin_object().member("tag", spec.tag).member("vlan", spec.vlan);
    json.key("addresses").begin_array();
    for (const auto& address : spec.addresses)
        json.value(to_string(address));
    json.end_array().key("streams").begin_array();
    for (const auto& stream : spec.streams)
        write_stream(json, stream);
    json.end_array().end_object();
}

void write_host_stack(JsonWriter& json, const HostStackCounters& host) {
    json.begin_object()
        .member("arp_requests_received", host.arp_requests_received)
        .member("arp_replies_sent", host.arp_replies_sent)
        .member("arp_requests_sent", host.arp_requests_sent)
        .member("nd_solicitations_received", host.nd_solicitations_received)
        .member("nd_advertisements_sent", host.nd_advertisements_sent)
        .member("nd_solicitations_sent", host.nd_solicitations_sent)
        .member("echo_replies_sent", host.echo_replies_sent)
        .member("icmp_errors_sent", host.icmp_errors_sent)
        .member("icmp_errors_suppressed", host.icmp_errors_suppressed)
        .member("held_packets_sent", host.held_packets_sent)
        .member("held_packets_dropped", host.held_packets_dropped)
        .member("local_ignored", host.local_ignored)
        .member("malformed", host.malformed)
        .member("send_failed", host.send_failed)
        .end_object();
}

} // namespace

void write_edge(JsonWriter& json, const EdgeConfig& edge) {
    json.begin_object().member("name", edge.name).member("provider", edge.provider).end_object();
}

void write_interconnect(JsonWriter& json, const Config& config, InterconnectId interconnect) {
    const auto& it = config.interconnects[interconnect.value];
    json.begin_object()
        .member("edge", config.edges[it.edge.value].name)
        .member("name", it.name)
        .member("peer", it.peer);
    json.key("channels").begin_array();
    for (const auto& channel : config.channels)
        if (channel.interconnect == interconnect)
            json.value(channel.name);
    json.end_array().end_object();
}

void write_port(JsonWriter& json, const Config& config, const PortInfo& port) {
    const auto& it = config.ports[port.id.value];
    json.begin_object()
        .member("edge", config.edges[it.edge.value].name)
        .member("name", it.name)
        .member("device", it.device)
        .member("driver", port.driver)
        .member("mode", port.mode)
        .member("mac", to_string(port.mac))
        .member("mtu", it.mtu)
        .member("admin_state", port.enabled ? "up" : "down")
        .member("link_up", port.link_up)
        .member("rx_packets", port.rx_packets)
        .member("rx_bytes", port.rx_bytes)
        .member("tx_packets", port.tx_packets)
        .member("tx_bytes", port.tx_bytes)
        .member("rx_chained", port.rx_chained)
        .member("rx_missed", port.rx_missed)
        .member("rx_errors", port.rx_errors)
        .member("rx_oversized", port.rx_oversized)
        .member("rx_nombuf", port.rx_nombuf)
        .member("tx_errors", port.tx_errors);
    json.key("frames").begin_object();
    for (const auto& [name, value] : port.frames)
        json.member(name, value);
    json.end_object().end_object();
}

void begin_attachment(JsonWriter& json, const Config& config, const Attachment& attachment) {
    json.begin_object().member("edge", config.edges[attachment.edge.value].name);
    write_parameters(json, config, attachment);
    json.member("route_count", attachment.routes.size());
}

void write_parameters(JsonWriter& json, const Config& config, const Attachment& attachment) {
    json.member("name", attachment.name)
        .member("interconnect", config.interconnects[attachment.interconnect.value].name)
        .member("port", config.ports[attachment.port.value].name)
        .member("vlan", attachment.vlan)
        .member("mtu", attachment.mtu);
    write_mss_clamp(json, attachment.mss_clamp);
    write_addresses(json, attachment.local);
    json.key("limits");
    write_limits(json, attachment);
    json.key("features").begin_object();
    for (const auto& [channel, feature] : attachment.features) {
        json.key(config.channels[channel.value].name);
        write_feature(json, feature);
    }
    json.end_object();
}

void write_limits(JsonWriter& json, const Attachment& attachment) {
    json.begin_object();
    write_limit(json, "egress", attachment.egress_limit);
    write_limit(json, "ingress", attachment.ingress_limit);
    json.end_object();
}

void write_mss_clamp(JsonWriter& json, const MssClamp& clamp) {
    json.key("mss_clamp");
    if (clamp.mode == MssClamp::Mode::value)
        json.value(clamp.value);
    else
        json.value(clamp.mode == MssClamp::Mode::off ? "off" : "auto");
}

void write_route(JsonWriter& json, const IpPrefix& prefix, const Route& route) {
    json.begin_object()
        .member("prefix", to_string(prefix))
        .member("via", name_of(kVias, route.via));
    if (route.next_hop)
        json.member("next_hop", to_string(*route.next_hop));
    json.end_object();
}

void write_routes(JsonWriter& json, const Attachment& attachment) {
    json.begin_array();
    for (const auto& [prefix, route] : attachment.routes.in_order())
        write_route(json, prefix, route);
    json.end_array();
}

void write_neighbour(JsonWriter& json, const Model& model, const Neighbour& neighbour,
                     uint64_t now_ns) {
    const auto attachment = model.attachments.find(neighbour.link.attachment);
    json.begin_object().key("attachment");
    if (attachment == model.attachments.end())
        json.null();
    else
        json.value(attachment->second.name);
    json.key("channel");
    if (neighbour.link.channel.valid())
        json.value(model.config.channels[neighbour.link.channel.value].name);
    else
        json.null();
    json.member("address", to_string(neighbour.address))
        .member("state", to_string(neighbour.state))
        .key("mac");
    if (neighbour.state == NeighbourState::incomplete)
        json.null();
    else
        json.value(to_string(neighbour.mac));
    if (neighbour.confirmed_ns != 0 && neighbour.confirmed_ns <= now_ns)
        json.member("confirmed_ms_ago", (now_ns - neighbour.confirmed_ns) / 1'000'000);
    json.end_object();
}

void write_traffic(JsonWriter& json, const PortConfig& port, const sim::TrafficReport& report) {
    json.begin_object()
        .member("port", port.name)
        .member("sent_packets", report.sent_packets)
        .member("sent_bytes", report.sent_bytes)
        .member("received_packets", report.received_packets)
        .member("received_bytes", report.received_bytes)
        .member("foreign_packets", report.foreign_packets)
        .member("corrupt_packets", report.corrupt_packets)
        .member("reordered_packets", report.reordered_packets)
        .member("other_packets", report.other_packets)
        .member("arp_replies", report.arp_replies)
        .member("nd_replies", report.nd_replies)
        .key("spec");
    write_traffic_spec(json, report.spec);
    json.end_object();
}

void write_status(JsonWriter& json, const Config& config, const Status& status) {
    json.begin_object()
        .member("version", status.version)
        .member("uptime_ns", status.uptime_ns)
        .member("generation", status.generation)
        .member("memory", status.memory)
        .member("macsec_engine", status.macsec_engine)
        .member("state", status.state)
        .member("state_ok", status.state_problem.empty())
        .member("state_problem", status.state_problem)
        .member("state_keeps_sas", status.keeps_sas)
        .member("audit_log", status.audit)
        .member("audit_ok", status.audit_problem.empty())
        .member("audit_problem", status.audit_problem)
        .member("usage_ok", status.usage_problem.empty())
        .member("usage_problem", status.usage_problem)
        .key("usage_metered_to");
    if (status.usage_metered_to_ms)
        json.value(time_text(*status.usage_metered_to_ms));
    else
        json.null();
    json.key("worker_cores").begin_array();
    for (const unsigned core : status.worker_cores)
        json.value(core);
    json.end_array()
        .member("packet_buffers", status.packet_buffers)
        .member("packet_buffers_free", status.packet_buffers_free)
        .key("host_stack");
    write_host_stack(json, status.host);
    json.key("edges").begin_array();
    for (const auto& edge : config.edges)
        write_edge(json, edge);
    json.end_array().end_object();
}

void write_accounting(JsonWriter& json, const Config& config, const EdgeAccounting& accounting) {
    json.begin_object()
        .member("edge", config.edges[accounting.id.value].name)
        .member("rx", accounting.rx)
        .member("originated", accounting.originated)
        .member("tx", accounting.tx)
        .member("fragmented", accounting.fragmented)
        .member("fragments", accounting.fragments);
    json.key("drops").begin_object();
    for (std::size_t i = 0; i < kDropCount; ++i)
        json.member(kDropReasons[i].name, accounting.drops[i]);
    json.end_object().key("punted").begin_object();
    for (std::size_t i = 0; i < kPuntReasonCount; ++i)
        json.member(kPuntReasons[i], accounting.punted[i]);
    json.end_object()
        .member("device_rx_lost", accounting.device_rx_lost)
        .member("device_tx_lost", accounting.device_tx_lost)
        .member("unaccounted", accounting.unaccounted())
        .end_object();
}

void write_directions(JsonWriter& json, const AttachmentCounters& counters) {
    write_direction(json, "egress", counters.egress);
    write_direction(json, "ingress", counters.ingress);
}

} // namespace isthmus::control
