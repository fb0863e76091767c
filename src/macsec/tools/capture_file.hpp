#pragma once
// Captures of Ethernet frames, read and written with libpcap: classic files of either byte order,
// with microseconds or nanoseconds, and what else libpcap reads.

#include "isthmus/result.hpp"
#include "macsec/tools/octets.hpp"

#include <memory>
#include <optional>
#include <span>
#include <string>

struct pcap;
struct pcap_dumper;

namespace isthmus::macsec::tools {

struct CapturedFrame {
    Octets octets;
    bool cut = false; // the frame was longer than what was captured of it
    int64_t seconds = 0;
    int64_t nanoseconds = 0;
};

class CaptureReader {
  public:
    // Errors name the file.
    [[nodiscard]] static Result<CaptureReader> open(const std::string& path);
    // Nothing at the end of the file; an error if the file ends within a frame.
    [[nodiscard]] Result<std::optional<CapturedFrame>> next();

  private:
    struct Close {
        void operator()(pcap* handle) const;
    };
    std::string path_;
    std::unique_ptr<pcap, Close> handle_;
};

// Writes with nanoseconds.
class CaptureWriter {
  public:
    [[nodiscard]] static Result<CaptureWriter> create(const std::string& path);
    // With the time of `original`.
    void write(const CapturedFrame& original, std::span<const uint8_t> octets);
    // Errors of all writes so far.
    [[nodiscard]] Result<void> finish();

  private:
    struct Close {
        void operator()(pcap* handle) const;
        void operator()(pcap_dumper* dumper) const;
    };
    std::string path_;
    std::unique_ptr<pcap, Close> handle_;
    std::unique_ptr<pcap_dumper, Close> dumper_;
};

} // namespace isthmus::macsec::tools
