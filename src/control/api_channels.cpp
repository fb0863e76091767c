#include "control/api_page.hpp"
#include "control/render.hpp"
#include "dataplane/port.hpp"

namespace isthmus::control {
namespace {

HttpResponse port_reply(const Call& call) {
    JsonWriter json;
    write_port(json, call.config(), call.control.port_info(call.port));
    return {200, json.take()};
}

HttpResponse traffic_reply(const Call& call, const sim::TrafficReport& report) {
    JsonWriter json;
    write_traffic(json, call.config().ports[call.port.value], report);
    return {200, json.take()};
}

// The channel as it is after a change.
Reply channel_reply(const Call& call, const Result<void>& changed, unsigned status = 200) {
    if (!changed)
        return changed.error();
    JsonWriter json;
    write_channel(json, call.config(), call.control.channel_info(call.channel));
    return HttpResponse{status, json.take()};
}

macsec::CipherSuite suite_of(const Call& call) {
    return call.config().channels[call.channel.value].cipher_suite;
}

} // namespace

Reply get_ports(Call& call) {
    const auto& ports = call.config().ports;
    std::vector<std::pair<std::string, PortId>> found;
    for (std::size_t i = 0; i < ports.size(); ++i)
        if (ports[i].edge == call.edge && ports[i].name.starts_with(call.query.name_prefix))
            found.emplace_back(ports[i].name, PortId{i});
    return page_reply(call.query, "ports", std::move(found), [&](JsonWriter& json, PortId id) {
        write_port(json, call.config(), call.control.port_info(id));
    });
}

Reply get_port(Call& call) {
    return port_reply(call);
}

Reply patch_port(Call& call) {
    const auto up = read_port_admin(call.body);
    if (!up)
        return up.error();
    if (auto changed = call.control.set_port_enabled(call.port, *up); !changed)
        return changed.error();
    return port_reply(call);
}

Reply get_port_statistics(Call& call) {
    JsonWriter json;
    json.begin_object().key("xstats").begin_object();
    for (const auto& statistic : call.control.port_statistics(call.port))
        json.member(statistic.name, statistic.value);
    json.end_object().end_object();
    return HttpResponse{200, json.take()};
}

Reply put_traffic(Call& call) {
    const auto spec = read_traffic(call.body);
    if (!spec)
        return spec.error();
    if (auto changed = call.control.set_traffic(call.port, *spec); !changed)
        return changed.error();
    return get_traffic(call);
}

Reply get_traffic(Call& call) {
    const auto report = call.control.traffic(call.port);
    if (!report)
        return report.error();
    return traffic_reply(call, *report);
}

Reply get_channels(Call& call) {
    const auto& channels = call.config().channels;
    const CallQuery& query = call.query;
    std::vector<std::pair<std::string, ChannelId>> found;
    for (std::size_t i = 0; i < channels.size(); ++i)
        if (channels[i].edge == call.edge && channels[i].name.starts_with(query.name_prefix) &&
            (!query.interconnect || channels[i].interconnect == *query.interconnect))
            found.emplace_back(channels[i].name, ChannelId{i});
    return page_reply(query, "channels", std::move(found), [&](JsonWriter& json, ChannelId id) {
        write_channel(json, call.config(), call.control.channel_info(id));
    });
}

Reply get_channel(Call& call) {
    return channel_reply(call, {});
}

Reply patch_channel(Call& call) {
    const auto state = read_channel_admin(call.body);
    if (!state)
        return state.error();
    return channel_reply(call, call.control.set_channel_admin(call.channel, *state));
}

Reply post_tx_sa(Call& call) {
    const auto sa = read_tx_sa(call.body, suite_of(call));
    if (!sa)
        return sa.error();
    return channel_reply(
        call, call.control.add_tx_sa(call.channel, {sa->an, sa->sak, sa->pn, sa->xpn}), 201);
}

Reply patch_tx_sas(Call& call) {
    const auto an = read_encoding_an(call.body);
    if (!an)
        return an.error();
    return channel_reply(call, call.control.set_encoding_an(call.channel, *an));
}

Reply delete_tx_sa(Call& call) {
    return done(call.control.remove_tx_sa(call.channel, call.an));
}

Reply post_rx_sc(Call& call) {
    const auto sci = read_rx_sc(call.body);
    if (!sci)
        return sci.error();
    return channel_reply(call, call.control.add_rx_sc(call.channel, *sci), 201);
}

Reply delete_rx_sc(Call& call) {
    return done(call.control.remove_rx_sc(call.channel, call.sci));
}

Reply post_rx_sa(Call& call) {
    const auto sa = read_rx_sa(call.body, suite_of(call));
    if (!sa)
        return sa.error();
    const RxSaSpec spec{sa->an, sa->sak, sa->pn.value_or(1), sa->xpn, sa->in_use};
    return channel_reply(call, call.control.add_rx_sa(call.channel, call.sci, spec), 201);
}

Reply patch_rx_sa(Call& call) {
    const auto in_use = read_in_use(call.body);
    if (!in_use)
        return in_use.error();
    return channel_reply(call,
                         call.control.set_rx_sa_in_use(call.channel, call.sci, call.an, *in_use));
}

Reply delete_rx_sa(Call& call) {
    return done(call.control.remove_rx_sa(call.channel, call.sci, call.an));
}

} // namespace isthmus::control
