#pragma once
// What the kernel says of a PCI device. Asked before DPDK may touch it, so that a device which is
// in other use is refused with the reason. Control thread.

#include "isthmus/result.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace isthmus::dataplane {

struct PciDevice {
    std::string address;   // in full: 0000:01:00.0
    std::string driver;    // of the kernel
    bool physical = false; // no IOMMU: the device is told physical addresses
};

// The address that begins a device's text, in full; empty if it is none.
[[nodiscard]] std::string pci_address(const std::string& device);

// Refused: what is not there, no network device, or in a driver's hands that does not lend it.
[[nodiscard]] Result<PciDevice> find_pci_device(const std::string& address,
                                                const std::filesystem::path& sysfs = "/sys");

} // namespace isthmus::dataplane
