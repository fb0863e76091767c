#include "tests/ports/numbered.hpp"

#include "tests/ports/peer.hpp"

#include <rte_mbuf.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <unistd.h>

namespace isthmus::test {
namespace {

constexpr uint32_t kHeader = 20; // addresses, type, number, length
constexpr std::size_t kWindow = 32;
constexpr auto kPatience = std::chrono::seconds(5);

uint32_t number_of(const std::vector<uint8_t>& frame) {
    uint32_t number = 0;
    std::memcpy(&number, frame.data() + 14, sizeof number);
    return number;
}

} // namespace

std::vector<uint8_t> numbered_frame(uint32_t number, uint32_t length) {
    std::vector<uint8_t> frame(length);
    std::fill_n(frame.begin(), 6, uint8_t{0xff});
    frame[6] = 2;
    frame[12] = 0x88;
    frame[13] = 0xb5;
    std::memcpy(frame.data() + 14, &number, sizeof number);
    frame[18] = static_cast<uint8_t>(length >> 8);
    frame[19] = static_cast<uint8_t>(length);
    for (uint32_t i = kHeader; i < length; ++i)
        frame[i] = static_cast<uint8_t>(i * 7 + number);
    return frame;
}

std::vector<uint32_t> NumberedTraffic::sizes() const {
    std::vector<uint32_t> sizes{60, 61, 127, 128, 129, 512, 1024, 1400, 1514};
    std::erase_if(sizes, [&](uint32_t size) { return size >= largest_; });
    for (uint32_t size = 2048; size < largest_; size += 1000)
        sizes.push_back(size);
    sizes.push_back(largest_ - 1);
    sizes.push_back(largest_);
    return sizes;
}

bool NumberedTraffic::send(uint32_t length) {
    rte_mbuf* packet = rte_pktmbuf_alloc(port_pool());
    if (packet == nullptr)
        return false;
    const auto frame = numbered_frame(next_, length);
    std::memcpy(rte_pktmbuf_append(packet, static_cast<uint16_t>(length)), frame.data(), length);
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (port_.tx_burst(0, &packet, 1) == 0) {
        if (!port_.link_up() || std::chrono::steady_clock::now() > deadline) {
            rte_pktmbuf_free(packet);
            return false;
        }
        usleep(20);
    }
    expected_[next_++] = length;
    return true;
}

void NumberedTraffic::receive() {
    std::array<rte_mbuf*, 64> packets{};
    const uint16_t count = port_.rx_burst(0, packets.data(), packets.size());
    for (uint16_t i = 0; i < count; ++i) {
        std::vector<uint8_t> frame(packets[i]->pkt_len);
        const auto* octets = rte_pktmbuf_read(packets[i], 0, packets[i]->pkt_len, frame.data());
        if (octets != frame.data())
            std::memcpy(frame.data(), octets, frame.size());
        rte_pktmbuf_free(packets[i]);
        if (frame.size() < kHeader || frame[12] != 0x88 || frame[13] != 0xb5)
            continue; // what the kernel says by itself
        const auto number = number_of(frame);
        const auto known = expected_.find(number);
        if (known == expected_.end())
            wrong_ = fmt::format("frame {} came twice, or was never sent", number);
        else if (frame != numbered_frame(number, known->second))
            wrong_ = fmt::format("frame {} of {} octets came changed, with {}", number,
                                 known->second, frame.size());
        expected_.erase(number);
    }
    if (count == 0)
        usleep(50);
}

void NumberedTraffic::drain() {
    for (int quiet = 0; quiet < 300; ++quiet) {
        std::array<rte_mbuf*, 64> packets{};
        const uint16_t count = port_.rx_burst(0, packets.data(), packets.size());
        for (uint16_t i = 0; i < count; ++i) {
            const auto* octets = rte_pktmbuf_mtod(packets[i], const uint8_t*);
            answered_ = answered_ || (octets[12] == 0x88 && octets[13] == 0xb5);
        }
        rte_pktmbuf_free_bulk(packets.data(), count);
        quiet = count > 0 ? 0 : quiet;
        usleep(1000);
    }
}

bool NumberedTraffic::wait(std::size_t missing) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (expected_.size() > missing && std::chrono::steady_clock::now() < deadline)
        receive();
    return expected_.size() <= missing;
}

std::string NumberedTraffic::exchange(unsigned rounds) {
    for (unsigned round = 0; round < rounds; ++round)
        for (const uint32_t size : sizes()) {
            if (!send(size))
                return fmt::format("a frame of {} octets can not be sent", size);
            if (!wait(kWindow))
                break;
        }
    if (!wait(0))
        return fmt::format("{} frames are lost, the first of {} octets", expected_.size(),
                           expected_.begin()->second);
    return wrong_;
}

bool wait_for_link(dataplane::Port& port, bool up, unsigned seconds) {
    for (unsigned tenth = 0; tenth < seconds * 10; ++tenth) {
        port.tend();
        if (port.link_up() == up)
            return true;
        for (unsigned i = 0; i < 100; ++i) { // a worker polls meanwhile
            std::array<rte_mbuf*, 32> packets{};
            rte_pktmbuf_free_bulk(packets.data(), port.rx_burst(0, packets.data(), packets.size()));
            usleep(1000);
        }
    }
    return false;
}

} // namespace isthmus::test
