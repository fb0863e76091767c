#include "macsec/tools/capture_file.hpp"

#include <pcap/pcap.h>

#include <array>
#include <cstdio>

namespace isthmus::macsec::tools {
namespace {

constexpr int kSnapLength = 262'144; // the largest that libpcap takes

} // namespace

void CaptureReader::Close::operator()(pcap* handle) const {
    pcap_close(handle);
}

Result<CaptureReader> CaptureReader::open(const std::string& path) {
    std::array<char, PCAP_ERRBUF_SIZE> message{};
    CaptureReader reader;
    reader.path_ = path;
    reader.handle_.reset(pcap_open_offline_with_tstamp_precision(
        path.c_str(), PCAP_TSTAMP_PRECISION_NANO, message.data()));
    if (!reader.handle_) {
        std::string text = message.data();
        if (!text.starts_with(path))
            text.insert(0, path + ": ");
        return Error{ErrorCode::invalid, std::move(text)};
    }
    if (pcap_datalink(reader.handle_.get()) != DLT_EN10MB)
        return Error{ErrorCode::invalid, path + ": is not a capture of Ethernet frames"};
    return reader;
}

Result<std::optional<CapturedFrame>> CaptureReader::next() {
    pcap_pkthdr* header = nullptr;
    const u_char* octets = nullptr;
    const int got = pcap_next_ex(handle_.get(), &header, &octets);
    if (got == PCAP_ERROR_BREAK)
        return std::optional<CapturedFrame>();
    if (got != 1)
        return Error{ErrorCode::invalid, path_ + ": " + pcap_geterr(handle_.get())};
    CapturedFrame frame;
    frame.octets.assign(octets, octets + header->caplen);
    frame.cut = header->caplen < header->len;
    frame.seconds = header->ts.tv_sec;
    frame.nanoseconds = header->ts.tv_usec; // by the precision asked for
    return std::optional(std::move(frame));
}

void CaptureWriter::Close::operator()(pcap* handle) const {
    pcap_close(handle);
}
void CaptureWriter::Close::operator()(pcap_dumper* dumper) const {
    pcap_dump_close(dumper);
}

Result<CaptureWriter> CaptureWriter::create(const std::string& path) {
    CaptureWriter writer;
    writer.path_ = path;
    writer.handle_.reset(
        pcap_open_dead_with_tstamp_precision(DLT_EN10MB, kSnapLength, PCAP_TSTAMP_PRECISION_NANO));
    writer.dumper_.reset(pcap_dump_open(writer.handle_.get(), path.c_str()));
    if (!writer.dumper_)
        return Error{ErrorCode::invalid, pcap_geterr(writer.handle_.get())};
    return writer;
}

void CaptureWriter::write(const CapturedFrame& original, std::span<const uint8_t> octets) {
    pcap_pkthdr header{};
    header.ts.tv_sec = original.seconds;
    header.ts.tv_usec = original.nanoseconds;
    header.caplen = header.len = static_cast<bpf_u_int32>(octets.size());
    pcap_dump(reinterpret_cast<u_char*>(dumper_.get()), &header, octets.data());
}

Result<void> CaptureWriter::finish() {
    if (pcap_dump_flush(dumper_.get()) != 0 || std::ferror(pcap_dump_file(dumper_.get())) != 0)
        return Error{ErrorCode::internal, path_ + ": can not be written"};
    return {};
}

} // namespace isthmus::macsec::tools
