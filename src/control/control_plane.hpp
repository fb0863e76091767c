#pragma once
// The typed operations behind the API. Each one validates against the whole Model, then either
// writes the change to the state file, makes it, publishes the result and returns when every worker
// has seen it, or changes nothing and returns the reason (invalid, not_found, conflict; no_storage
// when the file takes nothing; unavailable when a worker did not confirm in time, and then the
// change is made). Control thread only.

#include "control/events.hpp"
#include "control/host_stack.hpp"
#include "control/macsec_counters.hpp"
#include "control/model.hpp"
#include "isthmus/drop.hpp"
#include "isthmus/result.hpp"
#include "macsec/secy.hpp"
#include "sim/traffic.hpp"

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace isthmus::dataplane {
class Dataplane;
struct DeviceStatistic;
} // namespace isthmus::dataplane

namespace isthmus::control {

struct ChannelKeys;
struct Plan;
struct UsagePage;
struct UsageRequest;
struct SavedState;
class StateStore;

// One change of routes in one attachment, applied whole or not at all.
struct RouteChange {
    std::vector<std::pair<IpPrefix, Route>> add; // replaces a route of the same prefix
    std::vector<IpPrefix> remove;                // not_found if one is missing
};

// An SA to be installed. With an XPN suite, and only then, it has a salt and an SSCI.
struct TxSaSpec {
    uint8_t an = 0;
    std::span<const uint8_t> sak;
    std::optional<uint64_t> next_pn; // default: the first that was never used with this SAK
    std::optional<macsec::XpnParameters>
        xpn; // of the first transmit SC; the SSCIs of others follow
    // Comes back from the store: with no packet number left it is exhausted, not refused.
    bool restored = false;
};
struct RxSaSpec {
    uint8_t an = 0;
    std::span<const uint8_t> sak;
    uint64_t lowest_pn = 1;
    std::optional<macsec::XpnParameters> xpn;
    bool in_use = true;
};

struct TxSaInfo {
    uint8_t an = 0;
    bool encoding = false; // this SA protects what is sent now
    // Of the transmit SC that has used most; numbers up to the limit are reserved.
    uint64_t next_pn = 0, pn_limit = 0;
    bool pending_exhaustion = false; // nextPN has reached the threshold
    bool exhausted = false;          // a transmit SC may use no packet number now
    std::string fingerprint;         // of the SAK; identifies it without revealing it
    std::optional<uint32_t> ssci;    // of the first transmit SC
    CounterValues<macsec::TxSaCounters> counters;
};
struct TxScInfo {
    macsec::Sci sci;
    CounterValues<macsec::TxScCounters> counters;
};
struct RxSaInfo {
    uint8_t an = 0;
    bool in_use = false;
    uint64_t next_pn = 0, lowest_pn = 0;
    std::string fingerprint;
    std::optional<uint32_t> ssci;
    CounterValues<macsec::RxSaCounters> counters;
};
struct RxScInfo {
    macsec::Sci sci;
    CounterValues<macsec::RxScCounters> counters;
    std::vector<RxSaInfo> sas;
};
struct ChannelInfo {
    ChannelId id;
    AdminState admin_state = AdminState::up;
    bool link_up = false;
    bool usable = false; // carries traffic now
    std::string reason;  // why not usable; empty if it is
    CounterValues<macsec::SecyCounters> counters;
    uint64_t pn_pending_exhaustion = 0, pn_exhausted = 0; // SAs that came so far
    std::vector<TxScInfo> tx_scs; // one per worker, or the one that they share
    std::vector<TxSaInfo> tx_sas; // common to all transmit SCs
    std::vector<RxScInfo> rx_scs;

    // Sums that the 2018 edition of the standard added.
    [[nodiscard]] uint64_t in_pkts_no_sa() const;
    [[nodiscard]] uint64_t in_pkts_no_sa_error() const;
};
struct DirectionCounters {
    uint64_t rx_packets = 0, rx_bytes = 0; // IP packets and octets that entered this direction
    uint64_t tx_packets = 0, tx_bytes = 0; // that were sent
    uint64_t meter_drop_packets = 0, meter_drop_bytes = 0;
    uint64_t mss_clamped = 0; // SYNs whose MSS was lowered
};
struct AttachmentCounters {
    AttachmentId id;
    DirectionCounters egress, ingress;
};
struct PortInfo {
    PortId id;
    MacAddr mac;
    std::string driver;
    std::string mode;    // how the device works, if there is something to tell
    bool enabled = true; // admin state
    bool link_up = false;
    uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0; // seen by workers
    uint64_t rx_chained = 0; // frames that came in several buffers
    uint64_t rx_missed = 0, rx_errors = 0, rx_nombuf = 0, tx_errors = 0; // lost in the device
    uint64_t rx_oversized = 0; // of rx_errors, as far as the device tells
    std::vector<std::pair<std::string_view, uint64_t>> frames; // of an AF_XDP port: where they went
};
// rx + originated + fragments = tx + sum(drops) + sum(punted) + fragmented + in flight (0 whenever
// workers are between bursts).
struct EdgeAccounting {
    EdgeId id;
    uint64_t rx = 0, tx = 0, originated = 0;
    uint64_t fragmented = 0, fragments = 0; // packets that were cut, and what they became
    std::array<uint64_t, kDropCount> drops{};
    std::array<uint64_t, kPuntReasonCount>
        punted{}; // notice: not part of the sum, such packets are drops
    uint64_t device_rx_lost = 0, device_tx_lost = 0; // never seen by a worker, or lost after it
    [[nodiscard]] int64_t unaccounted() const;       // 0 when everything adds up
};
// What one stage of one worker has done. Cycles are of a sample of its bursts.
struct StageRuntimeInfo {
    std::string_view pipeline; // egress, ingress; rx and tx are of both
    std::string_view stage;
    uint64_t bursts = 0, packets = 0;
    uint64_t sampled_packets = 0, sampled_cycles = 0;
};
// Rounds of a worker that took up to so long, and longer than the range before.
struct RoundTimeRange {
    uint64_t up_to_ns = 0, rounds = 0;
};
struct WorkerRuntimeInfo {
    unsigned core = 0;
    uint64_t polls = 0, idle_polls = 0, rests = 0, wakes = 0;
    std::vector<RoundTimeRange> round_times; // of rounds that found packets; without empty ranges
    uint64_t longest_round_ns = 0;
    // How long all but one in `one_in` of them took at most.
    [[nodiscard]] uint64_t round_time_ns(uint64_t one_in) const;
    std::vector<StageRuntimeInfo> stages; // in the order in which a packet meets them
};
struct Status {
    std::string version;
    uint64_t uptime_ns = 0;
    uint64_t generation = 0; // of the published forwarding state
    std::string memory;      // how DPDK got its memory, e.g. "no hugepages, 256 MiB"
    std::string macsec_engine;
    std::string state;         // path of the state file, or "none"
    std::string state_problem; // why it takes no changes now; empty: it does
    std::string audit;         // the path of the audit log, or "none"
    std::string audit_problem; // why it takes no records now; empty: it does
    bool keeps_sas = false;    // SAs outlive a restart
    std::string usage_problem; // why usage is not metered or recorded as it should; empty: it is
    std::optional<int64_t> usage_metered_to_ms; // a crash now takes nothing that passed before
    std::vector<unsigned> worker_cores;
    uint32_t packet_buffers = 0, packet_buffers_free = 0;
    HostStackCounters host;
};

struct ControlOptions {
    std::string memory;                // what start_eal returned, for status
    std::unique_ptr<StateStore> store; // null: nothing is remembered
    std::shared_ptr<EventLog> events = std::make_shared<EventLog>();
};

class ControlPlane {
  public:
    ControlPlane(Config config, dataplane::Dataplane& dataplane, ControlOptions options = {});
    ~ControlPlane();

    // Once, before workers start: what the store has loaded for this configuration. On an error,
    // which names the row, nothing must be started.
    [[nodiscard]] Result<void> restore(SavedState saved);

    [[nodiscard]] const Model& model() const;
    [[nodiscard]] EventLog& events();

    // `spec.edge` must be set; the slot is chosen here. Features and routes may come with it.
    [[nodiscard]] Result<AttachmentId> add_attachment(Attachment spec);
    // Replaces everything but name and edge, features and routes included; counters and meters
    // stay.
    [[nodiscard]] Result<void> replace_attachment(AttachmentId id, Attachment spec);
    [[nodiscard]] Result<void> remove_attachment(AttachmentId id);

    [[nodiscard]] Result<void> set_feature(AttachmentId id, ChannelId channel,
                                           const Feature& feature);
    [[nodiscard]] Result<void> remove_feature(AttachmentId id, ChannelId channel);
    [[nodiscard]] Result<void> change_routes(AttachmentId id, const RouteChange& change);
    // Outer nullopt: leave as it is; inner nullopt: no limit.
    [[nodiscard]] Result<void> set_limits(AttachmentId id,
                                          std::optional<std::optional<Limit>> egress,
                                          std::optional<std::optional<Limit>> ingress);
    [[nodiscard]] Result<void> set_static_neighbour(LinkId link, const IpAddr& address,
                                                    MacAddr mac);
    // Removes a static entry, or forgets a learnt one.
    [[nodiscard]] Result<void> remove_neighbour(LinkId link, const IpAddr& address);
    [[nodiscard]] std::vector<Neighbour> neighbours() const;

    // A port that is not enabled is not polled and sends nothing.
    [[nodiscard]] Result<void> set_port_enabled(PortId port, bool enabled);
    [[nodiscard]] Result<void> set_channel_admin(ChannelId channel, AdminState state);

    // Transmit: installs on every transmit SC of the channel; the first one starts to encode, later
    // ones wait for set_encoding_an. Conflict if the AN holds an SA, or if packet numbers could
    // meet one that this SAK was used with before.
    [[nodiscard]] Result<void> add_tx_sa(ChannelId channel, const TxSaSpec& spec);
    [[nodiscard]] Result<void> remove_tx_sa(ChannelId channel, uint8_t an);
    [[nodiscard]] Result<void> set_encoding_an(ChannelId channel, uint8_t an);
    // Receive: an SC per peer SCI.
    [[nodiscard]] Result<void> add_rx_sc(ChannelId channel, macsec::Sci sci);
    [[nodiscard]] Result<void> remove_rx_sc(ChannelId channel, macsec::Sci sci);
    [[nodiscard]] Result<void> add_rx_sa(ChannelId channel, macsec::Sci sci, const RxSaSpec& spec);
    [[nodiscard]] Result<void> set_rx_sa_in_use(ChannelId channel, macsec::Sci sci, uint8_t an,
                                                bool in_use);
    [[nodiscard]] Result<void> remove_rx_sa(ChannelId channel, macsec::Sci sci, uint8_t an);

    // What make_plan() and export_document() need beside the Model.
    [[nodiscard]] std::vector<ChannelKeys> channel_keys() const;
    // All of a plan that was made of the present state, with one publication as far as possible, or
    // nothing of it.
    [[nodiscard]] Result<void> apply(Plan plan);

    [[nodiscard]] ChannelInfo channel_info(ChannelId channel) const;
    [[nodiscard]] AttachmentCounters attachment_counters(AttachmentId id) const;
    [[nodiscard]] PortInfo port_info(PortId port) const;
    // What the device counts for itself, under its driver's names.
    [[nodiscard]] std::vector<dataplane::DeviceStatistic> port_statistics(PortId port) const;
    [[nodiscard]] EdgeAccounting accounting(EdgeId edge) const;
    [[nodiscard]] Status status() const;
    // Conflict if nothing is kept.
    [[nodiscard]] Result<UsagePage> usage(const UsageRequest& request) const;
    [[nodiscard]] std::vector<WorkerRuntimeInfo> runtime() const; // by worker

    // Ports whose device is "generator"; conflict for any other port.
    [[nodiscard]] Result<void> set_traffic(PortId port, const sim::TrafficSpec& spec);
    [[nodiscard]] Result<sim::TrafficReport> traffic(PortId port) const;

    // The event loop calls this about every millisecond: punted packets, neighbour timers, link
    // state, reserved packet numbers, retired forwarding states.
    void poll(uint64_t now_ns);
    // When workers have ended: notes exactly how far each SA came, and retires all of them.
    void release_keys();
    // The same for usage: up to the last packet.
    void close_usage();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

} // namespace isthmus::control
