#include "xdp/interface.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <ifaddrs.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <utility>

namespace isthmus::xdp {
namespace {

ifreq request_for(const std::string& name) {
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    return request;
}

template <class Command> bool ethtool(int control, const std::string& name, Command& command) {
    ifreq request = request_for(name);
    request.ifr_data = reinterpret_cast<char*>(&command);
    return ioctl(control, SIOCETHTOOL, &request) == 0;
}

// Of an address list of the C library; IPv4 and IPv6 only.
bool append_address(std::vector<IpAddr>& out, const sockaddr* address) {
    if (address == nullptr)
        return false;
    if (address->sa_family == AF_INET) {
        const auto* in = reinterpret_cast<const sockaddr_in*>(address);
        out.push_back(Ipv4Addr{ntohl(in->sin_addr.s_addr)});
        return true;
    }
    if (address->sa_family != AF_INET6)
        return false;
    const auto* in = reinterpret_cast<const sockaddr_in6*>(address);
    Be64 high, low;
    std::memcpy(&high, in->sin6_addr.s6_addr, sizeof high);
    std::memcpy(&low, in->sin6_addr.s6_addr + sizeof high, sizeof low);
    out.push_back(Ipv6Addr{high.host(), low.host()});
    return true;
}

} // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this != &other) {
        reset();
        fd_ = other.release();
    }
    return *this;
}

void Descriptor::reset() noexcept {
    if (fd_ >= 0)
        close(fd_);
    fd_ = -1;
}

int Descriptor::release() noexcept {
    return std::exchange(fd_, -1);
}

Result<Interface> Interface::open(const std::string& name) {
    Descriptor control(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request = request_for(name);
    if (ioctl(control.get(), SIOCGIFINDEX, &request) != 0)
        return Error{ErrorCode::invalid, fmt::format("interface {} does not exist", name), "device",
                     name, ""};
    return Interface(std::move(control), name, static_cast<unsigned>(request.ifr_ifindex));
}

std::string Interface::current_name() const {
    ifreq request{};
    request.ifr_ifindex = static_cast<int>(index_);
    return ioctl(control_.get(), SIOCGIFNAME, &request) == 0 ? request.ifr_name : "";
}

InterfaceState Interface::state() const {
    ifreq request = request_for(current_name());
    if (request.ifr_name[0] == 0 || ioctl(control_.get(), SIOCGIFFLAGS, &request) != 0)
        return InterfaceState::gone;
    if ((request.ifr_flags & IFF_UP) == 0)
        return InterfaceState::down;
    return (request.ifr_flags & IFF_RUNNING) == 0 ? InterfaceState::no_carrier : InterfaceState::up;
}

MacAddr Interface::mac() const {
    ifreq request = request_for(current_name());
    MacAddr mac;
    if (ioctl(control_.get(), SIOCGIFHWADDR, &request) == 0)
        std::memcpy(mac.octets.data(), request.ifr_hwaddr.sa_data, mac.octets.size());
    return mac;
}

uint32_t Interface::mtu() const {
    ifreq request = request_for(current_name());
    return ioctl(control_.get(), SIOCGIFMTU, &request) == 0 ? static_cast<uint32_t>(request.ifr_mtu)
                                                            : 0;
}

uint16_t Interface::rx_queues() const {
    ethtool_channels channels{};
    channels.cmd = ETHTOOL_GCHANNELS;
    if (!ethtool(control_.get(), current_name(), channels))
        return 1; // drivers with several tell
    return static_cast<uint16_t>(std::max(channels.rx_count + channels.combined_count, 1u));
}

uint16_t Interface::tx_queues() const {
    ethtool_channels channels{};
    channels.cmd = ETHTOOL_GCHANNELS;
    if (!ethtool(control_.get(), current_name(), channels))
        return 1;
    return static_cast<uint16_t>(std::max(channels.tx_count + channels.combined_count, 1u));
}

int Interface::numa_node() const {
    int node = -1;
    std::ifstream("/sys/class/net/" + name_ + "/device/numa_node") >> node;
    return node;
}

bool Interface::strips_vlan_tags() const {
    ethtool_value flags{};
    flags.cmd = ETHTOOL_GFLAGS;
    return access(("/sys/class/net/" + name_ + "/device").c_str(), F_OK) == 0 &&
           ethtool(control_.get(), current_name(), flags) && (flags.data & ETH_FLAG_RXVLAN) != 0;
}

std::vector<IpAddr> Interface::addresses() const {
    std::vector<IpAddr> found;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0)
        return found;
    const std::string name = current_name();
    for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next)
        if (name == entry->ifa_name)
            append_address(found, entry->ifa_addr);
    freeifaddrs(list);
    return found;
}

Result<Descriptor> Interface::receive_for(const MacAddr& other_mac) const {
    // Protocol 0: it receives no frames itself.
    Descriptor membership(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0));
    packet_mreq request{};
    request.mr_ifindex = static_cast<int>(index_);
    request.mr_type = PACKET_MR_ALLMULTI;
    const auto add = [&] {
        return setsockopt(membership.get(), SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request,
                          sizeof request) == 0;
    };
    bool good = add();
    if (good && other_mac != mac()) {
        request.mr_type = PACKET_MR_UNICAST;
        request.mr_alen = 6;
        std::copy(other_mac.octets.begin(), other_mac.octets.end(), request.mr_address);
        good = add();
    }
    if (!good)
        return Error{ErrorCode::invalid, fmt::format("interface {}: receiving for {}: {}", name_,
                                                     to_string(other_mac), std::strerror(errno))};
    return membership;
}

std::string missing_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3]{};
    if (syscall(SYS_capget, &header, sets) != 0)
        return {};
    const auto has = [&](unsigned capability) {
        return (sets[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
    };
    std::string missing;
    const auto need = [&](bool there, const char* name) {
        if (!there)
            missing += (missing.empty() ? "" : ", ") + std::string(name);
    };
    need(has(CAP_NET_ADMIN), "CAP_NET_ADMIN");
    need(has(CAP_NET_RAW), "CAP_NET_RAW");
    need(has(CAP_BPF) || has(CAP_SYS_ADMIN), "CAP_BPF");
    return missing;
}

} // namespace isthmus::xdp
