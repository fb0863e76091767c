#pragma once
// An end of a simulated link whose workers may rest: what is sent into it rings the worker that
// polls the other end.

#include "dataplane/doorbell.hpp"
#include "dataplane/port.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace isthmus::sim {

// Of the receive queues of one end.
using WireBells = std::vector<std::unique_ptr<dataplane::Doorbell>>;

[[nodiscard]] inline std::shared_ptr<WireBells> make_wire_bells(uint16_t queues) {
    auto bells = std::make_shared<WireBells>();
    for (uint16_t queue = 0; queue < queues; ++queue)
        bells->push_back(std::make_unique<dataplane::Doorbell>());
    return bells;
}

class WirePort final : public dataplane::Port {
  public:
    // `end`: the device; `own` bells of its receive queues, `far` those of the other end.
    WirePort(std::unique_ptr<dataplane::Port> end, std::shared_ptr<WireBells> own,
             std::shared_ptr<WireBells> far)
        : end_(std::move(end)), own_(std::move(own)), far_(std::move(far)) {}

    [[nodiscard]] uint16_t rx_burst(uint16_t queue, rte_mbuf** packets,
                                    uint16_t count) noexcept override {
        return end_->rx_burst(queue, packets, count);
    }
    [[nodiscard]] uint16_t tx_burst(uint16_t queue, rte_mbuf** packets,
                                    uint16_t count) noexcept override {
        const uint16_t sent = end_->tx_burst(queue, packets, count);
        (*far_)[queue]->ring();
        return sent;
    }
    [[nodiscard]] int wait_fd(uint16_t queue) const noexcept override {
        return (*own_)[queue]->fd();
    }
    [[nodiscard]] bool arm(uint16_t queue) noexcept override { return (*own_)[queue]->arm(); }
    void disarm(uint16_t queue) noexcept override { (*own_)[queue]->disarm(); }

    [[nodiscard]] uint16_t rx_queues() const override { return end_->rx_queues(); }
    [[nodiscard]] uint16_t tx_queues() const override { return end_->tx_queues(); }
    [[nodiscard]] std::string_view driver() const override { return end_->driver(); }
    [[nodiscard]] MacAddr mac() const override { return end_->mac(); }
    [[nodiscard]] bool link_up() const override { return end_->link_up(); }
    [[nodiscard]] dataplane::DeviceLosses losses() const override { return end_->losses(); }
    [[nodiscard]] std::vector<dataplane::DeviceStatistic> statistics() const override {
        return end_->statistics();
    }
    void stop() override { end_->stop(); }

  private:
    std::unique_ptr<dataplane::Port> end_;
    std::shared_ptr<WireBells> own_, far_;
};

} // namespace isthmus::sim
