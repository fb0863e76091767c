#include "dataplane/exchange.hpp"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <fmt/format.h>

namespace isthmus::dataplane {
namespace {

// Bridges a pause of the taking worker of a few milliseconds at 1 Mpps, as on virtual machines.
constexpr unsigned kRingSize = 4096;
constexpr Exchange::Purpose kPurposes[] = {Exchange::Purpose::forward, Exchange::Purpose::send};

} // namespace

void Exchange::RingDeleter::operator()(rte_ring* ring) const {
    void* packet = nullptr;
    while (rte_ring_sc_dequeue(ring, &packet) == 0)
        rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
    rte_ring_free(ring);
}

Result<std::unique_ptr<Exchange>> Exchange::create(uint16_t workers) {
    auto exchange = std::unique_ptr<Exchange>(new Exchange(workers));
    for (const Purpose purpose : kPurposes)
        for (uint16_t from = 0; from < workers; ++from)
            for (uint16_t to = 0; to < workers; ++to) {
                auto& place = exchange->rings_.emplace_back();
                if (from == to)
                    continue;
                const auto name = fmt::format("x{}-{}-{}", static_cast<int>(purpose), from, to);
                place.reset(rte_ring_create(name.c_str(), kRingSize,
                                            static_cast<int>(SOCKET_ID_ANY),
                                            RING_F_SP_ENQ | RING_F_SC_DEQ));
                if (!place)
                    return Error{ErrorCode::internal,
                                 fmt::format("no memory for ring {} of {} entries (memory_mb)",
                                             name, kRingSize)};
            }
    return exchange;
}

rte_ring* Exchange::ring(Purpose purpose, uint16_t from, uint16_t to) const noexcept {
    const std::size_t row = static_cast<std::size_t>(purpose) * workers_ + from;
    return rings_[row * workers_ + to].get();
}

uint16_t Exchange::give(Purpose purpose, uint16_t from, uint16_t to, rte_mbuf** packets,
                        uint16_t count) noexcept {
    return static_cast<uint16_t>(rte_ring_sp_enqueue_burst(
        ring(purpose, from, to), reinterpret_cast<void**>(packets), count, nullptr));
}

uint16_t Exchange::take(Purpose purpose, uint16_t from, uint16_t to, rte_mbuf** packets,
                        uint16_t count) noexcept {
    return static_cast<uint16_t>(rte_ring_sc_dequeue_burst(
        ring(purpose, from, to), reinterpret_cast<void**>(packets), count, nullptr));
}

} // namespace isthmus::dataplane
