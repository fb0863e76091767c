#include "dataplane/device_kind.hpp"

#include "dataplane/pci_device.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace isthmus::dataplane {
namespace {

// Kinds that need nothing of this are not listed.
constexpr auto kKinds = std::to_array<DeviceKind>({
    // States 1,500, but passes what takes several buffers of its ring.
    {.name = "net_memif", .payload = 9216, .one_queue = true, .connects = true},
    // States 1,500; the frames of its ring decide, see check_arguments.
    {.name = "net_af_packet", .payload = 9216},
    {.name = "net_bonding", .one_queue = true, .sends_idle = true},
});

// What the user has to write to get AF_PACKET all the same.
constexpr std::string_view kAccepted = "faults", kAcceptedValue = "accepted";

// TPACKET_V2's header in front of each frame, and the link address that the kernel puts there.
constexpr uint32_t kPacketHeader = 32 + 20 + 34;
constexpr uint32_t kPacketFrame = 2048; // framesz, if it is not given
constexpr uint32_t kLinkHeader = 14;

// An argument that makes a device do what is not handled behind it.
struct BadArgument {
    std::string_view kind, key, good, why;
};
constexpr auto kBadArguments = std::to_array<BadArgument>({
    {"net_vhost", "tso", "0", "guests would send TCP segments larger than any MTU"},
    {"net_vhost", "legacy-ol-flags", "0", "guests' unfinished checksums would not be completed"},
});

Error bad(const std::string& text, const std::string& why, std::string expected) {
    return {ErrorCode::invalid, fmt::format("device '{}': {}", text, why), "device", text,
            std::move(expected)};
}

// At commas outside parentheses.
std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> parts(1);
    int depth = 0;
    for (const char c : text) {
        depth += c == '(' ? 1 : c == ')' ? -1 : 0;
        if (c == ',' && depth == 0)
            parts.emplace_back();
        else
            parts.back() += c;
    }
    return parts;
}

DeviceKind kind_of(std::string_view name) {
    const auto found = std::ranges::find_if(
        kKinds, [&](const DeviceKind& kind) { return name.starts_with(kind.name); });
    return found == kKinds.end() ? DeviceKind{} : *found;
}

bool is_kind(const DeviceText& device, std::string_view kind) {
    return device.name.starts_with(kind);
}

Result<void> read_member(DeviceText& device, const std::string& text, const std::string& value) {
    if (value.size() < 3 || value.front() != '(' || value.back() != ')')
        return bad(text, "member is written as member=(DEVICE)", "member=(0000:01:00.0)");
    auto member = read_device(value.substr(1, value.size() - 2));
    if (!member)
        return member.error();
    if (is_kind(*member, "net_bonding"))
        return bad(text, "a bond can not be a member of one", "any other device");
    // A bond starts its members twice in a row; DPDK 22.11's memif server panics at that.
    if (is_kind(*member, "net_memif"))
        return bad(text, "memif can not be a member of a bond", "any other device");
    device.members.push_back(std::move(*member));
    return {};
}

Result<void> check_kind(const DeviceText& device, const std::string& text) {
    for (const BadArgument& rule : kBadArguments)
        if (const auto value = device.argument(rule.key);
            is_kind(device, rule.kind) && !value.empty() && value != rule.good)
            return bad(text, fmt::format("{}={} is not supported: {}", rule.key, value, rule.why),
                       fmt::format("{}={}", rule.key, rule.good));
    if (is_kind(device, "net_af_packet") && device.argument(kAccepted) != kAcceptedValue)
        return bad(text,
                   "AF_PACKET in DPDK 22.11 puts IPv4 fragments together, turns the 802.1ad tag "
                   "0x88a8 into 0x8100 and cuts long frames short without a word; use 'xdp:', or "
                   "add ,faults=accepted",
                   "faults=accepted");
    if (is_kind(device, "net_bonding") && device.members.empty())
        return bad(text, "a bond without members", "member=(DEVICE), once for each");
    return {};
}

Result<DeviceText> read_name(const std::string& text, const std::string& name) {
    DeviceText device;
    if (auto address = pci_address(name); !address.empty()) {
        device.name = std::move(address);
        device.pci = true;
        return device;
    }
    if (!name.starts_with("net_") || name.size() > 63)
        return bad(text, "neither a PCI address nor a device of DPDK",
                   "0000:01:00.0, or net_memif0,... (docs/ports.md)");
    device.name = name;
    device.kind = kind_of(name);
    return device;
}

} // namespace

std::string_view DeviceText::argument(std::string_view key) const {
    const auto found = std::ranges::find(arguments, key, &Arguments::value_type::first);
    return found == arguments.end() ? std::string_view() : std::string_view(found->second);
}

std::string DeviceText::arguments_text() const {
    std::string text;
    const auto add = [&](const std::string& key, const std::string& value) {
        text += fmt::format("{}{}={}", text.empty() ? "" : ",", key, value);
    };
    for (const auto& [key, value] : arguments)
        if (key != kAccepted)
            add(key, value);
    for (const DeviceText& member : members)
        add("slave", member.name);
    return text;
}

void DeviceText::make_with(const MacAddr& mac) {
    if (is_kind(*this, "net_virtio_user") && argument("mac").empty())
        arguments.emplace_back("mac", to_string(mac));
}

Result<DeviceText> read_device(const std::string& text) {
    const auto parts = split(text);
    auto device = read_name(text, parts[0]);
    if (!device)
        return device;
    for (std::size_t i = 1; i < parts.size(); ++i) {
        const auto equals = parts[i].find('=');
        if (equals == 0 || equals == std::string::npos)
            return bad(text, fmt::format("'{}' is no key=value", parts[i]), "key=value");
        const std::string key = parts[i].substr(0, equals), value = parts[i].substr(equals + 1);
        if (is_kind(*device, "net_bonding") && key == "member") {
            if (auto good = read_member(*device, text, value); !good)
                return good.error();
            continue;
        }
        device->arguments.emplace_back(key, value);
    }
    // The only end of a virtio_user that its peer comes to: opening it waits for that.
    device->kind.needs_peer =
        is_kind(*device, "net_virtio_user") && device->argument("server") == "1";
    device->kind.connects = device->kind.connects && device->argument("role") != "server";
    if (auto good = check_kind(*device, text); !good)
        return good.error();
    return device;
}

bool shares_memory(const DeviceText& device) {
    return is_kind(device, "net_virtio_user") || std::ranges::any_of(device.members, shares_memory);
}

Result<void> check_arguments(const DeviceText& device, uint32_t l2_payload) {
    if (!is_kind(device, "net_af_packet"))
        return {};
    uint32_t frame = kPacketFrame;
    const auto given = device.argument("framesz");
    std::from_chars(given.data(), given.data() + given.size(), frame);
    const uint32_t needed = l2_payload + kLinkHeader + kPacketHeader;
    if (frame >= needed)
        return {};
    return Error{ErrorCode::invalid,
                 fmt::format("device {}: framesz {} cuts frames short, {} octets behind the "
                             "Ethernet header need {}",
                             device.name, frame, l2_payload, needed),
                 "framesz", std::to_string(frame), std::to_string(needed)};
}

} // namespace isthmus::dataplane
