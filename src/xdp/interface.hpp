#pragma once
// A kernel interface as the control thread sees it: by index, in the network namespace in which it
// was opened.

#include "isthmus/address.hpp"
#include "isthmus/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace isthmus::xdp {

// A descriptor that is closed with its owner.
class Descriptor {
  public:
    explicit Descriptor(int fd = -1) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
    Descriptor& operator=(Descriptor&& other) noexcept;
    ~Descriptor() { reset(); }
    [[nodiscard]] int get() const noexcept { return fd_; }
    void reset() noexcept;

  private:
    int release() noexcept;
    int fd_;
};

enum class InterfaceState : uint8_t { gone, down, no_carrier, up };

class Interface {
  public:
    // Errors: there is none of this name.
    [[nodiscard]] static Result<Interface> open(const std::string& name);

    [[nodiscard]] const std::string& name() const { return name_; } // when it was opened
    [[nodiscard]] unsigned index() const { return index_; }
    [[nodiscard]] InterfaceState state() const;
    [[nodiscard]] MacAddr mac() const;
    [[nodiscard]] uint32_t mtu() const; // 0: gone
    // In use now, not the most there can be.
    [[nodiscard]] uint16_t rx_queues() const;
    [[nodiscard]] uint16_t tx_queues() const;
    [[nodiscard]] int numa_node() const; // -1: of none
    // The driver takes the VLAN tag out of frames before anybody sees it.
    [[nodiscard]] bool strips_vlan_tags() const;
    // The kernel's own on it.
    [[nodiscard]] std::vector<IpAddr> addresses() const;

    // Frames to another MAC than its own, and to all groups, are received while the descriptor that
    // this returns is open.
    [[nodiscard]] Result<Descriptor> receive_for(const MacAddr& mac) const;

  private:
    Interface(Descriptor control, std::string name, unsigned index)
        : control_(std::move(control)), name_(std::move(name)), index_(index) {}
    // Its name now, which may be another one; empty: gone.
    [[nodiscard]] std::string current_name() const;

    Descriptor control_; // any socket takes these requests
    std::string name_;
    unsigned index_;
};

// What this process lacks for AF_XDP and BPF, e.g. "CAP_BPF, CAP_NET_RAW"; empty: nothing.
[[nodiscard]] std::string missing_capabilities();

} // namespace isthmus::xdp
