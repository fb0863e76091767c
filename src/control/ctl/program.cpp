// The commands of isthmusctl, by group.

#include "control/ctl/program.hpp"

namespace isthmus::ctl {

void Program::add_show() {
    auto* show = group("show", "what the daemon does");
    add(show, "status", "version, memory, workers, host stack", show_status);
    add(show, "edges", "the daemon's edges", show_edges);
    add(show, "counters", "packets of edges, attachments and channels", show_counters);
    auto* drops = add(show, "drops", "dropped packets by reason",
                      [this](Context& context) { return show_drops(context, nonzero_drops); });
    drops->add_flag("--nonzero", nonzero_drops, "only reasons that packets met");
    add(show, "runtime", "what each stage of each worker does and costs", show_runtime);
    add(show, "api", "the OpenAPI file of the control socket", show_api);
    add_list(show, "neighbours", "MAC addresses of next hops", {"--attachment", "--channel"},
             show_neighbours);
    add_list(show, "interconnects", "interconnects and their channels", {"--name-prefix"},
             show_interconnects);
    add_list(show, "channels", "channels and why they are not usable",
             {"--name-prefix", "--interconnect"}, show_channels);
    add(show, "mtu", "from the ports' MTUs to what a TCP segment may carry", show_mtu);
    add_list(show, "ports", "ports, their links and counters", {"--name-prefix"}, show_ports);
    auto& port = texts.emplace_back();
    add(show, "xstats", "what a port's device counts, under its driver's names",
        [&](Context& context) { return show_xstats(context, port); })
        ->add_option("PORT", port)
        ->required();
    auto& channel = texts.emplace_back();
    add(show, "macsec", "SecYs, SCs and SAs with all counters of the MIB", [&](Context& context) {
        return show_macsec(context, channel);
    })->add_option("CHANNEL", channel, "absent: all of the edge");
}

void Program::add_usage() {
    auto* made = add(&app, "usage", "what attachments are billed by, in records of intervals",
                     [this](Context& context) { return show_usage(context, usage); });
    made->add_option("--from", usage.from,
                     "intervals that begin then or later, like 2026-11-01T00:00:00Z");
    made->add_option("--to", usage.to, "intervals that begin before");
    made->add_option("--attachment", usage.attachment, "of this name, also if it is gone");
    made->add_option("--format", usage.format, "table, csv (RFC 4180) or json")
        ->check(CLI::IsMember({"table", "csv", "json"}));
    made->add_flag("--closed", usage.closed, "only records that do not change any more");
}

void Program::add_attachment_group() {
    auto* attachments = group("attachment", "customers' attachments");
    auto* made = add(attachments, "add", "make an attachment",
                     [this](Context& context) { return add_attachment(context, attachment); });
    made->add_option("NAME", attachment.name)->required();
    made->add_option("--port", attachment.port, "VPC port")->required();
    made->add_option("--interconnect", attachment.interconnect, "if the edge has several");
    made->add_option("--vlan", attachment.vlan, "on the VPC port; absent: untagged");
    made->add_option("--mtu", attachment.mtu, "towards the VPC");
    made->add_option("--mss-clamp", attachment.mss_clamp,
                     "what TCP SYNs may announce: off, auto (from the MTUs) or a number");
    made->add_option("--address", attachment.addresses, "own address, like 10.1.0.1/24")
        ->required()
        ->expected(1)
        ->take_all();
    made->add_option("--egress-limit", attachment.egress_limit, "like 300M, or none");
    made->add_option("--ingress-limit", attachment.ingress_limit, "like 300M, or none");

    auto* put = attachments->add_subcommand("put", "replace an attachment by a JSON file");
    auto& put_name = positional(put, "NAME");
    auto& file = positional(put, "FILE", "- for standard input");
    put->callback([this, &put_name, &file] {
        command = [&](Context& context) { return put_attachment(context, put_name, file); };
    });

    auto& shown = texts.emplace_back();
    add_list(attachments, "show", "all attachments, or one",
             {"--name-prefix", "--port", "--interconnect", "--channel"},
             [&shown](Context& context, const ListArguments& list) {
                 return shown.empty() ? show_attachments(context, list)
                                      : show_attachment(context, shown);
             })
        ->add_option("NAME", shown);

    auto* del = attachments->add_subcommand("del", "remove an attachment");
    auto& deleted = positional(del, "NAME");
    del->callback([this, &deleted] {
        command = [&](Context& context) { return delete_attachment(context, deleted); };
    });
}

void Program::add_feature_group() {
    auto* features = group("feature", "an attachment's parameters on a channel");
    auto* set = add(features, "set", "add or replace a feature",
                    [this](Context& context) { return set_feature(context, feature); });
    set->add_option("--vlan", feature.vlan, "1025..4094")->required();
    set->add_option("--address", feature.addresses, "own address, like 169.254.1.1/30")
        ->required()
        ->expected(1)
        ->take_all();
    set->add_option("--peer", feature.peers, "the other edge's address")
        ->required()
        ->expected(1)
        ->take_all();
    set->add_option("--mtu", feature.mtu, "towards the channel");
    auto* del = add(features, "del", "remove a feature", [this](Context& context) {
        return delete_feature(context, feature.attachment, feature.channel);
    });
    for (auto* one : {set, del}) {
        one->add_option("NAME", feature.attachment, "the attachment")->required();
        one->add_option("CHANNEL", feature.channel)->required();
    }
}

void Program::add_route_group() {
    auto* routes = group("route", "routes in an attachment's VRF");
    auto& name = texts.emplace_back();
    auto& prefix = texts.emplace_back();
    auto& via = texts.emplace_back();
    auto& file = texts.emplace_back();
    auto* made = add(routes, "add", "add a route",
                     [&](Context& context) { return add_route(context, name, prefix, via); });
    auto* set = add(routes, "set", "add or replace a route",
                    [&](Context& context) { return set_route(context, name, prefix, via); });
    auto* del = add(routes, "del", "remove a route",
                    [&](Context& context) { return delete_route(context, name, prefix); });
    auto* show = add_list(routes, "show", "all routes", {"--within", "--covers", "--via"},
                          [&name](Context& context, const ListArguments& list) {
                              return show_routes(context, name, list);
                          });
    auto* load = add(routes, "load", "add or replace the routes of a file in one step",
                     [&](Context& context) { return load_routes(context, name, file); });
    for (auto* one : {made, set, del, show, load})
        one->add_option("NAME", name, "the attachment")->required();
    for (auto* one : {made, set, del})
        one->add_option("PREFIX", prefix)->required();
    for (auto* one : {made, set})
        one->add_option("--via", via, "channels, blackhole, or a next hop in the VPC")->required();
    load->add_option("FILE", file,
                     "lines of PREFIX and VIA, or PREFIX remove; - for standard input")
        ->required();
}

void Program::add_limit_group() {
    auto* limits = group("limit", "capacity limits of an attachment");
    auto* set = add(limits, "set", "change limits",
                    [this](Context& context) { return set_limits(context, limit); });
    set->add_option("--egress", limit.egress, "VPC to channels: like 300M, or none");
    set->add_option("--ingress", limit.ingress, "channels to VPC: like 300M, or none");
    set->add_option("--burst-us", limit.burst_us, "burst, as time at the rate");
    set->add_option("--peak", limit.peak, "what exceeds the rate passes up to this one, re-marked");
    set->add_option("--excess-dscp", limit.excess_dscp, "its DSCP, 0 to 63; with --peak");
    auto* show = add(limits, "show", "the limits",
                     [this](Context& context) { return show_limits(context, limit.attachment); });
    for (auto* one : {set, show})
        one->add_option("NAME", limit.attachment, "the attachment")->required();
}

void Program::add_channel_group() {
    auto* channels = group("channel", "channels to other edges");
    auto& name = texts.emplace_back();
    auto& state = texts.emplace_back();
    add_list(channels, "show", "all channels, or one", {"--name-prefix", "--interconnect"},
             [&name](Context& context, const ListArguments& list) {
                 return name.empty() ? show_channels(context, list) : show_channel(context, name);
             })
        ->add_option("NAME", name);
    auto* set = add(channels, "set", "change the admin state",
                    [&](Context& context) { return set_channel(context, name, state); });
    set->add_option("NAME", name)->required();
    set->add_option("STATE", state)->required()->check(CLI::IsMember({"up", "drain", "down"}));

    auto* ports = group("port", "ports");
    add(ports, "show", "a port", [&](Context& context) { return show_port(context, name); })
        ->add_option("NAME", name)
        ->required();
    auto* set_one = add(ports, "set", "change the admin state",
                        [&](Context& context) { return set_port(context, name, state); });
    set_one->add_option("NAME", name)->required();
    set_one->add_option("STATE", state)->required()->check(CLI::IsMember({"up", "down"}));
}

void Program::add_sa_group() {
    auto* sas = group("sa", "secure associations of a channel");
    const auto with = [&](auto call) {
        return [this, call](Context& context) { return call(context, sa); };
    };
    auto* add_tx = add(sas, "add-tx", "install a transmit SA", with(add_tx_sa));
    auto* encode = add(sas, "encode", "protect with this SA from now on", with(encode_with));
    auto* del_tx = add(sas, "del-tx", "remove a transmit SA", with(delete_tx_sa));
    auto* add_rx = add(sas, "add-rx", "install a receive SA, and its SC", with(add_rx_sa));
    auto* del_rx =
        add(sas, "del-rx", "remove a receive SA; without --an its SC", with(delete_rx_sa));
    const auto use = [this](bool in_use) {
        return [this, in_use](Context& context) { return set_rx_sa(context, sa, in_use); };
    };
    auto* enable_rx = add(sas, "enable-rx", "accept what a receive SA protects", use(true));
    auto* disable_rx = add(sas, "disable-rx", "refuse it", use(false));
    auto* show = add(sas, "show", "all SAs",
                     [this](Context& context) { return show_sas(context, sa.channel); });
    for (auto* one : {add_tx, encode, del_tx, add_rx, enable_rx, disable_rx, del_rx, show})
        one->add_option("CHANNEL", sa.channel)->required();
    for (auto* one : {add_tx, encode, del_tx, add_rx, enable_rx, disable_rx, del_rx})
        one->add_option("--an", sa.an, "association number, 0..3")->required(one != del_rx);
    for (auto* one : {add_rx, enable_rx, disable_rx, del_rx})
        one->add_option("--sci", sa.sci, "16 hexadecimal digits")->required();
    for (auto* one : {add_tx, add_rx}) {
        one->add_option("--key-file", sa.key_file, "hexadecimal SAK; - for standard input")
            ->required();
        one->add_option("--salt", sa.salt, "24 hexadecimal digits, with XPN suites");
        one->add_option("--ssci", sa.ssci, "short SCI, with XPN suites");
    }
    add_tx->add_option("--next-pn", sa.pn,
                       "first packet number; absent: above all that this SAK has used");
    add_rx->add_option("--lowest-pn", sa.pn, "lowest packet number to accept");
    add_rx->add_flag("--disabled", sa.disabled, "not in use before enable-rx");
}

void Program::add_neighbour_group() {
    auto* neighbours = group("neighbour", "MAC addresses of next hops");
    auto* made = add(neighbours, "add", "a static entry",
                     [this](Context& context) { return add_neighbour(context, neighbour); });
    auto* del = add(neighbours, "del", "remove a static entry, or forget a learnt one",
                    [this](Context& context) { return delete_neighbour(context, neighbour); });
    for (auto* one : {made, del}) {
        one->add_option("NAME", neighbour.attachment, "the attachment")->required();
        one->add_option("ADDRESS", neighbour.address)->required();
        one->add_option("--channel", neighbour.channel, "absent: on the VPC side");
    }
    made->add_option("MAC", neighbour.mac)->required();
    add_list(neighbours, "show", "all neighbours", {"--attachment", "--channel"}, show_neighbours);
}

void Program::add_traffic_group() {
    auto* traffic = group("traffic", "simulated hosts");
    auto& port = texts.emplace_back();
    auto& file = texts.emplace_back();
    auto* set = add(traffic, "set", "send what a JSON file says",
                    [&](Context& context) { return set_traffic(context, port, file); });
    auto* show = add(traffic, "show", "what was sent and received",
                     [&](Context& context) { return show_traffic(context, port); });
    for (auto* one : {set, show})
        one->add_option("PORT", port)->required();
    set->add_option("FILE", file, "- for standard input")->required();
}

void Program::add_documents() {
    const auto with = [&](auto call) {
        return [this, call](Context& context) { return call(context, document); };
    };
    auto* plan = add(&app, "plan", "what a document would change: exit code 0 nothing, 2 something",
                     with(plan_document));
    auto* apply = add(&app, "apply", "make the running state as a document says, in one step",
                      with(apply_document));
    auto* validate =
        add(&app, "validate", "check a document without a daemon", with(validate_document));
    for (auto* one : {plan, apply, validate})
        one->add_option("-f,--file", document.file, "TOML or JSON; - for standard input")
            ->required();
    apply->add_flag("--allow-removals,--yes", document.allow_removals,
                    "remove attachments and receive SCs that the document leaves out");
    apply->add_option("--expect", document.expect, "fingerprint of the plan that was looked at");
    validate->add_option("--config", document.config,
                         "the daemon's configuration; absent: all names are taken to exist");
    add(&app, "export", "the running state as a document, without keys", with(export_running))
        ->add_option("--routes-dir", document.routes_dir,
                     "write routes to files there, which the document refers to");
}

} // namespace isthmus::ctl
