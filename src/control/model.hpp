#pragma once
// The desired state of the process, as the API sets it: plain values, owned by the control thread.
// compile() turns it into what workers read; nothing here is seen by a worker.

#include "control/attachment_index.hpp"
#include "control/config.hpp"
#include "control/route_table.hpp"
#include "dataplane/meter.hpp"
#include "isthmus/address.hpp"
#include "isthmus/types.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace isthmus::control {

// up: carries traffic. drain: receives, but no new traffic is sent. down: neither.
enum class AdminState : uint8_t { up, drain, down };

// Addresses of the edge itself on one link; host bits are kept, so the connected subnet is known.
struct LinkAddresses {
    std::optional<Ipv4Prefix> ipv4;
    std::optional<Ipv6Prefix> ipv6;
    bool operator==(const LinkAddresses&) const = default;
};

// L3 parameters of an attachment on one channel.
struct Feature {
    uint16_t vlan = 0; // 1025..4094
    LinkAddresses local;
    std::optional<Ipv4Addr> peer_ipv4; // within local.ipv4's subnet
    std::optional<Ipv6Addr> peer_ipv6;
    uint16_t mtu = 1500; // largest IP packet sent on this feature
    bool operator==(const Feature&) const = default;
};

// Counts octets of IP packets (without Ethernet, VLAN, SecTAG and ICV). With a peak, this is the
// two-rate three-colour marker of RFC 4115: what exceeds the rate passes up to the peak with
// another DSCP.
struct Limit {
    uint64_t rate_bps = 0;
    uint32_t burst_us = dataplane::kDefaultBurstUs; // as time at the rate; two packets at least
    std::optional<uint64_t> peak_bps;
    std::optional<uint8_t> excess_dscp; // exactly with a peak
    bool operator==(const Limit&) const = default;
};

// What TCP SYNs may announce as maximum segment size, in both directions: anything, what the
// smallest MTU on the way leaves, or at most a number.
struct MssClamp {
    enum class Mode : uint8_t { off, automatic, value };
    Mode mode = Mode::off;
    uint16_t value = 0; // exactly with Mode::value
    bool operator==(const MssClamp&) const = default;
};

// One end of a link on which the edge owns addresses: an attachment's VPC side (channel is none) or
// its feature on a channel.
struct LinkId {
    AttachmentId attachment;
    ChannelId channel;
    auto operator<=>(const LinkId&) const = default;
};

struct Attachment {
    std::string name; // unique within the edge
    EdgeId edge;
    InterconnectId interconnect;
    PortId port;         // VPC port of the same edge, not a channel's
    uint16_t vlan = 0;   // 0: untagged
    uint16_t mtu = 1500; // largest IP packet sent to the VPC
    MssClamp mss_clamp;
    LinkAddresses local; // on the VPC side
    std::optional<Limit> egress_limit;
    std::optional<Limit> ingress_limit;
    std::map<ChannelId, Feature> features;
    RouteTable routes;
    std::map<std::pair<ChannelId, IpAddr>, MacAddr> static_neighbours; // channel none: VPC side
};

struct Model {
    Config config;
    // All but routes and static neighbours changes by the functions below alone, which keep the
    // index.
    std::map<AttachmentId, Attachment> attachments;
    AttachmentIndex index;
    std::vector<AdminState> channel_admin; // by ChannelId
    std::vector<bool> port_enabled;        // by PortId

    // As the configuration says, without attachments.
    [[nodiscard]] static Model from(Config config);
    // A new one, in a place that is free.
    void add(AttachmentId id, Attachment attachment);
    void erase(AttachmentId id);
    // With the one that has the place now.
    void exchange(AttachmentId id, Attachment& attachment);
};

} // namespace isthmus::control
