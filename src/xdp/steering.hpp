#pragma once
// The program on an interface that decides which frames are the edge's (steer.bpf.c), and the maps
// by which it is told. The kernel detaches it when this process ends, in whatever way. Control
// thread.

#include "dataplane/port.hpp"
#include "isthmus/result.hpp"
#include "xdp/interface.hpp"
#include "xdp/xdp_request.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

namespace isthmus::xdp {

class Steering {
  public:
    // Attaches to the interface. Errors: somebody else's program is there, with its name; what the
    // kernel says.
    [[nodiscard]] static Result<Steering> attach(const Interface& interface, const Request& request,
                                                 const MacAddr& mac, uint16_t queues);
    Steering(Steering&&) noexcept;
    ~Steering();

    [[nodiscard]] bool native() const { return native_; }
    [[nodiscard]] const std::string& how() const { return how_; } // in words
    [[nodiscard]] Result<void> add_socket(uint16_t queue, int socket);

    // The interface has this MAC now.
    void follow_interface(const MacAddr& mac);
    // While frames come: what is new is added before what is gone is removed. Errors: no room.
    [[nodiscard]] Result<void> follow(std::span<const dataplane::PortLink> links);
    [[nodiscard]] Result<void> set_host_addresses(const std::vector<IpAddr>& addresses);
    // Whether host addresses make a difference now.
    [[nodiscard]] bool shares_mac() const { return shared_mac_ && untagged_; }

    // By verdict, named.
    [[nodiscard]] std::vector<dataplane::NamedCount> counts() const;
    [[nodiscard]] uint64_t without_socket() const;

  private:
    struct Program;
    using Key = std::pair<Ipv6Addr, uint8_t>; // IPv4 is mapped into IPv6
    using Addresses = std::map<Key, uint8_t>;
    Steering();
    [[nodiscard]] Result<void> attach_program(unsigned index, Mode mode);
    [[nodiscard]] Result<void> set_addresses();
    [[nodiscard]] uint64_t count(uint32_t verdict) const;

    std::unique_ptr<Program> program_;
    bool native_ = false, shared_mac_ = false, untagged_ = false;
    std::string how_;
    MacAddr mac_;
    std::set<uint16_t> vlans_; // as the program knows them
    Addresses addresses_;
    Addresses own_; // wanted: of the edge's links
    std::vector<IpAddr> host_;
};

} // namespace isthmus::xdp
