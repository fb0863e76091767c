// Checking a document without a daemon, by what a daemon would check it with.

#include "control/config.hpp"
#include "control/ctl/apply_document.hpp"
#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"
#include "control/plan.hpp"

#include <algorithm>
#include <cstdio>

namespace isthmus::ctl {
namespace {

using control::ChannelConfig;
using control::Config;

// A configuration in which everything that the document names exists, for when there is none. What
// cannot be told from the document is as permissive as it can be.
class AssumedConfig {
  public:
    static Config of(const JsonValue& document) {
        AssumedConfig made;
        made.config_.max_attachments = AttachmentId::kNone;
        for (const JsonValue& edge : elements(document, "edges"))
            made.add_edge(edge);
        return std::move(made.config_);
    }

  private:
    void add_edge(const JsonValue& edge) {
        const std::string name = cell(edge, "name");
        edge_ = EdgeId(config_.edges.size());
        config_.edges.push_back({name, name});
        for (const JsonValue& attachment : elements(edge, "attachments"))
            if (attachment.find("interconnect"))
                interconnect(cell(attachment, "interconnect"));
        const auto& all = config_.interconnects;
        if (all.empty() || all.back().edge != edge_)
            interconnect("");
        for (const JsonValue& port_table : elements(edge, "ports"))
            port(cell(port_table, "name"));
        for (const JsonValue& attachment : elements(edge, "attachments"))
            add_attachment(attachment);
        for (const JsonValue& table : elements(edge, "channels"))
            set_suite(channel(cell(table, "name"), InterconnectId(all.size() - 1)), table);
    }

    void add_attachment(const JsonValue& attachment) {
        port(cell(attachment, "port"));
        const JsonValue* named = attachment.find("interconnect");
        const InterconnectId where =
            named ? interconnect(cell(named)) : InterconnectId(config_.interconnects.size() - 1);
        const JsonValue* features = attachment.find("features");
        if (const auto* members = features ? features->as<JsonObject>() : nullptr)
            for (const auto& member : *members)
                channel(member.name, where);
    }

    template <class List> std::size_t index_of(const List& list, const std::string& name) {
        return static_cast<std::size_t>(
            std::ranges::find_if(
                list, [&](const auto& one) { return one.edge == edge_ && one.name == name; }) -
            list.begin());
    }
    InterconnectId interconnect(const std::string& name) {
        const std::size_t at = index_of(config_.interconnects, name);
        if (at == config_.interconnects.size())
            config_.interconnects.push_back({name, edge_, ""});
        return InterconnectId(at);
    }
    PortId port(const std::string& name) {
        const std::size_t at = index_of(config_.ports, name);
        if (at == config_.ports.size())
            config_.ports.push_back(
                {name, edge_, "", std::nullopt, control::kMaxPortMtu, true, 0, {}});
        return PortId(at);
    }
    ChannelConfig& channel(const std::string& name, InterconnectId where) {
        const std::size_t at = index_of(config_.channels, name);
        if (at == config_.channels.size()) {
            ChannelConfig made;
            made.name = name;
            made.edge = edge_;
            made.interconnect = where;
            made.port = port("port of channel " + name);
            config_.channels.push_back(std::move(made));
        }
        return config_.channels[at];
    }

    // The suite that the first SA fits.
    static void set_suite(ChannelConfig& channel, const JsonValue& table) {
        const JsonValue* keys = table.find("keys");
        const JsonValue* sa = nullptr;
        if (keys && !elements(*keys, "tx").empty())
            sa = &elements(*keys, "tx").front();
        const JsonValue* rx = keys ? keys->find("rx") : nullptr;
        if (const auto* scs = rx ? rx->as<JsonObject>() : nullptr; !sa && scs && !scs->empty())
            if (const auto* sas = scs->front().value.as<JsonArray>(); sas && !sas->empty())
                sa = &sas->front();
        const JsonValue* sak = sa ? sa->find("sak") : nullptr;
        const auto* text = sak ? sak->as<WipedString>() : nullptr;
        if (!text)
            return;
        const bool xpn = sa->find("salt") != nullptr;
        const bool is_short = text->size() == 32;
        using Suite = macsec::CipherSuite;
        channel.cipher_suite = is_short ? (xpn ? Suite::gcm_aes_xpn_128 : Suite::gcm_aes_128)
                                        : (xpn ? Suite::gcm_aes_xpn_256 : Suite::gcm_aes_256);
    }

    Config config_;
    EdgeId edge_;
};

struct Counts {
    std::size_t attachments = 0, routes = 0;
};

Result<Counts> check(const std::string& body, const std::string& config_file) {
    auto tree = control::parse_json(body);
    if (!tree)
        return tree.error();
    Result<Config> config =
        config_file.empty() ? AssumedConfig::of(*tree) : control::load_config(config_file);
    if (!config)
        return config.error();
    control::Model model;
    model.config = *std::move(config);
    model.channel_admin.assign(model.config.channels.size(), control::AdminState::up);
    model.port_enabled.assign(model.config.ports.size(), true);
    auto document = control::read_document(*std::move(tree), model.config);
    if (!document)
        return document.error();
    const std::vector<control::ChannelKeys> keys(model.config.channels.size());
    const auto plan = control::make_plan(model, keys, *std::move(document));
    if (!plan)
        return plan.error();
    Counts counts;
    for (const control::AttachmentStep& step : plan->attachments) {
        ++counts.attachments;
        counts.routes += step.other->routes.size();
    }
    return counts;
}

} // namespace

Outcome validate_document(Context& context, const DocumentArguments& arguments) {
    context.exit_code = 0;
    const auto document = DocumentFile::load(arguments.file);
    if (!document)
        return document.error();
    const auto counts = check(document->body(), arguments.config);
    if (!counts)
        return is_of_document(counts.error()) ? document->locate(counts.error()) : counts.error();
    std::printf("%s: good, %zu attachments, %zu routes\n", arguments.file.c_str(),
                counts->attachments, counts->routes);
    return {};
}

} // namespace isthmus::ctl
