#pragma once
// The inside of ControlPlane: what it owns, and how a changed Model reaches the workers. For
// control_plane*.cpp only.

#include "control/capacity.hpp"
#include "control/channel_secy.hpp"
#include "control/compile.hpp"
#include "control/control_plane.hpp"
#include "control/state_store.hpp"
#include "control/told.hpp"
#include "control/validate.hpp"
#include "dataplane/dataplane.hpp"
#include "isthmus/clock.hpp"
#include "sim/generator_port.hpp"

#include <fmt/format.h>

#include <functional>
#include <set>

namespace isthmus::control {

// A worker's round takes microseconds; one that does not end in this time hangs.
inline constexpr uint64_t kConfirmNs = 1'000'000'000;

[[nodiscard]] inline Error no_such(const char* what, const std::string& value) {
    return {ErrorCode::not_found, fmt::format("{} {} does not exist", what, value), what, value,
            ""};
}

// Of a channel that is configured to do without.
// What makes the routes of a change those of the table again.
[[nodiscard]] RouteChange inverse(const RouteTable& routes, const RouteChange& change);
[[nodiscard]] Result<void> check_transmits(const ChannelConfig& channel);
[[nodiscard]] Result<void> check_receives(const ChannelConfig& channel);

// What is told of a change when it is made.
struct AttachmentEvent {
    EventKind kind;
    std::string what; // "was ..."
    std::string reason = {};
};

// What an event compares the present with.
struct Watched {
    struct Meter {
        uint64_t drops = 0, told_ns = 0; // 0: never
    };
    std::vector<bool> channel_usable;         // by ChannelId
    std::vector<bool> capacity_short;         // by InterconnectId
    std::vector<std::array<Meter, 2>> meters; // by AttachmentId: egress, ingress
    AttachmentId next_meter{std::size_t{0}};  // where the next look begins
    bool sold = true;                         // what is sold, or carried, may have changed
};

// What ControlPlane meters attachments with; without a state file nothing is.
struct Metering {
    std::optional<UsageMeter> meter;
    uint64_t next_checkpoint_ns = 0, next_try_ns = 0;
    std::vector<uint16_t> gone; // places whose lives have not ended in the file yet
    bool owed = false;          // attachments that are not metered yet, for the disk takes nothing
    std::string problem;        // why nothing is written
};

struct ControlPlane::State {
    Model model;
    dataplane::Dataplane& dataplane;
    std::unique_ptr<StateStore> store;
    // Attachments whose rows are not as the model is, since a change could not be applied and its
    // rows could not be taken back. No attachment or document changes before they are.
    std::set<AttachmentId> rows_owed;
    std::shared_ptr<EventLog> events;
    Watched watched;                    // what events are about, as told last
    uint64_t store_failure_told_ns = 0; // 0: never
    bool store_told = false;            // of a failure, and of no success since
    std::vector<PortFacts> ports;
    std::vector<bool> port_gone, port_narrow; // by PortId: as told last
    ChannelSecys secys;
    std::vector<bool> can_send; // by ChannelId: as published last
    VrfCache cache;
    HostStack host;
    NeighbourMacs neighbours;         // as told to the cache
    std::vector<bool> channel_linked; // by ChannelId: its features are links of the host
    std::vector<bool> port_linked;    // by PortId: its attachments are
    uint64_t published_token = 0;
    bool published = false; // false: compiling has failed, and something was left half-way
    std::string memory;
    uint64_t generation = 0;
    uint64_t started_ns = monotonic_ns();
    uint64_t next_tick_ns = 0, next_note_ns = 0;
    // By AttachmentId: what earlier owners of the slot counted, and the edge of the last one.
    std::vector<AttachmentCounters> baseline;
    std::vector<EdgeId> slot_edge;
    std::vector<uint64_t> held_dropped; // by EdgeId
    Metering usage;

    State(Config config, dataplane::Dataplane& plane, ControlOptions options)
        : dataplane(plane), store(std::move(options.store)), events(std::move(options.events)),
          host([this](PortId port, std::span<const uint8_t> frame) { return send(port, frame); },
               [this](LinkId link, uint64_t packets) {
                   held_dropped[slot_edge[link.attachment.value].value] += packets;
               }) {
        if (!store)
            store = std::move(*StateStore::open("none"));
        memory = std::move(options.memory);
        model = Model::from(std::move(config));
        for (std::size_t p = 0; p < model.config.ports.size(); ++p)
            ports.push_back({plane.port(PortId(p)).mac(), plane.port(PortId(p)).link_up()});
        for (const ChannelConfig& channel : model.config.channels)
            secys.push_back(std::make_unique<ChannelSecy>(channel, ports[channel.port.value].mac,
                                                          plane.worker_count(), plane.aead(),
                                                          store->packet_numbers()));
        port_gone.resize(ports.size());
        port_narrow.resize(ports.size());
        baseline.resize(model.config.max_attachments);
        slot_edge.resize(model.config.max_attachments);
        held_dropped.resize(model.config.edges.size());
        channel_linked.resize(model.config.channels.size());
        port_linked = model.port_enabled;
        watched.channel_usable.resize(model.config.channels.size());
        watched.capacity_short.resize(model.config.interconnects.size());
        watched.meters.resize(model.config.max_attachments);
    }
    // The last state stays with the data path, which may outlive this.
    ~State() { dataplane.keep(cache.take_all()); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    bool send(PortId port, std::span<const uint8_t> frame) { return dataplane.inject(port, frame); }

    // control_plane_publish.cpp

    // After a change of the model: workers forward by it when this returns. What new links announce
    // reaches a worker only after the links have.
    Result<void> apply(std::span<const AttachmentId> changed = {});
    // The same; if there is no memory for the tables, the model is as `undo` makes it.
    // Else it is told as `event`, confirmed or not.
    Result<void> apply_or(AttachmentId changed, const std::function<void()>& undo,
                          const AttachmentEvent& event);
    uint64_t publish_now();
    // False: a worker has not confirmed in time.
    [[nodiscard]] bool publish_and_wait() { return dataplane.wait_seen(publish_now(), kConfirmNs); }
    // Ports on interfaces that are the kernel's too hear which links are the edge's.
    void tell_ports_links();
    // Links of channels and ports that have come or gone.
    void follow_channels();
    // What the host stack has learnt: for the next publication.
    void follow_neighbours();
    // Host routes of neighbours whose adjacencies workers know by now. True: a FIB has changed.
    bool settle();

    Result<Attachment*> find(AttachmentId id) {
        const auto found = model.attachments.find(id);
        if (found == model.attachments.end())
            return no_such("attachment", std::to_string(id.value));
        return &found->second;
    }

    // Tries a changed copy of an attachment, routes aside: checked whole, then swapped in.
    // `what` is changed: "egress limit 300000000 bit/s", for the event.
    Result<void> change(AttachmentId id, const std::function<void(Attachment&)>& edit,
                        const std::string& what);

    // control_plane_routes.cpp
    [[nodiscard]] Result<void> make_next_hops(AttachmentId id, const RouteChange& change);
    void give_up_next_hops(AttachmentId id, const RouteChange& change);
    // True: other next hops than before are wanted.
    bool store_routes(AttachmentId id, const RouteChange& change);

    // `rows` false: the store has them already.
    [[nodiscard]] Result<void> change_routes(AttachmentId id, const RouteChange& change, bool rows);

    // plan_apply.cpp
    [[nodiscard]] Result<void> write_rows(const Plan& plan);
    void take_back_rows(const Plan& plan);
    Result<void> apply_plan(Plan& plan);
    void take_slot(AttachmentId id, EdgeId edge);
    void leave_slot(AttachmentId id);

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
    // `check` refuses what the channel's configuration has no use for. No worker hears of the
    // operation before its rows are on the disk.
    template <class Check, class Operation, class Record>
    Result<void> change_keys(ChannelId channel, Check&& check, Operation&& operation,
                             Record&& record, const Told& event) {
        if (Result<void> good = check(model.config.channels[channel.value]); !good)
            return good;
        ChannelSecy& secy = *secys[channel.value];
        const auto before = secy.keys();
        try {
            const auto kept = store->database().transact([&]() -> Result<void> {
                if (Result<void> good = operation(secy); !good)
                    return good;
                return record(*store, model.config);
            });
            if (!kept) {
                secy.undo(*before);
                return kept;
            }
        } catch (...) {
            secy.undo(*before);
            throw;
        }
        auto done = apply();
        emit(*events, event);
        return done;
    }

    // control_plane_restore.cpp

    // The rows of an attachment are made what the model is.
    void take_back(AttachmentId id);
    [[nodiscard]] Result<void> settle_rows();
    Result<void> restore_keys(const SavedState& saved);
    // Notes how far receive SAs have come, and looks whether the disk takes anything again.
    [[nodiscard]] Result<void> note_received();
    void tick_store(uint64_t now_ns);
    void tell_store_works();

    // control_plane_events.cpp: what changes without a request, from the control tick.
    void watch_channels();
    void watch_limits(uint64_t now_ns);
    void watch_capacity();
    void tell_neighbour(const NeighbourKey& key, const std::optional<MacAddr>& before,
                        const std::optional<MacAddr>& now) const;
    void tell_attachment(AttachmentId id, const AttachmentEvent& event) const;
    [[nodiscard]] std::string neighbour_name(LinkId link, const IpAddr& address) const;
    [[nodiscard]] std::string name_of(AttachmentId id) const;
    [[nodiscard]] std::string name_of(ChannelId id) const;
    [[nodiscard]] std::string name_of(PortId id) const;

    // control_plane_usage.cpp
    [[nodiscard]] Result<void> start_usage();
    [[nodiscard]] Result<void> adopt_usage();
    // Attachments that have come, gone or changed.
    void follow_usage(std::span<const AttachmentId> changed);
    void tick_usage(uint64_t now_ns);
    [[nodiscard]] Result<void> write_usage();
    void stop_usage();
    [[nodiscard]] std::string usage_problem() const;

    // control_plane_ports.cpp. True: a link has come or gone.
    [[nodiscard]] bool watch_ports();
    void tell_port(std::size_t port, EventKind kind, const std::string& what);

    // control_plane_keys.cpp
    void tell_store_failure(const Error& error, uint64_t now_ns);
    void tell(ChannelId channel, const PnEvent& event) const;
    // Whether workers have to hear of it: a channel can send no more, or again.
    [[nodiscard]] bool tick_keys(uint64_t now_ns);
};

} // namespace isthmus::control
