#include "xdp/steering.hpp"

#include "xdp/steer_maps.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wunused-function"
#include "xdp/steer.skel.h"
#pragma GCC diagnostic pop

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <linux/if_link.h>
#include <optional>
#include <thread>

namespace isthmus::xdp {
namespace {

constexpr std::string_view kProgramName = "isthmus_steer";
// A process that has ended may take so long to let go of its program.
constexpr auto kLetGo = std::chrono::milliseconds(2000);

constexpr std::string_view kVerdictNames[] = {"macsec",       "clear",    "vlan",       "arp",
                                              "nd",           "unicast",  "all_frames", "kernel",
                                              "kernel_short", "no_socket"};
static_assert(std::size(kVerdictNames) == STEER_VERDICTS);

// The last warning of the library, which says more than an error number.
thread_local std::string last_warning;

int keep_warning(libbpf_print_level level, const char* format, va_list arguments) {
    if (level != LIBBPF_WARN)
        return 0;
    char text[512];
    const int length = std::vsnprintf(text, sizeof text, format, arguments);
    if (length > 0) {
        last_warning.assign(
            text, std::min<std::size_t>(static_cast<std::size_t>(length), sizeof text - 1));
        last_warning.erase(last_warning.find_last_not_of('\n') + 1);
    }
    return 0;
}

Error kernel_says(const std::string& what, int code) {
    std::string message = fmt::format("{}: {}", what, std::strerror(code));
    if (!last_warning.empty())
        message += fmt::format(" ({})", last_warning);
    return {ErrorCode::invalid, std::move(message)};
}

struct Attached {
    uint32_t id = 0;
    std::string name;
};

std::optional<Attached> attached_now(unsigned index) {
    LIBBPF_OPTS(bpf_xdp_query_opts, query);
    if (bpf_xdp_query(static_cast<int>(index), 0, &query) != 0)
        return std::nullopt;
    const uint32_t id =
        std::max({query.prog_id, query.drv_prog_id, query.skb_prog_id, query.hw_prog_id});
    if (id == 0)
        return std::nullopt;
    bpf_prog_info info{};
    uint32_t size = sizeof info;
    const Descriptor program(bpf_prog_get_fd_by_id(id));
    if (program.get() < 0 || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0)
        return Attached{id, "?"};
    return Attached{id, info.name};
}

// A program of ours belongs to a process that runs, or that has ended a moment ago: the kernel
// detaches it with its last descriptor.
Result<void> check_free(const Interface& interface) {
    const auto deadline = std::chrono::steady_clock::now() + kLetGo;
    auto found = attached_now(interface.index());
    while (found && found->name == kProgramName && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
        found = attached_now(interface.index());
    }
    if (!found)
        return {};
    const std::string where = fmt::format("interface {}", interface.name());
    if (found->name == kProgramName)
        return Error{ErrorCode::invalid,
                     fmt::format("{}: another port or isthmusd has its program {} (id {}) there",
                                 where, found->name, found->id),
                     "device", interface.name(), ""};
    return Error{ErrorCode::invalid,
                 fmt::format("{}: the XDP program {} (id {}) is attached already and is not ours; "
                             "remove it (ip link set {} xdp off) or take another interface",
                             where, found->name, found->id, interface.name()),
                 "device", interface.name(), ""};
}

uint16_t network_order(uint16_t value) {
    return __builtin_bswap16(value);
}

steer_settings settings_for(const Request& request, const MacAddr& mac) {
    steer_settings settings{};
    std::copy(mac.octets.begin(), mac.octets.end(), settings.mac);
    settings.all = request.device.all_frames;
    if (!request.channel)
        return settings;
    const ChannelFrames& channel = *request.channel;
    settings.macsec_type = network_order(channel.macsec_type);
    const auto types = std::min<std::size_t>(channel.clear_types.size(), STEER_ETHER_TYPES);
    for (std::size_t n = 0; n < types; ++n)
        settings.clear_types[n] = network_order(channel.clear_types[n]);
    const auto groups = std::min<std::size_t>(channel.clear_groups.size(), STEER_GROUPS);
    for (std::size_t n = 0; n < groups; ++n)
        std::ranges::copy(channel.clear_groups[n].octets, settings.clear_groups[n]);
    settings.clear_group_count = static_cast<uint8_t>(groups);
    return settings;
}

// ::ffff:a.b.c.d/96+n
std::pair<Ipv6Addr, uint8_t> mapped(Ipv4Addr address, uint8_t length) {
    return {Ipv6Addr{0, uint64_t{0xffff} << 32 | address.value}, static_cast<uint8_t>(96 + length)};
}

std::pair<Ipv6Addr, uint8_t> mapped(const IpAddr& address) {
    if (const auto* v4 = std::get_if<Ipv4Addr>(&address))
        return mapped(*v4, 32);
    return {std::get<Ipv6Addr>(address), uint8_t{128}};
}

steer_key key_of(const std::pair<Ipv6Addr, uint8_t>& prefix) {
    steer_key key{prefix.second, {}};
    for (unsigned n = 0; n < 8; ++n) {
        key.address[n] = static_cast<uint8_t>(prefix.first.high >> (56 - 8 * n));
        key.address[8 + n] = static_cast<uint8_t>(prefix.first.low >> (56 - 8 * n));
    }
    return key;
}

} // namespace

struct Steering::Program {
    steer_bpf* skeleton = nullptr;
    Descriptor link; // its last descriptor detaches
    ~Program() {
        link.reset();
        steer_bpf__destroy(skeleton);
    }
};

Steering::Steering() : program_(std::make_unique<Program>()) {}
Steering::Steering(Steering&&) noexcept = default;
Steering::~Steering() = default;

Result<Steering> Steering::attach(const Interface& interface, const Request& request,
                                  const MacAddr& mac, uint16_t queues) {
    libbpf_set_print(keep_warning);
    last_warning.clear();
    if (auto good = check_free(interface); !good)
        return good.error();
    Steering made;
    made.mac_ = mac;
    steer_bpf*& skeleton = made.program_->skeleton;
    skeleton = steer_bpf__open();
    if (skeleton == nullptr)
        return kernel_says("opening the steering program", errno);
    skeleton->rodata->settings = settings_for(request, mac);
    bpf_map__set_max_entries(skeleton->maps.sockets, queues);
    if (const int code = steer_bpf__load(skeleton); code != 0)
        return kernel_says("loading the steering program", -code);
    made.follow_interface(interface.mac());
    if (auto good = made.attach_program(interface.index(), request.device.mode); !good)
        return good.error();
    return made;
}

Result<void> Steering::attach_program(unsigned index, Mode mode) {
    const int program = bpf_program__fd(program_->skeleton->progs.isthmus_steer);
    const auto attach = [&](uint32_t flags) {
        LIBBPF_OPTS(bpf_link_create_opts, options, .flags = flags);
        program_->link =
            Descriptor(bpf_link_create(program, static_cast<int>(index), BPF_XDP, &options));
        return program_->link.get() >= 0;
    };
    if (mode != Mode::skb && attach(XDP_FLAGS_DRV_MODE)) {
        native_ = true;
        how_ = "native XDP";
        return {};
    }
    const int refusal = errno;
    if (mode == Mode::native)
        return kernel_says("attaching the steering program to the driver", refusal);
    if (!attach(XDP_FLAGS_SKB_MODE))
        return kernel_says("attaching the steering program", errno);
    how_ = "generic XDP";
    if (mode == Mode::automatic)
        how_ += fmt::format(" (the driver: {})", std::strerror(refusal));
    return {};
}

Result<void> Steering::add_socket(uint16_t queue, int socket) {
    const uint32_t key = queue;
    if (bpf_map_update_elem(bpf_map__fd(program_->skeleton->maps.sockets), &key, &socket,
                            BPF_ANY) != 0)
        return kernel_says(fmt::format("the socket of queue {}", queue), errno);
    return {};
}

void Steering::follow_interface(const MacAddr& mac) {
    shared_mac_ = mac == mac_;
    __atomic_store_n(&program_->skeleton->bss->shared_mac, uint32_t{shared_mac_}, __ATOMIC_RELEASE);
}

Result<void> Steering::follow(std::span<const dataplane::PortLink> links) {
    std::set<uint16_t> wanted;
    own_.clear();
    bool untagged = false;
    const Ipv6Addr link_local = link_local_from(mac_);
    for (const dataplane::PortLink& link : links) {
        if (link.vlan != 0) {
            wanted.insert(link.vlan);
            continue;
        }
        untagged = true;
        for (const IpPrefix& address : link.addresses) {
            if (const auto* v4 = std::get_if<Ipv4Prefix>(&address)) {
                own_.try_emplace(mapped(masked(v4->addr, v4->length), v4->length), STEER_SUBNET);
                own_[mapped(v4->addr, 32)] = STEER_OWN;
            } else {
                const auto& v6 = std::get<Ipv6Prefix>(address);
                own_.try_emplace(Key{masked(v6.addr, v6.length), v6.length}, STEER_SUBNET);
                own_.try_emplace(Key{masked(link_local, 64), uint8_t{64}}, STEER_SUBNET);
                own_[Key{v6.addr, 128}] = own_[Key{link_local, 128}] = STEER_OWN;
            }
        }
    }
    const int map = bpf_map__fd(program_->skeleton->maps.vlans);
    const auto set = [&](uint32_t vlan, uint8_t used) {
        bpf_map_update_elem(map, &vlan, &used, BPF_ANY); // of an array: always works
    };
    for (const uint16_t vlan : wanted)
        if (!vlans_.contains(vlan))
            set(vlan, 1);
    for (const uint16_t vlan : vlans_)
        if (!wanted.contains(vlan))
            set(vlan, 0);
    vlans_ = std::move(wanted);
    const auto good = set_addresses();
    untagged_ = untagged;
    __atomic_store_n(&program_->skeleton->bss->untagged, uint32_t{untagged}, __ATOMIC_RELEASE);
    return good;
}

Result<void> Steering::set_host_addresses(const std::vector<IpAddr>& addresses) {
    if (addresses == host_)
        return {};
    host_ = addresses;
    return set_addresses();
}

Result<void> Steering::set_addresses() {
    Addresses wanted = own_;
    for (const IpAddr& address : host_)
        if (!own_.contains(mapped(address)) || own_[mapped(address)] != STEER_OWN)
            wanted[mapped(address)] = STEER_HOST;
    const int map = bpf_map__fd(program_->skeleton->maps.addresses);
    for (const auto& [prefix, kind] : wanted) {
        const auto known = addresses_.find(prefix);
        if (known != addresses_.end() && known->second == kind)
            continue;
        const steer_key key = key_of(prefix);
        if (bpf_map_update_elem(map, &key, &kind, BPF_ANY) != 0)
            return kernel_says("addresses of the steering program", errno);
        addresses_[prefix] = kind;
    }
    for (auto known = addresses_.begin(); known != addresses_.end();) {
        const steer_key key = key_of(known->first);
        const bool stays = wanted.contains(known->first);
        if (!stays)
            bpf_map_delete_elem(map, &key);
        known = stays ? std::next(known) : addresses_.erase(known);
    }
    return {};
}

uint64_t Steering::count(uint32_t verdict) const {
    const int cpus = libbpf_num_possible_cpus();
    std::vector<uint64_t> values(static_cast<std::size_t>(std::max(cpus, 1)));
    if (bpf_map_lookup_elem(bpf_map__fd(program_->skeleton->maps.counts), &verdict,
                            values.data()) != 0)
        return 0;
    uint64_t sum = 0;
    for (const uint64_t value : values)
        sum += value;
    return sum;
}

std::vector<dataplane::NamedCount> Steering::counts() const {
    std::vector<dataplane::NamedCount> counts;
    for (uint32_t verdict = 0; verdict < STEER_VERDICTS; ++verdict)
        counts.push_back({kVerdictNames[verdict], count(verdict)});
    return counts;
}

uint64_t Steering::without_socket() const {
    return count(STEER_NO_SOCKET);
}

} // namespace isthmus::xdp
