#include "dataplane/pci_device.hpp"

#include <rte_pci.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>

namespace isthmus::dataplane {
namespace {

namespace fs = std::filesystem;

// They hand a device over to user space; those of UIO without an IOMMU in between.
constexpr std::string_view kVfio = "vfio-pci";
constexpr std::array<std::string_view, 2> kUio{"igb_uio", "uio_pci_generic"};
// NVIDIA's NICs stay with their kernel driver and are shared with it.
constexpr std::array<std::string_view, 2> kShared{"mlx4_core", "mlx5_core"};

std::string first_word(const fs::path& file) {
    std::string word;
    std::ifstream(file) >> word;
    return word;
}

std::string link_name(const fs::path& link) {
    std::error_code ignored;
    return fs::read_symlink(link, ignored).filename();
}

} // namespace

std::string pci_address(const std::string& device) {
    const std::string text = device.substr(0, device.find(','));
    rte_pci_addr address{};
    if (rte_pci_addr_parse(text.c_str(), &address) != 0)
        return {};
    return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", address.domain, address.bus, address.devid,
                       address.function);
}

Result<PciDevice> find_pci_device(const std::string& address, const fs::path& sysfs) {
    const auto refused = [&](const std::string& why) {
        return Error{ErrorCode::invalid, fmt::format("PCI device {} {}", address, why), "device",
                     address, "a network device bound to vfio-pci"};
    };
    const fs::path folder = sysfs / "bus/pci/devices" / address;
    std::error_code ignored;
    if (!fs::exists(folder, ignored))
        return refused("does not exist");
    if (const std::string kind = first_word(folder / "class"); !kind.starts_with("0x02"))
        return refused(fmt::format("is no network device, its class is {}", kind));
    PciDevice device{address, link_name(folder / "driver"), false};
    if (device.driver.empty())
        return refused("has no driver; bind it: dpdk-devbind.py --bind=vfio-pci " + address);
    const bool vfio = device.driver == kVfio;
    const bool uio = std::ranges::count(kUio, device.driver) != 0;
    if (!vfio && !uio && std::ranges::count(kShared, device.driver) == 0)
        return refused(fmt::format("is in use by the kernel's driver {}; give it up there (its "
                                   "interface goes away): dpdk-devbind.py --bind=vfio-pci {}",
                                   device.driver, address));
    device.physical = uio || (vfio && link_name(folder / "iommu_group").empty()) ||
                      (vfio && first_word(folder / "iommu_group/name") == "vfio-noiommu");
    return device;
}

} // namespace isthmus::dataplane
