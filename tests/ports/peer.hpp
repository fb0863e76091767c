#pragma once
// The other side of a port: a second process of this program that opens a device through the same
// code and sends back every frame that comes. Or a kernel interface, answered by a thread.

#include "dataplane/ethdev_port.hpp"
#include "isthmus/result.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <sys/types.h>
#include <thread>

struct rte_mempool;

namespace isthmus::test {

// `program --peer DEVICE L2_PAYLOAD`: runs until it is killed or its parent ends.
int run_peer(const std::string& device, uint32_t l2_payload);
// The name of this program, for Peer; set by main().
extern std::string this_program;

// EAL without hugepages, and buffers that another process may look into.
void start_port_eal();
rte_mempool* port_pool();
rte_mempool* small_pool(); // for an MTU of 1500

Result<std::unique_ptr<dataplane::Port>> open_port(const std::string& device, uint32_t l2_payload,
                                                   rte_mempool* pool = port_pool());

class Peer {
  public:
    Peer(const std::string& device, uint32_t l2_payload)
        : Peer("--peer", device, std::to_string(l2_payload)) {}
    // This program with other arguments.
    explicit Peer(const std::string& role, const std::string& device,
                  const std::string& argument = "");
    ~Peer() { kill_now(); }
    Peer(const Peer&) = delete;
    Peer& operator=(const Peer&) = delete;
    void kill_now(); // SIGKILL: without a word to whom it is connected
    [[nodiscard]] bool ended() const;

  private:
    pid_t pid_ = -1;
};

// Sends frames of EtherType 88b5 back out of the interface that they came in by.
class KernelPeer {
  public:
    explicit KernelPeer(const std::string& interface);
    ~KernelPeer();
    KernelPeer(const KernelPeer&) = delete;
    KernelPeer& operator=(const KernelPeer&) = delete;

  private:
    void run();

    int fd_ = -1;
    std::atomic<bool> stop_ = false;
    std::thread thread_;
};

} // namespace isthmus::test
