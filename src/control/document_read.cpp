#include "control/body_fields.hpp"
#include "control/document.hpp"
#include "control/document_value.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>

namespace isthmus::control {
namespace {

constexpr std::size_t kMaxAttachments = AttachmentId::kNone;
constexpr std::size_t kMaxRxScs = 1024; // of a channel
constexpr std::size_t kMaxNeighbours = 65'536;

// What rows of one edge need beside the value.
struct Scope {
    const Config* config = nullptr;
    EdgeId edge;
    std::map<const JsonValue*, JsonValue>* neighbours = nullptr;
};

template <class T> struct Draft : Scope { T out; };

Result<std::string> read_name(const JsonValue& value, const FieldPath& path) {
    const auto text = read_text(value, path, "a name");
    if (!text)
        return text.error();
    return std::string(*text);
}

// A list of things with names, each once.
template <class T, class Read>
Result<std::vector<T>> read_named(const JsonValue& value, const FieldPath& path, std::size_t max,
                                  const Read& read) {
    std::vector<T> all;
    std::set<std::string, std::less<>> seen;
    auto done = read_list(value, path, max, [&](const JsonValue& item, const FieldPath& here) {
        auto one = read(item, here);
        if (!one)
            return Result<void>{one.error()};
        const JsonValue* name = item.find("name");
        if (name && !seen.insert(name->text()).second)
            return Result<void>{FieldPath{&here, "name"}.error(name->text(), "each name once")};
        all.push_back(*std::move(one));
        return Result<void>{};
    });
    if (!done)
        return done.error();
    return all;
}

// The body of a request with one field, for its reader.
JsonValue body_of(std::string name, const JsonValue& value) {
    JsonValue body{JsonObject{}};
    std::get<JsonObject>(body.data).push_back({std::move(name), value});
    return body;
}

// Ports

using PortDraft = Draft<DocumentPort>;

Result<void> read_port_name(PortDraft& draft, const JsonValue& value, const FieldPath& path) {
    const auto name = read_name(value, path);
    if (!name)
        return name.error();
    const auto port = find_port(*draft.config, draft.edge, *name);
    if (!port)
        return path.error(*name, "the name of a port of this edge");
    draft.out.port = *port;
    return {};
}

Result<void> read_port_state(PortDraft& draft, const JsonValue& value, const FieldPath& path) {
    const auto up = read_port_admin(body_of("admin_state", value));
    if (!up)
        return inside(path.parent->text(), up.error());
    draft.out.enabled = *up;
    return {};
}

constexpr auto kDocumentPort = std::to_array<Field<PortDraft>>({
    {"name", Need::required, read_port_name},
    {"admin_state", Need::optional, read_port_state},
});

// Channels and their keys

using ChannelDraft = Draft<DocumentChannel>;

Result<void> read_channel_name(ChannelDraft& draft, const JsonValue& value, const FieldPath& path) {
    const auto name = read_name(value, path);
    if (!name)
        return name.error();
    const auto channel = find_channel(*draft.config, draft.edge, *name);
    if (!channel)
        return path.error(*name, "the name of a channel of this edge");
    draft.out.channel = *channel;
    return {};
}

Result<void> read_channel_state(ChannelDraft& draft, const JsonValue& value,
                                const FieldPath& path) {
    const auto state = read_channel_admin(body_of("admin_state", value));
    if (!state)
        return inside(path.parent->text(), state.error());
    draft.out.admin = *state;
    return {};
}

Result<void> read_rx_scs(ChannelDraft& draft, const JsonValue& value, const FieldPath& path) {
    auto& scs = draft.out.rx_scs.emplace();
    return read_list(value, path, kMaxRxScs, [&](const JsonValue& item, const FieldPath& here) {
        const auto text = read_text(item, here, "16 hexadecimal digits");
        const auto sci = text ? parse_sci(*text, here.text()) : Result<macsec::Sci>(text.error());
        if (!sci)
            return Result<void>{sci.error()};
        if (std::ranges::find(scs, *sci) != scs.end())
            return Result<void>{here.error(item.text(), "each SCI once")};
        scs.push_back(*sci);
        return Result<void>{};
    });
}

Result<void> read_sas(ChannelDraft& draft, std::optional<macsec::Sci> sci, const JsonValue& value,
                      const FieldPath& path) {
    const auto suite = draft.config->channels[draft.out.channel.value].cipher_suite;
    std::set<uint8_t> seen;
    return read_list(value, path, macsec::kAssociationNumbers,
                     [&](const JsonValue& item, const FieldPath& here) {
                         auto sa = sci ? read_rx_sa(item, suite) : read_tx_sa(item, suite);
                         if (!sa)
                             return Result<void>{inside(here.text(), sa.error())};
                         if (!seen.insert(sa->an).second)
                             return Result<void>{FieldPath{&here, "an"}.error(
                                 std::to_string(sa->an), "each number once")};
                         draft.out.keys.push_back({sci, *std::move(sa), here.text()});
                         return Result<void>{};
                     });
}

Result<void> read_tx_keys(ChannelDraft& draft, const JsonValue& value, const FieldPath& path) {
    return read_sas(draft, std::nullopt, value, path);
}

Result<void> read_rx_keys(ChannelDraft& draft, const JsonValue& value, const FieldPath& path) {
    const auto* members = value.as<JsonObject>();
    if (!members)
        return path.error(value.text(), "an object by SCI");
    std::set<macsec::Sci> seen;
    for (const auto& [name, sas] : *members) {
        const FieldPath here{&path, name};
        const auto sci = parse_sci(name, here.text());
        if (!sci)
            return sci.error();
        if (!seen.insert(*sci).second)
            return here.error(name, "each SCI once");
        if (auto read = read_sas(draft, *sci, sas, here); !read)
            return read;
    }
    return {};
}

constexpr auto kKeyFields = std::to_array<Field<ChannelDraft>>({
    {"tx", Need::optional, read_tx_keys},
    {"rx", Need::optional, read_rx_keys},
});

Result<void> read_keys(ChannelDraft& draft, const JsonValue& value, const FieldPath& path) {
    return read_object<ChannelDraft>(draft, value, kKeyFields, path);
}

// `name` stands first: keys depend on the channel's cipher suite.
constexpr auto kDocumentChannel = std::to_array<Field<ChannelDraft>>({
    {"name", Need::required, read_channel_name},
    {"admin_state", Need::optional, read_channel_state},
    {"rx_scs", Need::optional, read_rx_scs},
    {"keys", Need::optional, read_keys},
});

// Attachments

struct NeighbourRow {
    std::optional<IpAddr> address;
    JsonValue rest{JsonObject{}}; // as the body of PUT has it
};

Result<void> read_address(NeighbourRow& draft, const JsonValue& value, const FieldPath& path) {
    return parsed<NeighbourRow, &NeighbourRow::address, parse_ip>(draft, value, path);
}

Result<void> keep_field(NeighbourRow& draft, const JsonValue& value, const FieldPath& path) {
    std::get<JsonObject>(draft.rest.data).push_back({std::string(path.name), value});
    return {};
}

constexpr auto kDocumentNeighbour = std::to_array<Field<NeighbourRow>>({
    {"address", Need::required, read_address},
    {"mac", Need::required, keep_field},
    {"channel", Need::optional, keep_field},
});

Result<void> read_neighbours(const Scope& scope, Attachment& spec, const JsonValue& value,
                             const FieldPath& path) {
    return read_list(
        value, path, kMaxNeighbours, [&](const JsonValue& item, const FieldPath& here) {
            NeighbourRow draft;
            if (auto read = read_object<NeighbourRow>(draft, item, kDocumentNeighbour, here); !read)
                return read;
            const auto body = read_neighbour(draft.rest, *scope.config, scope.edge);
            if (!body)
                return Result<void>{inside(here.text(), body.error())};
            if (!spec.static_neighbours.emplace(std::pair{body->channel, *draft.address}, body->mac)
                     .second)
                return Result<void>{FieldPath{&here, "address"}.error(
                    to_string(*draft.address), "each neighbour of a link once")};
            return Result<void>{};
        });
}

Result<DocumentAttachment> read_one_attachment(const Scope& scope, const JsonValue& value,
                                               const FieldPath& path) {
    auto spec = read_attachment(value, *scope.config, scope.edge);
    if (!spec)
        return inside(path.text(), spec.error());
    DocumentAttachment out;
    out.spec = *std::move(spec);
    out.place = path.text();
    out.features = value.find("features") != nullptr;
    out.limits = value.find("limits") != nullptr;
    out.routes = value.find("routes") != nullptr;
    const auto neighbours = scope.neighbours->find(&value);
    out.neighbours = neighbours != scope.neighbours->end();
    if (out.neighbours)
        if (auto read = read_neighbours(scope, out.spec, neighbours->second,
                                        FieldPath{&path, "neighbours"});
            !read)
            return read.error();
    return out;
}

// Edges

using EdgeDraft = Draft<DocumentEdge>;

Result<void> read_edge_name(EdgeDraft& draft, const JsonValue& value, const FieldPath& path) {
    const auto name = read_name(value, path);
    if (!name)
        return name.error();
    const auto& edges = draft.config->edges;
    const auto found = std::ranges::find(edges, *name, &EdgeConfig::name);
    if (found == edges.end())
        return path.error(*name, "the name of an edge of this daemon");
    draft.edge = draft.out.edge = EdgeId{static_cast<std::size_t>(found - edges.begin())};
    return {};
}

// A list whose elements have fields of their own.
template <class Parent, auto Member, class Element, const auto& Fields>
Result<void> read_elements(Draft<Parent>& draft, const JsonValue& value, const FieldPath& path) {
    auto read = read_named<Element>(
        value, path, kMaxAttachments, [&](const JsonValue& item, const FieldPath& here) {
            Draft<Element> one;
            static_cast<Scope&>(one) = draft;
            if constexpr (requires { one.out.place; })
                one.out.place = here.text();
            if (auto done = read_object<Draft<Element>>(one, item, Fields, here); !done)
                return Result<Element>(done.error());
            return Result<Element>(std::move(one.out));
        });
    if (!read)
        return read.error();
    draft.out.*Member = *std::move(read);
    return {};
}

Result<void> read_attachments(EdgeDraft& draft, const JsonValue& value, const FieldPath& path) {
    auto read = read_named<DocumentAttachment>(value, path, kMaxAttachments,
                                               [&](const JsonValue& item, const FieldPath& here) {
                                                   return read_one_attachment(draft, item, here);
                                               });
    if (!read)
        return read.error();
    draft.out.attachments = *std::move(read);
    return {};
}

constexpr auto kEdgeFields = std::to_array<Field<EdgeDraft>>({
    {"name", Need::required, read_edge_name},
    {"ports", Need::optional,
     read_elements<DocumentEdge, &DocumentEdge::ports, DocumentPort, kDocumentPort>},
    {"channels", Need::optional,
     read_elements<DocumentEdge, &DocumentEdge::channels, DocumentChannel, kDocumentChannel>},
    {"attachments", Need::optional, read_attachments},
});

using RootDraft = Draft<Document>;

constexpr auto kRootFields = std::to_array<Field<RootDraft>>({
    {"edges", Need::required, read_elements<Document, &Document::edges, DocumentEdge, kEdgeFields>},
});

// The elements of a member that is a list; nothing if it is none, which its reader tells.
std::span<JsonValue> list_of(JsonValue& value, std::string_view member) {
    auto* members = std::get_if<JsonObject>(&value.data);
    if (!members)
        return {};
    for (auto& [name, inner] : *members)
        if (name == member)
            if (auto* list = std::get_if<JsonArray>(&inner.data))
                return *list;
    return {};
}

// Static neighbours are no part of the body of an attachment, whose reader reads the rest: they
// are taken out, for routes are too many to be copied.
std::map<const JsonValue*, JsonValue> take_neighbours(JsonValue& body) {
    std::map<const JsonValue*, JsonValue> taken;
    for (JsonValue& edge : list_of(body, "edges"))
        for (JsonValue& attachment : list_of(edge, "attachments"))
            if (auto* members = std::get_if<JsonObject>(&attachment.data)) {
                const auto found = std::ranges::find(*members, "neighbours", &JsonMember::name);
                if (found == members->end())
                    continue;
                taken.emplace(&attachment, std::move(found->value));
                members->erase(found);
            }
    return taken;
}

} // namespace

Result<Document> read_document(JsonValue body, const Config& config) {
    auto neighbours = take_neighbours(body);
    RootDraft draft;
    draft.config = &config;
    draft.neighbours = &neighbours;
    if (auto read = read_object<RootDraft>(draft, body, kRootFields, {}); !read)
        return read.error();
    return std::move(draft.out);
}

} // namespace isthmus::control
