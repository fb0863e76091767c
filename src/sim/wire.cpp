#include "sim/wire.hpp"

#include <fmt/format.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_ring.h>

#include <atomic>
#include <memory>
#include <optional>
#include <vector>

namespace isthmus::sim {
namespace {

struct RingFree {
    void operator()(rte_ring* ring) const { rte_ring_free(ring); }
};
using RingPtr = std::unique_ptr<rte_ring, RingFree>;
using Rings = std::vector<RingPtr>;

// One for each queue of one direction.
std::optional<Rings> make_rings(const std::string& name, uint16_t queues, int socket) {
    Rings rings;
    for (uint16_t queue = 0; queue < queues; ++queue) {
        rings.emplace_back(rte_ring_create(fmt::format("{}{}", name, queue).c_str(), kWireRingSize,
                                           socket, RING_F_SP_ENQ | RING_F_SC_DEQ));
        if (!rings.back())
            return std::nullopt;
    }
    return rings;
}

std::vector<rte_ring*> raw(const Rings& rings) {
    std::vector<rte_ring*> pointers;
    for (const RingPtr& ring : rings)
        pointers.push_back(ring.get());
    return pointers;
}

Error failed(const std::string& name, const char* what) {
    return {ErrorCode::unavailable,
            fmt::format("wire {}: {} failed: {}", name, what, rte_strerror(rte_errno)),
            {},
            name,
            {}};
}

} // namespace

Result<std::pair<uint16_t, uint16_t>> make_wire(const std::string& name, uint16_t queues) {
    // DPDK's names are short and unique per process; an operator's name is neither.
    static std::atomic<unsigned> made{0};
    const unsigned number = made.fetch_add(1);
    const auto socket = static_cast<int>(rte_socket_id());
    auto forth = make_rings(fmt::format("wire{}f", number), queues, socket);
    auto back = make_rings(fmt::format("wire{}b", number), queues, socket);
    if (!forth || !back)
        return failed(name, "making a ring");
    const auto node = static_cast<unsigned>(socket < 0 ? 0 : socket);
    const auto make_end = [&](const char* end, const Rings& receive, const Rings& send) {
        return rte_eth_from_rings(fmt::format("wire{}{}", number, end).c_str(), raw(receive).data(),
                                  queues, raw(send).data(), queues, node);
    };
    const int left = make_end("l", *back, *forth);
    if (left < 0)
        return failed(name, "making the first port");
    const int right = make_end("r", *forth, *back);
    if (right < 0) {
        const Error error = failed(name, "making the second port");
        rte_eth_dev_close(static_cast<uint16_t>(left));
        return error;
    }
    // The ports use them from now on.
    for (Rings* rings : {&*forth, &*back})
        for (RingPtr& ring : *rings)
            (void)ring.release();
    return std::pair{static_cast<uint16_t>(left), static_cast<uint16_t>(right)};
}

} // namespace isthmus::sim
