#include "control/pn_store.hpp"

#include "isthmus/byte_order.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace isthmus::control {
namespace {

// Half a chunk has to last while the control thread is busy or the disk slow, and after a
// standstill at full speed from the first packet: the least one for a second or so of a worker.
constexpr uint64_t kLeastChunk = uint64_t{1} << 24;
constexpr uint64_t kLargestChunk = uint64_t{1} << 27;
constexpr uint64_t kTicksAhead = 160; // 16 s

std::string hex(uint64_t number) {
    return fmt::format("{:016x}", number);
}

std::string tail_text(const NonceSpace& space) {
    return space.xpn ? hex(space.salt_tail) : "";
}

} // namespace

NonceSpace NonceSpace::of(std::string fingerprint, macsec::Sci sci,
                          const std::optional<macsec::XpnParameters>& xpn) {
    if (!xpn)
        return {std::move(fingerprint), false, sci.value, 0};
    const macsec::IvBase base = macsec::make_iv_base(sci, xpn);
    Be32 head;
    Be64 tail;
    std::memcpy(&head, base.octets.data(), sizeof head);
    std::memcpy(&tail, base.octets.data() + sizeof head, sizeof tail);
    return {std::move(fingerprint), true, head.host(), tail.host()};
}

std::string NonceSpace::lane_text() const {
    return xpn ? fmt::format("xpn:{:08x}", lane) : fmt::format("sci:{:016x}", lane);
}

Result<std::unique_ptr<PnStore>> PnStore::open(const std::string& path) {
    auto database = Database::open(path);
    if (!database)
        return database.error();
    return std::make_unique<PnStore>(std::move(*database));
}

Result<uint64_t> PnStore::first_unused(const NonceSpace& space) {
    const auto refuse = [&](const char* field, std::string why) {
        return Error{
            ErrorCode::conflict,
            fmt::format("{}: the SAK with fingerprint {} {}", field, space.fingerprint, why), field,
            space.fingerprint, ""};
    };
    if (held_.contains(space))
        return refuse("sak", fmt::format("is installed already with the same {}",
                                         space.xpn ? "salt and SSCI" : "SCI"));
    Query find(*database_,
               "SELECT lane, salt_tail, first_unused FROM packet_numbers WHERE fingerprint = ?",
               space.fingerprint);
    const std::string lane = space.lane_text();
    uint64_t first = 1;
    while (find.next()) {
        const std::string other = find.text(0);
        if (other.starts_with("xpn:") != space.xpn)
            return refuse("sak", fmt::format("was used with a suite {} extended packet numbers",
                                             space.xpn ? "without" : "with"));
        if (other != lane)
            continue;
        if (find.text(1) != tail_text(space))
            return refuse("salt", "was used with another salt, so that nonces could repeat");
        const std::string text = find.text(2);
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), first, 16);
        if (error != std::errc{} || end != text.data() + text.size() || first == 0)
            return database_->damaged(fmt::format("a packet number '{}'", text));
    }
    if (!find.ended())
        return database_->failure("cannot be read");
    return first;
}

uint64_t PnStore::chunk(uint64_t pace) const {
    if (test_chunk_ != 0)
        return test_chunk_;
    return std::clamp(std::min(pace, kLargestChunk) * kTicksAhead, kLeastChunk, kLargestChunk);
}

Result<void> PnStore::write(std::span<const PnMark> marks) {
    return database_->transact([&]() -> Result<void> {
        for (const PnMark& mark : marks)
            if (auto set = database_->run("INSERT INTO packet_numbers VALUES (?1, ?2, ?3, ?4)"
                                          " ON CONFLICT DO UPDATE SET first_unused = ?4",
                                          mark.space.fingerprint, mark.space.lane_text(),
                                          tail_text(mark.space), hex(mark.first_unused));
                !set)
                return set;
        return {};
    });
}

Result<void> PnStore::reserve(std::span<const PnMark> marks) {
    auto written = write(marks);
    if (written)
        for (const PnMark& mark : marks)
            held_.insert(mark.space);
    return written;
}

Result<void> PnStore::release(std::span<const PnMark> marks) {
    for (const PnMark& mark : marks)
        held_.erase(mark.space);
    return write(marks);
}

} // namespace isthmus::control
