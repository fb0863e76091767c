// Sends the frames of a capture to a kernel interface, for ever: the feeder of scripts/bench-ports.
#include "packet_feed.hpp"

#include <cstdio>
#include <cstring>
#include <fstream>

namespace {

// Little-endian pcap: a header of 24 octets, and 16 in front of each frame.
std::vector<std::vector<uint8_t>> read_capture(const char* path) {
    std::vector<std::vector<uint8_t>> frames;
    std::ifstream file(path, std::ios::binary);
    file.ignore(24);
    for (std::array<char, 16> header{}; file.read(header.data(), header.size());) {
        uint32_t length = 0;
        std::memcpy(&length, header.data() + 8, sizeof length);
        std::vector<uint8_t> frame(length);
        file.read(reinterpret_cast<char*>(frame.data()), length);
        frames.push_back(std::move(frame));
    }
    return frames;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: feed_interface INTERFACE CAPTURE\n", stderr);
        return 2;
    }
    const std::atomic<bool> stop{false};
    isthmus::bench::offer(argv[1], read_capture(argv[2]), stop);
}
