#pragma once
// Numbered frames out of a port, and back from whoever reflects them: what comes back must be what
// was sent, each once.

#include "dataplane/port.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace isthmus::test {

[[nodiscard]] std::vector<uint8_t> numbered_frame(uint32_t number, uint32_t length);

class NumberedTraffic {
  public:
    // Frames of 60 octets to `largest`, without frame check sequence.
    NumberedTraffic(dataplane::Port& port, uint32_t largest) : port_(port), largest_(largest) {}

    // Sends `rounds` times a frame of each size and waits for them to come back. Empty, or what is
    // wrong.
    [[nodiscard]] std::string exchange(unsigned rounds);
    // The two halves of it, for devices that do not reflect. send() gives up after a while, or at
    // once when the link is known to be down.
    [[nodiscard]] bool send(uint32_t length);
    void receive();
    [[nodiscard]] std::string wrong() const { return wrong_; }
    [[nodiscard]] std::size_t missing() const { return expected_.size(); }
    [[nodiscard]] bool answered() const { return answered_; }
    void forget() { expected_.clear(); }
    // Throws away what comes, until nothing does for a while.
    void drain();

    [[nodiscard]] std::vector<uint32_t> sizes() const;

  private:
    [[nodiscard]] bool wait(std::size_t missing);

    dataplane::Port& port_;
    uint32_t largest_;
    uint32_t next_ = 1;
    std::map<uint32_t, uint32_t> expected_; // length by number
    std::string wrong_;
    bool answered_ = false; // drain() has seen a frame of ours
};

// Tends the port as the control thread does.
[[nodiscard]] bool wait_for_link(dataplane::Port& port, bool up, unsigned seconds = 15);

} // namespace isthmus::test
