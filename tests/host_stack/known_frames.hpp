#pragma once
// The frames of frames.vec by name.

#include <cstdint>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>

namespace isthmus::control {

inline std::map<std::string, std::vector<uint8_t>> load_known_frames(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line); // the source of the vectors
    std::map<std::string, std::vector<uint8_t>> frames;
    std::string name;
    std::string hex;
    while (file >> name >> hex) {
        auto& octets = frames[name];
        for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
            octets.push_back(static_cast<uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    }
    if (frames.empty())
        throw std::runtime_error("no frames in " + path);
    return frames;
}

// Fails loudly for a name that is not there.
inline const std::vector<uint8_t>& known_frame(const std::string& name) {
    static const auto frames = load_known_frames(ISTHMUS_HOST_FRAMES);
    return frames.at(name);
}

inline const std::map<std::string, std::vector<uint8_t>>& known_frames() {
    static const auto frames = load_known_frames(ISTHMUS_HOST_FRAMES);
    return frames;
}

} // namespace isthmus::control
