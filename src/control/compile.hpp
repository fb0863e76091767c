#pragma once
// From the desired Model to what workers read. Pure functions over values; control thread.

#include "control/channel_secy.hpp"
#include "control/host_stack.hpp"
#include "control/model.hpp"
#include "control/vrf_cache.hpp"
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

struct CompileInput {
    const Model& model;
    const std::vector<PortFacts>& ports; // by PortId
    const ChannelSecys& secys;
    const NeighbourMacs& neighbours;
    VrfCache& cache; // has been told what has changed
    uint64_t tsc_hz = 0;
    uint64_t generation = 0;
};

[[nodiscard]] std::unique_ptr<const dataplane::ForwardingState> compile(const CompileInput& input);

// Why a channel carries no traffic now; empty if it does.
[[nodiscard]] std::string unusable_reason(const Model& model, ChannelId channel, bool link_up,
                                          const ChannelSecy& secy);

// The edge's links, for the host stack: of ports that are up, and of channels that have an SA to
// send with. All of them, those of one attachment, and one. The time does not depend on the number
// of routes.
[[nodiscard]] std::vector<Link> make_links(const Model& model, const std::vector<PortFacts>& ports,
                                           const ChannelSecys& secys);
[[nodiscard]] std::vector<Link> make_links(const Model& model, const std::vector<PortFacts>& ports,
                                           const ChannelSecys& secys, AttachmentId id);
[[nodiscard]] Link make_link(const Model& model, const std::vector<PortFacts>& ports, LinkId id);
// Whether features on this channel have links.
[[nodiscard]] bool has_link(const Model& model, const ChannelSecys& secys, ChannelId channel);

} // namespace isthmus::control
