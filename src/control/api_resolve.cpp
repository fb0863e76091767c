// What stands in paths and queries.

#include "control/api_row.hpp"
#include "control/event_stream.hpp"
#include "control/usage_time.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace isthmus::control {
namespace {

Error no_such(std::string what, const std::string& value) {
    return {ErrorCode::not_found, what + " '" + value + "' does not exist", what, value};
}

template <class Id>
Result<void> found_or(const std::optional<Id>& found, Id& out, const char* what,
                      const std::string& text) {
    if (!found)
        return no_such(what, text);
    out = *found;
    return {};
}

Result<void> resolve_edge(Call& call, const std::string& text) {
    const auto& edges = call.config().edges;
    const auto found = std::ranges::find(edges, text, &EdgeConfig::name);
    if (found == edges.end())
        return no_such("edge", text);
    call.edge = EdgeId{static_cast<std::size_t>(found - edges.begin())};
    return {};
}

Result<void> resolve_port(Call& call, const std::string& text) {
    return found_or(find_port(call.config(), call.edge, text), call.port, "port", text);
}

Result<void> resolve_channel(Call& call, const std::string& text) {
    return found_or(find_channel(call.config(), call.edge, text), call.channel, "channel", text);
}

std::optional<AttachmentId> find_attachment(const Call& call, const std::string& text) {
    return call.model().index.named(call.edge, text);
}

Result<void> resolve_attachment(Call& call, const std::string& text) {
    call.name = text;
    const auto found = find_attachment(call, text);
    if (!found && call.creates)
        return {};
    return found_or(found, call.attachment, "attachment", text);
}

template <auto Member, auto Parse>
Result<void> resolve_value(Call& call, const std::string& text, const char* field) {
    const auto value = Parse(text, field);
    if (!value)
        return value.error();
    call.*Member = *value;
    return {};
}

Result<void> resolve_prefix(Call& call, const std::string& text) {
    return resolve_value<&Call::prefix, parse_prefix>(call, text, "prefix");
}

Result<void> resolve_address(Call& call, const std::string& text) {
    return resolve_value<&Call::address, parse_ip>(call, text, "address");
}

Result<void> resolve_sci(Call& call, const std::string& text) {
    return resolve_value<&Call::sci, parse_sci>(call, text, "sci");
}

Result<void> resolve_an(Call& call, const std::string& text) {
    const auto an = parse_an(text);
    if (!an)
        return an.error();
    call.an = *an;
    return {};
}

constexpr auto kPlaceholders = std::to_array<Placeholder>({
    {"EDGE", "Name", "an edge", resolve_edge},
    {"PORT", "Name", "a port of the edge", resolve_port},
    {"CHANNEL", "Name", "a channel of the edge", resolve_channel},
    {"NAME", "Name", "an attachment of the edge", resolve_attachment},
    {"PREFIX", "Prefix", "a prefix, with its slash percent-encoded", resolve_prefix},
    {"ADDRESS", "Address", "an address", resolve_address},
    {"SCI", "Sci", "a secure channel identifier", resolve_sci},
    {"AN", "AnText", "an association number", resolve_an},
});

Result<void> read_limit(Call& call, const std::string& text) {
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), call.query.limit);
    if (error != std::errc{} || end != text.data() + text.size() || call.query.limit == 0 ||
        call.query.limit > kMaxPage)
        return invalid_value("limit", text, "1.." + std::to_string(kMaxPage));
    return {};
}

Result<void> read_since(Call& call, const std::string& text) {
    const auto since = parse_sequence(text, "since");
    if (!since)
        return since.error();
    call.query.since = *since;
    return {};
}

template <auto Member>
Result<void> read_time(Call& call, const std::string& text, const char* field) {
    const auto time = parse_time(text, field);
    if (!time)
        return time.error();
    call.query.*Member = *time;
    return {};
}
Result<void> read_from(Call& call, const std::string& text) {
    return read_time<&CallQuery::from_ms>(call, text, "from");
}
Result<void> read_to(Call& call, const std::string& text) {
    return read_time<&CallQuery::to_ms>(call, text, "to");
}

template <auto Member> Result<void> read_short(Call& call, const std::string& text) {
    call.query.*Member = text;
    return {};
}

template <auto Find, auto Member, class Id>
Result<void> read_id(Call& call, const std::string& text, const char* what) {
    Id id;
    if (auto found = found_or(Find(call, text), id, what, text); !found)
        return found;
    call.query.*Member = id;
    return {};
}

std::optional<PortId> port_named(const Call& call, const std::string& text) {
    return find_port(call.config(), call.edge, text);
}
std::optional<ChannelId> channel_named(const Call& call, const std::string& text) {
    return find_channel(call.config(), call.edge, text);
}
std::optional<InterconnectId> interconnect_named(const Call& call, const std::string& text) {
    const auto& all = call.config().interconnects;
    for (std::size_t i = 0; i < all.size(); ++i)
        if (all[i].edge == call.edge && all[i].name == text)
            return InterconnectId{i};
    return std::nullopt;
}

Result<void> read_port(Call& call, const std::string& text) {
    return read_id<port_named, &CallQuery::port, PortId>(call, text, "port");
}
Result<void> read_channel(Call& call, const std::string& text) {
    return read_id<channel_named, &CallQuery::channel, ChannelId>(call, text, "channel");
}
Result<void> read_interconnect(Call& call, const std::string& text) {
    return read_id<interconnect_named, &CallQuery::interconnect, InterconnectId>(call, text,
                                                                                 "interconnect");
}
Result<void> read_attachment(Call& call, const std::string& text) {
    return read_id<find_attachment, &CallQuery::attachment, AttachmentId>(call, text, "attachment");
}

Result<void> read_prefix(std::optional<IpPrefix>& out, const std::string& text, const char* field) {
    const auto prefix = parse_prefix(text, field);
    if (!prefix)
        return prefix.error();
    out = *prefix;
    return {};
}

Result<void> read_within(Call& call, const std::string& text) {
    return read_prefix(call.query.routes.within, text, "within");
}

// An address is the longest prefix.
Result<void> read_covers(Call& call, const std::string& text) {
    if (text.find('/') == std::string::npos) {
        const auto address = parse_ip(text, "covers");
        if (!address)
            return address.error();
        if (const auto* v4 = std::get_if<Ipv4Addr>(&*address))
            call.query.routes.covers = Ipv4Prefix{*v4, 32};
        else
            call.query.routes.covers = Ipv6Prefix{std::get<Ipv6Addr>(*address), 128};
        return {};
    }
    return read_prefix(call.query.routes.covers, text, "covers");
}

Result<void> read_via(Call& call, const std::string& text) {
    call.query.routes.via = text == "channels"    ? Via::channels
                            : text == "blackhole" ? Via::blackhole
                                                  : Via::vpc;
    if (text != "channels" && text != "blackhole" && text != "vpc")
        return invalid_value("via", text, "'channels', 'vpc' or 'blackhole'");
    return {};
}

Result<void> read_truth(bool& out, const std::string& text, const char* field) {
    if (text != "true" && text != "false")
        return invalid_value(field, text, "true or false");
    out = text == "true";
    return {};
}

Result<void> read_dry_run(Call& call, const std::string& text) {
    return read_truth(call.query.dry_run, text, "dry_run");
}
Result<void> read_allow_removals(Call& call, const std::string& text) {
    return read_truth(call.query.allow_removals, text, "allow_removals");
}

constexpr auto kQueries = std::to_array<QueryName>({
    {"limit", "PageLimit", "how many at most", read_limit},
    {"after", "Cursor", "what `next` of the page before was", read_short<&CallQuery::after>},
    {"name_prefix", "Text", "names that begin so", read_short<&CallQuery::name_prefix>},
    {"port", "Name", "those on this port", read_port},
    {"interconnect", "Name", "those of this interconnect", read_interconnect},
    {"channel", "Name", "those on this channel", read_channel},
    {"attachment", "Name", "those of this attachment", read_attachment},
    {"within", "Prefix", "routes to this prefix and to parts of it", read_within},
    {"covers", "AddressOrPrefix", "routes whose prefix has all of this in it", read_covers},
    {"since", "Sequence", "what is behind the event with this sequence number", read_since},
    {"from", "Time", "records of intervals that begin then or later", read_from},
    {"to", "Time", "records of intervals that begin before", read_to},
    {"name", "Name", "those of the attachments that have, or had, this name",
     read_short<&CallQuery::name>},
    {"via", "Via", "routes of this kind", read_via},
    {"dry_run", "Truth", "only tells what would change", read_dry_run},
    {"allow_removals", "Truth", "attachments and receive SCs may be removed", read_allow_removals},
    {"expect", "Text", "fingerprint of the only plan to be applied",
     read_short<&CallQuery::expect>},
});

} // namespace

const Placeholder* placeholder_of(std::string_view segment) {
    const auto found = std::ranges::find(kPlaceholders, segment, &Placeholder::segment);
    return found == kPlaceholders.end() ? nullptr : &*found;
}

const QueryName* query_of(std::string_view name) {
    const auto found = std::ranges::find(kQueries, name, &QueryName::name);
    return found == kQueries.end() ? nullptr : &*found;
}

bool has_name(std::string_view names, std::string_view name) {
    while (!names.empty()) {
        const auto end = std::min(names.find(' '), names.size());
        if (names.substr(0, end) == name)
            return true;
        names.remove_prefix(std::min(end + 1, names.size()));
    }
    return false;
}

Result<void> resolve_path(Call& call, const Row& row, const std::vector<std::string>& path) {
    // Only the last name of a path can be that of something new.
    call.creates = row.creates && row.path.ends_with("/NAME");
    Result<void> result;
    each_segment(row.path, [&](std::string_view segment, std::size_t i) {
        if (const auto* placeholder = placeholder_of(segment))
            result = placeholder->resolve(call, path[i]);
        return result.has_value();
    });
    return result;
}

Result<void> read_query(Call& call, const Row& row) {
    const auto& query = call.request.query;
    for (std::size_t i = 0; i < query.size(); ++i) {
        const auto& [name, value] = query[i];
        const bool again =
            std::any_of(query.begin(), query.begin() + static_cast<long>(i),
                        [&query, i](const auto& other) { return other.first == query[i].first; });
        if (again || !has_name(row.query, name))
            return invalid_value("query", name.substr(0, 64),
                                 row.query.empty() ? "no query"
                                                   : std::string(row.query) + ", each once");
        if (value.size() > kMaxQueryValue)
            return invalid_value(name, "a longer text",
                                 "at most " + std::to_string(kMaxQueryValue) + " octets");
        if (auto read = query_of(name)->read(call, value); !read)
            return read;
    }
    return {};
}

} // namespace isthmus::control
