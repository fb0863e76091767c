// Makes DPDK take a device over, after everything has been asked that can be without it.
#include "dataplane/ethdev_port.hpp"
#include "dataplane/pci_device.hpp"
#include "dataplane/xdp_socket.hpp"

#include <rte_dev.h>
#include <rte_ethdev.h>

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace isthmus::dataplane {
namespace {

// A signal ends the process while this lives: attaching may wait for a peer that never comes.
class Interruptible {
  public:
    explicit Interruptible(bool wanted) {
        sigset_t ends;
        sigemptyset(&ends);
        sigaddset(&ends, SIGTERM);
        sigaddset(&ends, SIGINT);
        pthread_sigmask(wanted ? SIG_UNBLOCK : SIG_BLOCK, wanted ? &ends : nullptr, &before_);
    }
    ~Interruptible() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
    Interruptible(const Interruptible&) = delete;
    Interruptible& operator=(const Interruptible&) = delete;

  private:
    sigset_t before_{};
};

// The kernel interface that carries the port's frames; vhost's `iface` is the path of a socket.
std::string interface_of(const DeviceText& device) {
    const auto name = device.argument("iface");
    return name.find('/') == std::string_view::npos ? std::string(name) : std::string();
}

// An AF_XDP or similar port sends through a kernel interface whose MTU DPDK does not tell.
Result<void> check_interface_mtu(const std::string& interface, const EthdevRequest& request) {
    uint32_t mtu = 0;
    if (interface.empty() || !(std::ifstream("/sys/class/net/" + interface + "/mtu") >> mtu) ||
        mtu >= request.l2_payload)
        return {};
    return Error{
        ErrorCode::invalid,
        fmt::format("port {}: interface {} has MTU {}, {} octets behind the Ethernet header "
                    "must fit (IP packet, VLAN tag, MACsec)",
                    request.name, interface, mtu, request.l2_payload),
        "port", request.name, std::to_string(request.l2_payload)};
}

// A process that was killed leaves the socket that it listened at, and drivers refuse to start with
// one. A datagram socket tells without a listener noticing: only of nobody's is it refused.
void remove_dead_socket(const DeviceText& device) {
    for (const char* key : {"socket", "iface", "path"}) {
        const std::string path(device.argument(key));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        struct stat status {};
        if (path.size() >= sizeof address.sun_path || stat(path.c_str(), &status) != 0 ||
            !S_ISSOCK(status.st_mode))
            continue;
        path.copy(address.sun_path, path.size());
        const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
            errno == ECONNREFUSED)
            unlink(path.c_str());
        close(fd);
    }
}

Error at_port(const EthdevRequest& request, Error error) {
    error.message = fmt::format("port {}: {}", request.name, error.message);
    return error;
}

Result<uint16_t> take_over(const DeviceText& device, const EthdevRequest& request) {
    const std::string arguments = device.arguments_text();
    const std::string written = device.name + (arguments.empty() ? "" : ",") + arguments;
    const auto refused = [&](const std::string& why) {
        return Error{
            ErrorCode::invalid,
            fmt::format("port {}: device '{}' does not start: {}", request.name, written, why),
            "device", written, "a PCI address or a DPDK vdev that exists on this machine"};
    };
    uint16_t ethdev = 0;
    if (rte_eth_dev_get_port_by_name(device.name.c_str(), &ethdev) == 0)
        return refused("another port uses this device name");
    if (device.pci)
        if (const auto there = find_pci_device(device.name); !there)
            return at_port(request, there.error());
    remove_dead_socket(device);
    const Interruptible while_waiting(device.kind.needs_peer);
    if (int code = rte_eal_hotplug_add(device.pci ? "pci" : "vdev", device.name.c_str(),
                                       arguments.c_str());
        code != 0)
        return refused(rte_strerror(-code));
    if (rte_eth_dev_get_port_by_name(device.name.c_str(), &ethdev) != 0)
        return refused("its driver made no Ethernet port of it");
    return ethdev;
}

std::string sysfs_path(const DeviceText& device, const std::string& interface) {
    if (device.pci)
        return "/sys/bus/pci/devices/" + device.name;
    return interface.empty() ? "" : "/sys/class/net/" + interface;
}

} // namespace

Result<AttachedDevice> attach_device(const std::string& text, const EthdevRequest& request) {
    auto device = read_device(text);
    if (!device)
        return at_port(request, device.error());
    if (request.mac)
        device->make_with(*request.mac);
    if (auto good = check_arguments(*device, request.l2_payload); !good)
        return at_port(request, good.error());
    const std::string interface = interface_of(*device);
    if (auto good = check_interface_mtu(interface, request); !good)
        return good.error();
    std::vector<uint16_t> members;
    for (const DeviceText& member : device->members) {
        const auto taken = take_over(member, request);
        if (!taken)
            return taken.error();
        members.push_back(*taken);
    }
    const std::vector<int> before = sockets_of(AF_PACKET);
    const auto ethdev = take_over(*device, request);
    if (!ethdev)
        return ethdev.error();
    return AttachedDevice{*ethdev,
                          new_sockets(before, sockets_of(AF_PACKET)),
                          device->kind,
                          interface,
                          sysfs_path(*device, interface),
                          std::move(members)};
}

} // namespace isthmus::dataplane
