#include "xdp/xdp_request.hpp"

#include <fmt/format.h>

#include <net/if.h>

namespace isthmus::xdp {
namespace {

Error bad_option(std::string_view option, std::string_view expected) {
    return invalid_value("device", fmt::format("'{}'", option), std::string(expected));
}

Result<void> read_option(DeviceOptions& out, std::string_view option) {
    if (option == "mode=native")
        out.mode = Mode::native;
    else if (option == "mode=skb")
        out.mode = Mode::skb;
    else if (option == "copy=yes")
        out.copy = true;
    else if (option == "frames=all")
        out.all_frames = true;
    else
        return bad_option(option, "mode=native, mode=skb, copy=yes or frames=all");
    return {};
}

} // namespace

Result<DeviceOptions> parse_device(std::string_view device) {
    DeviceOptions options;
    std::string_view rest = device.substr(kDevicePrefix.size());
    const auto take = [&] {
        const auto comma = rest.find(',');
        const std::string_view word = rest.substr(0, comma);
        rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
        return word;
    };
    const bool more_expected = rest.ends_with(',');
    options.interface = take();
    if (options.interface.empty() || options.interface.size() >= IFNAMSIZ ||
        options.interface.find('/') != std::string::npos)
        return bad_option(device, "xdp: and the name of an interface, 1 to 15 octets");
    while (!rest.empty())
        if (auto good = read_option(options, take()); !good)
            return good.error();
    if (more_expected)
        return bad_option(device, "an option behind each comma");
    return options;
}

} // namespace isthmus::xdp
