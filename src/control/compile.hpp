#pragma once
// From the desired Model to what workers read. Pure functions over values; control thread.

#include "control/channel_secy.hpp"
#include "control/host_stack.hpp"
#include "control/model.hpp"
#include "dataplane/forwarding_state.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

namespace isthmus::control {

using ChannelSecys = std::vector<std::unique_ptr<ChannelSecy>>; // by ChannelId

struct PortFacts {
    MacAddr mac;
    bool link_up = false;
};

// Neighbours by link, as the host stack knows them now.
using NeighbourMacs = std::map<LinkId, std::map<IpAddr, MacAddr>>;

// Tables of one VRF, kept from one compilation to the next while nothing in them changes.
struct VrfTables {
    std::shared_ptr<const dataplane::Fib4> fib4;
    std::shared_ptr<const dataplane::Fib6> fib6;
    std::vector<dataplane::Adjacency> adjacencies; // VPC side
};
using VrfCache = std::map<AttachmentId, VrfTables>;

struct CompileInput {
    const Model& model;
    const std::vector<PortFacts>& ports; // by PortId
    const ChannelSecys& secys;
    const NeighbourMacs& neighbours;
    VrfCache& cache; // entries that must be built anew have been removed
    uint64_t tsc_hz = 0;
    uint64_t generation = 0;
};

[[nodiscard]] std::unique_ptr<const dataplane::ForwardingState> compile(const CompileInput& input);

// Why a channel carries no traffic now; empty if it does.
[[nodiscard]] std::string unusable_reason(const Model& model, ChannelId channel, bool link_up,
                                          const ChannelSecy& secy);

// The edge's links, for the host stack: of ports that are up, and of channels that have an SA to
// send with.
[[nodiscard]] std::vector<Link> make_links(const Model& model, const std::vector<PortFacts>& ports,
                                           const ChannelSecys& secys);

} // namespace isthmus::control
