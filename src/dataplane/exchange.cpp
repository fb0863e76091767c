#include "dataplane/exchange.hpp"

#include <rte_mbuf.h>
#include <rte_ring.h>

#include <fmt/format.h>

namespace isthmus::dataplane {

void Exchange::RingDeleter::operator()(rte_ring* ring) const {
    void* packet = nullptr;
    while (rte_ring_sc_dequeue(ring, &packet) == 0)
        rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
    rte_ring_free(ring);
}

Exchange::Exchange(uint16_t workers)
    : workers_(workers), rings_(std::size_t{2} * workers * workers),
      sources_(std::size_t{2} * workers) {}

Result<std::unique_ptr<Exchange>> Exchange::create(std::span<const HandOff> pairs, uint16_t workers,
                                                   std::vector<Doorbell*> bells) {
    auto exchange = std::unique_ptr<Exchange>(new Exchange(workers));
    exchange->bells_ = std::move(bells);
    for (const HandOff& pair : pairs) {
        const auto name =
            fmt::format("x{}-{}-{}", static_cast<int>(pair.purpose), pair.from, pair.to);
        auto& ring = exchange->rings_[exchange->place(pair.purpose, pair.from, pair.to)];
        ring.reset(rte_ring_create(name.c_str(), kRingSize, static_cast<int>(SOCKET_ID_ANY),
                                   RING_F_SP_ENQ | RING_F_SC_DEQ));
        if (!ring)
            return Error{
                ErrorCode::internal,
                fmt::format("no memory for ring {} of {} entries (memory_mb)", name, kRingSize)};
        exchange->sources_[static_cast<std::size_t>(pair.purpose) * workers + pair.to].push_back(
            pair.from);
    }
    return exchange;
}

std::size_t Exchange::place(Purpose purpose, uint16_t from, uint16_t to) const noexcept {
    const std::size_t row = static_cast<std::size_t>(purpose) * workers_ + from;
    return row * workers_ + to;
}

uint16_t Exchange::give(Purpose purpose, uint16_t from, uint16_t to, rte_mbuf** packets,
                        uint16_t count) noexcept {
    rte_ring* ring = rings_[place(purpose, from, to)].get();
    if (ring == nullptr)
        return 0;
    const unsigned given =
        rte_ring_sp_enqueue_burst(ring, reinterpret_cast<void**>(packets), count, nullptr);
    if (!bells_.empty())
        bells_[to]->ring();
    return static_cast<uint16_t>(given);
}

uint16_t Exchange::take(Purpose purpose, uint16_t from, uint16_t to, rte_mbuf** packets,
                        uint16_t count) noexcept {
    return static_cast<uint16_t>(rte_ring_sc_dequeue_burst(
        rings_[place(purpose, from, to)].get(), reinterpret_cast<void**>(packets), count, nullptr));
}

} // namespace isthmus::dataplane
