#pragma once
// A port of ours on one end of a veth pair, in a network namespace of the test's own; the other end
// is in a second namespace, whose kernel is a host. Needs root.

#include "dataplane/port.hpp"
#include "isthmus/result.hpp"
#include "tests/packets.hpp"
#include "xdp/xdp_request.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

struct rte_mbuf;

namespace isthmus::test {

// Before any thread starts. Both namespaces; false: not allowed here.
bool enter_namespaces();
extern bool namespaces_made;

bool run(const std::string& command);          // here
bool far_run(const std::string& command);      // at the far host
pid_t start_holder(const std::string& device); // this program with --hold: opens a port and waits

inline const MacAddr kEdgeMac = mac("02:49:53:54:00:01");
inline const MacAddr kFarMac = mac("02:bb:00:00:00:02");

inline Bytes ethernet(const MacAddr& to, unsigned type, const Bytes& payload) {
    return octets(to) + octets(kFarMac) + be16(type) + payload;
}
inline Bytes tagged(const MacAddr& to, unsigned tpid, unsigned vlan, unsigned type,
                    const Bytes& payload) {
    return ethernet(to, tpid, be16(vlan) + be16(type) + payload);
}

class FarHost : public testing::Test {
  protected:
    void SetUp() override;
    void TearDown() override;

    // The pair a0 (here) and b0 (far), both up.
    void make_pair(unsigned mtu = 1500, unsigned queues = 1);
    xdp::Request request(const std::string& options = "");
    void open(const xdp::Request& request);

    void far_send(const Bytes& frame);
    std::optional<Bytes> far_receive(int timeout_ms = 1000); // of frames that the port sends
    // What the port receives within a time, or until there are as many.
    std::vector<Bytes> receive(std::size_t most, int timeout_ms = 1000);
    std::vector<Bytes> receive_by(uint16_t queue, std::size_t most, int timeout_ms);
    void send(const std::vector<Bytes>& frames);
    uint64_t count(std::string_view verdict) const;

    std::unique_ptr<dataplane::Port> port_;
    int far_ = -1; // packet socket

  private:
    void take_burst(uint16_t queue, std::vector<Bytes>& frames);
};

} // namespace isthmus::test
