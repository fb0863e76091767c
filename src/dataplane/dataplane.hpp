#pragma once
// The data path as the control thread sees it: ports and workers, publishing of forwarding states,
// the rings of punted and originated packets, counters. Control thread only, unless said otherwise.

#include "control/config.hpp"
#include "control/host_stack.hpp"
#include "dataplane/counters.hpp"
#include "dataplane/forwarding_state.hpp"
#include "dataplane/port.hpp"
#include "isthmus/result.hpp"
#include "macsec/aead.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

struct rte_mempool;

namespace isthmus::dataplane {

struct DataplaneSetup {
    const control::Config* config = nullptr;  // used during creation only
    std::vector<std::unique_ptr<Port>> ports; // by PortId
    std::unique_ptr<macsec::Aead> aead;
    std::vector<rte_mempool*> pools; // by PortId: where frames to be injected are made
    // False: no threads are started; the caller's thread drives the workers with poll_workers(),
    // and so does waiting for a publication. For tests.
    bool own_threads = true;
};

class Dataplane {
  public:
    static constexpr uint32_t kControlRingSize = 1024; // of each worker, in each direction

    [[nodiscard]] static Result<std::unique_ptr<Dataplane>> create(DataplaneSetup setup);
    ~Dataplane(); // stops workers and ports, frees states

    void start();
    // Workers finish their round and end; ports stop. Counters stay readable.
    void stop();
    [[nodiscard]] uint16_t worker_count() const;
    uint32_t poll_workers();
    uint32_t poll_worker(WorkerId worker); // one round of one

    // What a state refers to without holding it.
    using Parts = std::vector<std::shared_ptr<const void>>;

    // Makes `state` what workers forward by. The old one, and the `replaced` parts of it that the
    // new one has no use for, are freed by reclaim() once no worker can hold them. Returns a token
    // for `seen`.
    uint64_t publish(std::unique_ptr<const ForwardingState> state, Parts replaced = {});
    // Keeps parts of the current state to the end of the data path.
    void keep(Parts parts);
    // A token for `seen` that follows all changes of FIBs so far.
    [[nodiscard]] uint64_t grace_period();
    // Whether every worker has finished a round since the token was given out.
    [[nodiscard]] bool seen(uint64_t token);
    // Waits for that, at most timeout_ns; a worker's round takes microseconds.
    [[nodiscard]] bool wait_seen(uint64_t token, uint64_t timeout_ns);
    // Frees what no worker can hold any more: states, and the FIB nodes that route changes have
    // replaced (of the process's arena, so that there is one data path to a process). Cheap enough
    // to be called after every change; without changes, call it every few milliseconds.
    void reclaim();

    // Calls `handler` for at most `limit` punted packets; the frame is valid during the call.
    unsigned receive_punts(const std::function<void(const control::Punt&)>& handler,
                           unsigned limit);
    // Queues a complete frame (but for MACsec) to be sent by a worker. False: no room.
    [[nodiscard]] bool inject(PortId port, std::span<const uint8_t> frame);

    [[nodiscard]] Port& port(PortId id);
    [[nodiscard]] const macsec::Aead& aead() const;
    [[nodiscard]] const WorkerCounters& counters(WorkerId worker) const;
    // Of all packet pools.
    [[nodiscard]] uint32_t buffers() const;
    [[nodiscard]] uint32_t free_buffers() const;
    [[nodiscard]] uint64_t tsc_hz() const;

  private:
    struct State;
    explicit Dataplane(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace isthmus::dataplane
