// Traffic of simulated hosts. Ranges that depend on the generator are its own business; types and
// the limits of the fields are checked here.

#include "control/body.hpp"
#include "control/body_fields.hpp"
#include "sim/mark.hpp"

#include <array>
#include <limits>

namespace isthmus::control {
namespace {

constexpr uint64_t kMax16 = std::numeric_limits<uint16_t>::max();
constexpr uint64_t kMax32 = std::numeric_limits<uint32_t>::max();
constexpr std::size_t kMaxItems = 1024;

constexpr auto kSizeFields = std::to_array<Field<sim::SizeWeight>>({
    {"ip_bytes", Need::required,
     integer<sim::SizeWeight, &sim::SizeWeight::ip_bytes, 64, sim::kMaxIpBytes>},
    {"weight", Need::optional, integer<sim::SizeWeight, &sim::SizeWeight::weight, 1, kMax16>},
});

Result<void> read_sizes(sim::Stream& out, const JsonValue& value, const FieldPath& path) {
    return read_list(value, path, kMaxItems, [&](const JsonValue& item, const FieldPath& here) {
        return read_object<sim::SizeWeight>(out.sizes.emplace_back(), item, kSizeFields, here);
    });
}

constexpr auto kStreamFields = std::to_array<Field<sim::Stream>>({
    {"source", Need::required, parsed<sim::Stream, &sim::Stream::source, parse_ip>},
    {"destination", Need::required, parsed<sim::Stream, &sim::Stream::destination, parse_ip>},
    {"rate_bps", Need::optional, integer<sim::Stream, &sim::Stream::rate_bps, 0, 400'000'000'000>},
    {"flows", Need::optional, integer<sim::Stream, &sim::Stream::flows, 1, kMax16>},
    {"sizes", Need::required, read_sizes},
});

Result<void> read_hosts(sim::TrafficSpec& out, const JsonValue& value, const FieldPath& path) {
    return read_list(value, path, kMaxItems, [&](const JsonValue& item, const FieldPath& here) {
        const auto text = read_text(item, here, "an IPv4 or IPv6 address");
        if (!text)
            return Result<void>{text.error()};
        const auto address = parse_ip(*text, here.text());
        if (!address)
            return Result<void>{address.error()};
        out.addresses.push_back(*address);
        return Result<void>{};
    });
}

Result<void> read_streams(sim::TrafficSpec& out, const JsonValue& value, const FieldPath& path) {
    return read_list(value, path, kMaxItems, [&](const JsonValue& item, const FieldPath& here) {
        sim::Stream& stream = out.streams.emplace_back();
        if (auto read = read_object<sim::Stream>(stream, item, kStreamFields, here); !read)
            return read;
        if (stream.source.index() != stream.destination.index())
            return Result<void>{FieldPath{&here, "destination"}.error(
                to_string(stream.destination), "an address of the source's family")};
        return Result<void>{};
    });
}

constexpr auto kTrafficFields = std::to_array<Field<sim::TrafficSpec>>({
    {"tag", Need::required, integer<sim::TrafficSpec, &sim::TrafficSpec::tag, 0, kMax32>},
    {"vlan", Need::optional, integer<sim::TrafficSpec, &sim::TrafficSpec::vlan, 0, 4094>},
    {"addresses", Need::required, read_hosts},
    {"streams", Need::required, read_streams},
});

} // namespace

Result<sim::TrafficSpec> read_traffic(const JsonValue& body) {
    sim::TrafficSpec out;
    if (auto read = read_object<sim::TrafficSpec>(out, body, kTrafficFields, {}); !read)
        return read.error();
    return out;
}

} // namespace isthmus::control
