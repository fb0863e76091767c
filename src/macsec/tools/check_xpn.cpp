#include "macsec/replay.hpp"
#include "macsec/tools/vector_checks.hpp"
#include "macsec/xpn.hpp"

#include <algorithm>

namespace isthmus::macsec::tools {

std::string differs(const std::string& what, const std::string& got, const std::string& wanted) {
    return got == wanted ? std::string() : what + " is " + got + ", expected " + wanted;
}

std::string check_pn_recovery(Record& entry) {
    const uint64_t lowest_pn = entry.integer("lowest_pn");
    const auto received = static_cast<uint32_t>(entry.integer("rx_pn_field", UINT32_MAX));
    const uint64_t wanted = entry.integer("recovered_pn");
    if (!entry.problem().empty())
        return entry.problem();
    return differs("recovered PN", std::to_string(recover_pn(lowest_pn, received)),
                   std::to_string(wanted));
}

std::string check_salt(Record& entry) {
    const Octets octets = entry.octets("ks_mi");
    const auto key_number = static_cast<uint32_t>(entry.integer("kn", UINT32_MAX));
    const std::string wanted = entry.text("salt");
    MemberIdentifier key_server{};
    if (octets.size() != key_server.size())
        entry.refuse("ks_mi", std::to_string(octets.size()) + " octets, expected 12");
    if (!entry.problem().empty())
        return entry.problem();
    std::ranges::copy(octets, key_server.begin());
    return differs("salt", to_hex(make_salt(key_server, key_number)), wanted);
}

std::string check_ssci(Record& entry) {
    const auto* texts = entry.has("scis") ? entry.find("scis")->as<control::JsonArray>() : nullptr;
    const auto* wanted =
        entry.has("ssci") ? entry.find("ssci")->as<control::JsonObject>() : nullptr;
    if (texts == nullptr || wanted == nullptr)
        return "scis or ssci: is missing or malformed";
    std::vector<Sci> members;
    for (const control::JsonValue& value : *texts) {
        const auto* text = value.as<control::WipedString>();
        const auto sci = text != nullptr ? number_from_hex(*text) : std::nullopt;
        if (!sci)
            return "scis: " + value.text() + " is not an SCI";
        members.push_back({*sci});
    }
    if (wanted->size() != members.size())
        return "ssci: has another number of SCIs than scis";
    for (const auto& [text, value] : *wanted) {
        const auto sci = number_from_hex(text);
        const auto* ssci = value.as<uint64_t>();
        if (!sci || ssci == nullptr)
            return "ssci: " + text + " is malformed";
        const std::string got = std::to_string(ssci_of({*sci}, members));
        if (auto wrong = differs("SSCI of " + text, got, std::to_string(*ssci)); !wrong.empty())
            return wrong;
    }
    return {};
}

} // namespace isthmus::macsec::tools
