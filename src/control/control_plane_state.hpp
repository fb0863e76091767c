#pragma once
// The inside of ControlPlane: what it owns, and how a changed Model reaches the workers. For
// control_plane*.cpp only.

#include "control/channel_secy.hpp"
#include "control/compile.hpp"
#include "control/control_plane.hpp"
#include "control/pn_store.hpp"
#include "control/validate.hpp"
#include "dataplane/dataplane.hpp"
#include "isthmus/clock.hpp"
#include "sim/generator_port.hpp"

#include <fmt/format.h>

#include <functional>

namespace isthmus::control {

// A worker's round takes microseconds; one that does not end in this time hangs.
inline constexpr uint64_t kConfirmNs = 1'000'000'000;

[[nodiscard]] inline Error no_such(const char* what, const std::string& value) {
    return {ErrorCode::not_found, fmt::format("{} {} does not exist", what, value), what, value,
            ""};
}

struct ControlPlane::State {
    Model model;
    dataplane::Dataplane& dataplane;
    std::unique_ptr<PnStore> packet_numbers;
    std::function<void(const std::string&)> say;
    uint64_t store_failure_told_ns = 0; // 0: never
    std::vector<PortFacts> ports;
    ChannelSecys secys;
    std::vector<bool> can_send; // by ChannelId: as published last
    VrfCache cache;
    HostStack host;
    bool postpone = false;
    std::vector<std::pair<PortId, std::vector<uint8_t>>> postponed;
    std::string memory;
    uint64_t generation = 0;
    uint64_t started_ns = monotonic_ns();
    uint64_t next_tick_ns = 0;
    // By AttachmentId: what earlier owners of the slot counted, and the edge of the last one.
    std::vector<AttachmentCounters> baseline;
    std::vector<EdgeId> slot_edge;
    std::vector<uint64_t> held_dropped; // by EdgeId

    State(Config config, dataplane::Dataplane& plane, ControlOptions options)
        : dataplane(plane), packet_numbers(std::move(options.packet_numbers)),
          say(std::move(options.say)),
          host([this](PortId port, std::span<const uint8_t> frame) { return send(port, frame); },
               [this](LinkId link, uint64_t packets) {
                   held_dropped[slot_edge[link.attachment.value].value] += packets;
               }) {
        if (!packet_numbers)
            packet_numbers = std::move(*PnStore::open("none"));
        memory = std::move(options.memory);
        model.config = std::move(config);
        model.channel_admin.assign(model.config.channels.size(), AdminState::up);
        for (std::size_t p = 0; p < model.config.ports.size(); ++p) {
            model.port_enabled.push_back(model.config.ports[p].enabled);
            ports.push_back({plane.port(PortId(p)).mac(), plane.port(PortId(p)).link_up()});
        }
        for (const ChannelConfig& channel : model.config.channels)
            secys.push_back(std::make_unique<ChannelSecy>(channel, ports[channel.port.value].mac,
                                                          plane.worker_count(), plane.aead(),
                                                          *packet_numbers));
        baseline.resize(model.config.max_attachments);
        slot_edge.resize(model.config.max_attachments);
        held_dropped.resize(model.config.edges.size());
    }

    uint64_t publish_now() {
        NeighbourMacs macs;
        for (const Neighbour& neighbour : host.neighbours())
            if (neighbour.state != NeighbourState::incomplete)
                macs[neighbour.link][neighbour.address] = neighbour.mac;
        can_send.clear();
        for (const auto& secy : secys)
            can_send.push_back(secy->can_send());
        return dataplane.publish(
            compile({model, ports, secys, macs, cache, dataplane.tsc_hz(), ++generation}));
    }

    bool send(PortId port, std::span<const uint8_t> frame) {
        if (!postpone)
            return dataplane.inject(port, frame);
        postponed.emplace_back(port, std::vector<uint8_t>(frame.begin(), frame.end()));
        return true;
    }

    // After a change of the model: workers forward by it when this returns.
    Result<void> apply() {
        // What new links announce must not reach a worker before the links do.
        postpone = true;
        host.set_links(make_links(model, ports, secys), monotonic_ns());
        postpone = false;
        if (host.take_changed())
            cache.clear();
        const bool confirmed = dataplane.wait_seen(publish_now(), kConfirmNs);
        for (const auto& [port, frame] : postponed)
            (void)dataplane.inject(port, frame);
        postponed.clear();
        if (!confirmed)
            return Error{ErrorCode::unavailable,
                         "the change is made, but a worker has not confirmed it within 1 s"};
        for (const auto& secy : secys)
            if (const auto done = secy->forget_removed(); !done)
                tell_store_failure(done.error(), monotonic_ns());
        dataplane.reclaim();
        return {};
    }

    // For changes to one attachment: its tables are built anew.
    Result<void> apply(AttachmentId id) {
        cache.erase(id);
        return apply();
    }

    Result<Attachment*> find(AttachmentId id) {
        const auto found = model.attachments.find(id);
        if (found == model.attachments.end())
            return no_such("attachment", std::to_string(id.value));
        return &found->second;
    }

    // Tries a changed copy of an attachment: checked whole, then swapped in.
    Result<void> change(AttachmentId id, const std::function<void(Attachment&)>& edit) {
        auto found = find(id);
        if (!found)
            return found.error();
        Attachment next = **found;
        edit(next);
        if (auto good = check_attachment(model, next, id); !good)
            return good;
        **found = std::move(next);
        return apply(id);
    }

    template <class Get> AttachmentCounters read_counters(AttachmentId id, Get&& get) const {
        AttachmentCounters total{id, {}, {}};
        for (uint16_t w = 0; w < dataplane.worker_count(); ++w) {
            const auto& counters = dataplane.counters(WorkerId(w));
            get(total.egress, counters.egress[id.value]);
            get(total.ingress, counters.ingress[id.value]);
        }
        return total;
    }
    AttachmentCounters raw_counters(AttachmentId id) const {
        return read_counters(id, [](DirectionCounters& sum, const auto& one) {
            sum.rx_packets += one.rx_packets.get();
            sum.rx_bytes += one.rx_bytes.get();
            sum.tx_packets += one.tx_packets.get();
            sum.tx_bytes += one.tx_bytes.get();
            sum.meter_drop_packets += one.meter_drop_packets.get();
            sum.meter_drop_bytes += one.meter_drop_bytes.get();
            sum.mss_clamped += one.mss_clamped.get();
        });
    }
    Result<sim::GeneratorPort*> generator(PortId port) {
        auto* found = dynamic_cast<sim::GeneratorPort*>(&dataplane.port(port));
        if (found == nullptr)
            return Error{ErrorCode::conflict,
                         fmt::format("port {} is not a generator but {}",
                                     model.config.ports[port.value].name,
                                     model.config.ports[port.value].device),
                         "port", model.config.ports[port.value].name,
                         "a port with device generator"};
        return found;
    }
    // `check` refuses what the channel's configuration has no use for.
    template <class Check, class Operation>
    Result<void> change_keys(ChannelId channel, Check&& check, Operation&& operation) {
        if (Result<void> good = check(model.config.channels[channel.value]); !good)
            return good;
        if (Result<void> good = operation(*secys[channel.value]); !good)
            return good;
        return apply();
    }

    // control_plane_keys.cpp
    void tell_store_failure(const Error& error, uint64_t now_ns);
    void tell(ChannelId channel, const PnEvent& event) const;
    // Whether workers have to hear of it: a channel can send no more, or again.
    [[nodiscard]] bool tick_keys(uint64_t now_ns);
};

} // namespace isthmus::control
