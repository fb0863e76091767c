#include "control/event_stream.hpp"

#include <charconv>

namespace isthmus::control {
namespace {

constexpr std::size_t kPiece = std::size_t{64} << 10;

} // namespace

Result<uint64_t> parse_sequence(std::string_view text, const char* field) {
    uint64_t sequence = 0;
    const auto* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, sequence);
    if (error != std::errc{} || stop != end || sequence >> 63 != 0)
        return invalid_value(field, std::string(text.substr(0, 64)), "an event's sequence number");
    return sequence;
}

EventStream::EventStream(EventLog& log, std::optional<uint64_t> after)
    : log_(log), next_(after ? *after + 1 : log.last() + 1) {
    ++log_.watchers;
}

bool EventStream::ready(uint64_t now_ns) const {
    return ended_ || told_ns_ == 0 || next_ <= log_.last() || now_ns - told_ns_ >= kHeartbeatNs;
}

std::optional<std::string> EventStream::next(uint64_t now_ns) {
    if (ended_)
        return std::nullopt;
    std::string text;
    if (told_ns_ == 0)
        text = "retry: 1000\n: events of isthmusd\n\n"; // headers and this go out at once
    // Lost: what was overwritten, and numbers that were never given.
    if (next_ < log_.first() || next_ > log_.last() + 1) {
        JsonWriter json;
        json.begin_object()
            .member("after", next_ - 1)
            .member("first", log_.first())
            .member("last", log_.last())
            .end_object();
        text += "event: lagged\ndata: " + json.take() + "\n\n";
        ended_ = true;
    }
    for (; !ended_ && next_ <= log_.last() && text.size() < kPiece; ++next_) {
        const Event& event = log_.at(next_);
        text.append("id: ").append(std::to_string(event.sequence));
        text.append("\nevent: ").append(info_of(event.kind).name);
        text.append("\ndata: ").append(event_json(event)).append("\n\n");
    }
    if (text.empty() && now_ns - told_ns_ >= kHeartbeatNs)
        text = ": still here\n\n";
    if (!text.empty())
        told_ns_ = now_ns;
    return text;
}

} // namespace isthmus::control
