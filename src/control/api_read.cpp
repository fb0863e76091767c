#include "control/api_page.hpp"
#include "control/api_row.hpp"
#include "control/render.hpp"

namespace isthmus::control {

namespace {

void write_round_times(JsonWriter& json, const WorkerRuntimeInfo& worker) {
    json.key("round_ns")
        .begin_object()
        .member("p50", worker.round_time_ns(2))
        .member("p99", worker.round_time_ns(100))
        .member("p999", worker.round_time_ns(1000))
        .member("max", worker.longest_round_ns)
        .key("ranges")
        .begin_array();
    for (const RoundTimeRange& range : worker.round_times)
        json.begin_object()
            .member("up_to", range.up_to_ns)
            .member("rounds", range.rounds)
            .end_object();
    json.end_array().end_object();
}

} // namespace

Reply get_status(Call& call) {
    JsonWriter json;
    Status status = call.control.status();
    status.audit = call.audit ? call.audit->path() : "none";
    status.audit_problem = call.audit ? call.audit->trouble() : "";
    write_status(json, call.config(), status);
    return HttpResponse{200, json.take()};
}

Reply get_edges(Call& call) {
    JsonWriter json;
    json.begin_object().key("edges").begin_array();
    for (const auto& edge : call.config().edges)
        write_edge(json, edge);
    json.end_array().end_object();
    return HttpResponse{200, json.take()};
}

Reply get_counters(Call& call) {
    const Config& config = call.config();
    JsonWriter json;
    json.begin_object().key("accounting").begin_array();
    for (std::size_t i = 0; i < config.edges.size(); ++i)
        write_accounting(json, config, call.control.accounting(EdgeId{i}));
    json.end_array().key("attachments").begin_array();
    for (const auto& [id, attachment] : call.model().attachments) {
        json.begin_object()
            .member("edge", config.edges[attachment.edge.value].name)
            .member("name", attachment.name);
        write_directions(json, call.control.attachment_counters(id));
        json.end_object();
    }
    json.end_array().key("channels").begin_array();
    for (std::size_t i = 0; i < config.channels.size(); ++i)
        write_channel(json, config, call.control.channel_info(ChannelId{i}));
    json.end_array().key("ports").begin_array();
    for (std::size_t i = 0; i < config.ports.size(); ++i)
        write_port(json, config, call.control.port_info(PortId{i}));
    json.end_array().end_object();
    return HttpResponse{200, json.take()};
}

Reply get_drops(Call& call) {
    const auto& edges = call.config().edges;
    std::vector<EdgeAccounting> accounting;
    for (std::size_t i = 0; i < edges.size(); ++i)
        accounting.push_back(call.control.accounting(EdgeId{i}));
    JsonWriter json;
    json.begin_object().key("drops").begin_array();
    for (std::size_t reason = 0; reason < kDropCount; ++reason) {
        json.begin_object()
            .member("reason", kDropReasons[reason].name)
            .member("stage", kDropReasons[reason].stage)
            .member("help", kDropReasons[reason].help);
        json.key("packets").begin_object();
        for (std::size_t i = 0; i < edges.size(); ++i)
            json.member(edges[i].name, accounting[i].drops[reason]);
        json.end_object().end_object();
    }
    json.end_array().end_object();
    return HttpResponse{200, json.take()};
}

Reply get_runtime(Call& call) {
    JsonWriter json;
    json.begin_object().key("workers").begin_array();
    for (const auto& worker : call.control.runtime()) {
        json.begin_object()
            .member("core", worker.core)
            .member("polls", worker.polls)
            .member("idle_polls", worker.idle_polls)
            .member("rests", worker.rests)
            .member("wakes", worker.wakes);
        write_round_times(json, worker);
        json.key("stages").begin_array();
        for (const auto& stage : worker.stages)
            json.begin_object()
                .member("pipeline", stage.pipeline)
                .member("stage", stage.stage)
                .member("bursts", stage.bursts)
                .member("packets", stage.packets)
                .member("sampled_packets", stage.sampled_packets)
                .member("sampled_cycles", stage.sampled_cycles)
                .end_object();
        json.end_array().end_object();
    }
    json.end_array().end_object();
    return HttpResponse{200, json.take()};
}

Reply get_sizes(Call& call) {
    JsonWriter json;
    write_sizes(json, call.model(), call.edge);
    return HttpResponse{200, json.take()};
}

Reply get_capacity(Call& call) {
    JsonWriter json;
    write_capacity(json, call.model(), call.edge);
    return HttpResponse{200, json.take()};
}

Reply get_interconnects(Call& call) {
    const auto& all = call.config().interconnects;
    std::vector<std::pair<std::string, InterconnectId>> found;
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i].edge == call.edge && all[i].name.starts_with(call.query.name_prefix))
            found.emplace_back(all[i].name, InterconnectId{i});
    return page_reply(
        call.query, "interconnects", std::move(found),
        [&](JsonWriter& json, InterconnectId id) { write_interconnect(json, call.config(), id); });
}

Reply get_openapi(Call&) {
    return HttpResponse{200, openapi_text()};
}

} // namespace isthmus::control
