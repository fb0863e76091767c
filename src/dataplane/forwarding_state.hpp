#pragma once
// What workers forward by: built by the control thread from the Model, immutable, published with
// one atomic store, freed after a grace period. All references are indices into the tables here, or
// pointers to what `keep_alive` holds, or the publisher keeps until after that grace period. No
// DPDK types.
//
// Only FIBs change under a published state: their routes, one at a time. A route leads to an
// adjacency only once every worker has a state with that adjacency, and an index is given to
// another one only after no worker can have found it in a FIB.
//
// What changes per packet (meters, packet numbers, replay state, counters) is not here.

#include "dataplane/channel_choice.hpp"
#include "dataplane/direction.hpp"
#include "dataplane/fib.hpp"
#include "dataplane/meter.hpp"
#include "isthmus/address.hpp"
#include "isthmus/types.hpp"
#include "isthmus/wire.hpp"
#include "macsec/secy.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace isthmus::dataplane {

// A FIB value: the kind of target in the high four bits, an index in the rest.
enum class Target : uint8_t {
    none,      // no route
    channels,  // towards the other cloud, over the channel that the flow hash picks
    member,    // towards the peer's address on one channel (index: member of the interconnect)
    vpc,       // towards a next hop in the VPC (index: adjacency of the attachment)
    connected, // destination is in the VPC's subnet, its MAC is not known yet
    local,     // an address of the edge
    blackhole,
    broadcast, // network or broadcast address of a connected subnet
};
[[nodiscard]] constexpr FibValue make_target(Target target, uint32_t index = 0) {
    return static_cast<uint32_t>(target) << 28 | index;
}
static_assert(make_target(Target::broadcast, 0x0fff'ffff) <= kMaxFibValue);
[[nodiscard]] constexpr Target target_of(FibValue value) {
    return static_cast<Target>(value >> 28);
}
[[nodiscard]] constexpr uint32_t index_of(FibValue value) {
    return value & 0x0fffffff;
}

// Attachment slot by VLAN identifier; index 0 is untagged. AttachmentId::kNone: none.
using VlanTable = std::array<uint16_t, 4096>;

struct HopMac {
    MacAddr mac;
    bool resolved = false;
};

// Of next hops, the address is for the control thread, when it has to resolve it.
struct Adjacency {
    HopMac hop;
    IpAddr next_hop;
};

struct alignas(kCacheLine) FeatureState {
    bool present = false;
    bool has_ipv4 = false, has_ipv6 = false; // a peer of that family exists
    PortId port;                             // the channel's
    uint16_t vlan = 0;
    uint16_t mtu = 0;
    HopMac ipv4, ipv6;
    Ipv4Addr next_hop4;
    Ipv6Addr next_hop6;
};

// What packets of each direction read of an attachment. One of a packet among thousands of
// attachments takes a single line of it from memory, unless it is over the committed rate.
struct alignas(kCacheLine) EgressState {
    const FibRoot<Ipv4Addr>* fib4 = nullptr;
    const FibRoot<Ipv6Addr>* fib6 = nullptr;
    const FeatureState* features = nullptr; // by member of the interconnect
    InterconnectId interconnect;
    uint8_t feature_count = 0;
    uint16_t most_mss_ipv4 = 0, most_mss_ipv6 = 0; // of SYNs; 0: any
    MeterRate rate;
};
struct alignas(kCacheLine) IngressState {
    const FibRoot<Ipv4Addr>* fib4 = nullptr;
    const FibRoot<Ipv6Addr>* fib6 = nullptr;
    const Adjacency* adjacencies = nullptr; // VPC side; index of Target::vpc
    PortId vpc_port;
    uint16_t vpc_vlan = 0;
    uint16_t vpc_mtu = 0;
    uint16_t most_mss_ipv4 = 0, most_mss_ipv6 = 0;
    MeterRate rate;
};
static_assert(offsetof(EgressState, rate) + offsetof(MeterRate, excess) <= kCacheLine);
static_assert(offsetof(IngressState, rate) + offsetof(MeterRate, excess) <= kCacheLine);

struct AttachmentState {
    EgressState egress;
    IngressState ingress;
    [[nodiscard]] bool present() const noexcept { return egress.fib4 != nullptr; }
    [[nodiscard]] std::span<const FeatureState> features() const noexcept {
        return {egress.features, egress.feature_count};
    }
    template <Direction D> [[nodiscard]] const auto& side() const noexcept {
        if constexpr (D == Direction::egress)
            return egress;
        else
            return ingress;
    }
};

struct InterconnectState {
    BucketTable buckets{};
    std::vector<ChannelId> members;
};

// Frames of the uncontrolled port of a channel's SecY (802.1X, EAPOL): in clear in both directions,
// past the SecY and its counters. Never customers' packets.
struct ClearFrames {
    std::vector<Be16> ether_types;
    std::vector<MacAddr> destinations; // group addresses
    [[nodiscard]] bool contains(const wire::Ethernet& header) const noexcept {
        for (const Be16& type : ether_types)
            if (header.ether_type == type)
                return true;
        for (const MacAddr& destination : destinations)
            if (header.destination == destination)
                return true;
        return false;
    }
};

struct ChannelState {
    PortId port;
    InterconnectId interconnect;
    uint8_t member = 0;
    bool accept = false; // admin state is up or drain
    ClearFrames clear;
    std::vector<macsec::TxBinding> tx; // by worker
    std::vector<macsec::RxScBinding> rx_scs;
    macsec::RxBinding rx;
    std::vector<uint16_t> rx_owners; // by receive SC: the worker that validates its frames
    std::shared_ptr<const VlanTable> vlans;
};

struct PortState {
    EdgeId edge;
    ChannelId channel; // none: a VPC port
    MacAddr mac;
    Ipv6Addr link_local;
    uint32_t hash_seed = 0; // differs per edge, so that edges in a row do not polarize
    uint32_t max_frame = 0; // octets without FCS that may arrive or be sent
    bool enabled = true;    // false: the port is not polled and nothing is sent
    std::shared_ptr<const VlanTable> vlans; // VPC ports only
};

struct ForwardingState {
    uint64_t generation = 0;
    bool clamps_mss = false;                      // an attachment does
    std::vector<PortState> ports;                 // by PortId
    std::vector<ChannelState> channels;           // by ChannelId
    std::vector<InterconnectState> interconnects; // by InterconnectId
    std::span<const AttachmentState> attachments; // by AttachmentId; of holes nothing is present
    const FibArena* fibs = nullptr;               // of all attachments
    std::vector<std::shared_ptr<const void>> keep_alive;
};

} // namespace isthmus::dataplane
