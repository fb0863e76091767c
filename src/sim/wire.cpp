#include "sim/wire.hpp"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_ring.h>

#include <atomic>
#include <memory>

namespace isthmus::sim {
namespace {

constexpr unsigned kRingSize = 4096;

struct RingFree {
    void operator()(rte_ring* ring) const { rte_ring_free(ring); }
};
using RingPtr = std::unique_ptr<rte_ring, RingFree>;

Error failed(const std::string& name, const char* what) {
    return {ErrorCode::unavailable,
            fmt::format("wire {}: {} failed: {}", name, what, rte_strerror(rte_errno)),
            {},
            name,
            {}};
}

} // namespace

Result<std::pair<uint16_t, uint16_t>> make_wire(const std::string& name) {
    // DPDK's names are short and unique per process; an operator's name is neither.
    static std::atomic<unsigned> made{0};
    const unsigned number = made.fetch_add(1);
    const auto part = [number](const char* end) { return fmt::format("wire{}{}", number, end); };
    const unsigned flags = RING_F_SP_ENQ | RING_F_SC_DEQ;
    const auto socket = static_cast<int>(rte_socket_id());
    RingPtr forth(rte_ring_create(part("f").c_str(), kRingSize, socket, flags));
    RingPtr back(rte_ring_create(part("b").c_str(), kRingSize, socket, flags));
    if (!forth || !back)
        return failed(name, "making a ring");
    rte_ring* forth_ring = forth.get();
    rte_ring* back_ring = back.get();
    const auto node = static_cast<unsigned>(socket < 0 ? 0 : socket);
    const int left = rte_eth_from_rings(part("l").c_str(), &back_ring, 1, &forth_ring, 1, node);
    if (left < 0)
        return failed(name, "making the first port");
    const int right = rte_eth_from_rings(part("r").c_str(), &forth_ring, 1, &back_ring, 1, node);
    if (right < 0) {
        const Error error = failed(name, "making the second port");
        rte_eth_dev_close(static_cast<uint16_t>(left));
        return error;
    }
    // The ports use them from now on.
    (void)forth.release();
    (void)back.release();
    return std::pair{static_cast<uint16_t>(left), static_cast<uint16_t>(right)};
}

} // namespace isthmus::sim
