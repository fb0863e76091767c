// What becomes of ports while the daemon runs: links, devices that are taken away, MTUs that
// somebody changes.

#include "control/control_plane_state.hpp"
#include "control/sizes.hpp"

namespace isthmus::control {

// The one place that tells an operator about a port.
void ControlPlane::State::tell_port(std::size_t port, EventKind kind, const std::string& what) {
    const std::string name = name_of(PortId(port));
    events->emit(kind, name, fmt::format("port {}: {}", name, what), what);
}

bool ControlPlane::State::watch_ports() {
    bool changed = false;
    for (std::size_t p = 0; p < ports.size(); ++p) {
        dataplane::Port& port = dataplane.port(PortId(p));
        port.tend();
        if (const std::string event = port.take_event(); !event.empty())
            tell_port(p, EventKind::port_trouble, event);
        if (!port.present() && !port_gone[p]) {
            port_gone[p] = true;
            tell_port(p, EventKind::port_removed,
                      "its device has been removed; a restart takes one that comes back");
        }
        if (const bool up = port.link_up(); up != ports[p].link_up) {
            changed = true;
            ports[p].link_up = up;
            tell_port(p, up ? EventKind::link_up : EventKind::link_down,
                      up ? "link up" : "link down");
        }
        const uint32_t passes = port.l2_payload();
        const uint32_t needed = port_sizes(model.config, PortId(p)).l2_payload();
        if (const bool narrow = passes != 0 && passes < needed; narrow != port_narrow[p]) {
            port_narrow[p] = narrow;
            tell_port(p, EventKind::mtu_changed,
                      fmt::format("its interface's MTU is now {}, {} octets must fit: {}", passes,
                                  needed, narrow ? "larger packets are lost" : "good"));
        }
    }
    return changed;
}

std::vector<dataplane::DeviceStatistic> ControlPlane::port_statistics(PortId port) const {
    return state_->dataplane.port(port).statistics();
}

} // namespace isthmus::control
