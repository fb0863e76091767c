#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <ctime>

namespace isthmus::ctl {
namespace {

std::string time_text(const JsonValue& event) {
    const JsonValue* value = event.find("time_us");
    const auto* us = value != nullptr ? value->as<uint64_t>() : nullptr;
    if (us == nullptr)
        return "-";
    const auto seconds = static_cast<std::time_t>(*us / 1'000'000);
    std::tm local{};
    char text[32] = "";
    localtime_r(&seconds, &local);
    std::strftime(text, sizeof text, "%F %T", &local);
    return fmt::format("{}.{:03}", text, *us / 1000 % 1000);
}

void print_event(const JsonValue& event) {
    fmt::print("{} {:7} {:18} {}\n", time_text(event), cell(event, "severity"), cell(event, "kind"),
               cell(event, "message"));
}

// All that is kept, and then what happens.
Outcome follow_events(Context& context) {
    const auto kept = context.client.get("/v1/events");
    if (!kept)
        return kept.error();
    const JsonValue* first = kept->find("first");
    const auto* from = first != nullptr ? first->as<uint64_t>() : nullptr;
    if (from == nullptr)
        return Error{ErrorCode::unavailable, "the daemon's events have no numbers"};
    bool lagged = false;
    const auto done = context.client.watch(
        fmt::format("/v1/watch?since={}", *from - 1), [&](std::string_view line) {
            lagged = lagged || line == "event: lagged";
            constexpr std::string_view kData = "data: ";
            if (lagged || !line.starts_with(kData))
                return;
            line.remove_prefix(kData.size());
            if (context.json)
                fmt::print("{}\n", line);
            else if (const auto event = control::parse_json(line))
                print_event(*event);
            std::fflush(stdout);
        });
    if (!done)
        return done;
    return Error{ErrorCode::unavailable,
                 lagged ? "events were lost: they came faster than they were read"
                        : "the daemon has ended the stream"};
}

} // namespace

Outcome show_events(Context& context, bool follow) {
    if (follow)
        return follow_events(context);
    for (std::string since, more = "yes"; more == "yes";) {
        const auto reply =
            context.client.get(since.empty() ? "/v1/events" : "/v1/events?since=" + since);
        if (!reply)
            return reply.error();
        for (const auto& event : elements(*reply, "events")) {
            since = cell(event, "sequence");
            if (!context.json)
                print_event(event);
        }
        if (context.json)
            context.print_raw();
        more = cell(*reply, "more");
    }
    return {};
}

} // namespace isthmus::ctl
