#include "macsec/tools/capture_secy.hpp"

#include "macsec/tools/record.hpp"

#include <algorithm>

namespace isthmus::macsec::tools {
namespace {

using wire::kMacPairLength;
using wire::kVlanTagLength;

constexpr uint64_t kSciMacMask = ~uint64_t{0xffff};

uint64_t source_of(std::span<const uint8_t> frame) {
    return Sci::from(wire::overlay<wire::Ethernet>(frame.data())->source, 0).value;
}

} // namespace

std::string_view name(CaptureVerdict verdict) {
    switch (verdict) {
    case CaptureVerdict::ok:
        return "ok";
    case CaptureVerdict::not_macsec:
        return "not MACsec";
    case CaptureVerdict::bad_tag:
        return "bad tag";
    case CaptureVerdict::not_controlled:
        return "not controlled";
    case CaptureVerdict::no_sa:
        return "no SA";
    case CaptureVerdict::not_valid:
        break;
    }
    return "not valid";
}

Result<CaptureSecy> CaptureSecy::load(const Aead& aead, const std::string& path) {
    const auto root = read_json_file(path);
    if (!root)
        return root.error();
    Record file(*root);
    const auto* list = file.has("sas") ? file.find("sas")->as<control::JsonArray>() : nullptr;
    if (list == nullptr || list->empty())
        return Error{ErrorCode::invalid, path + ": sas: is not a list of SAs"};
    const auto offset = static_cast<uint8_t>(file.integer_or("conf_offset", 0, UINT8_MAX));
    CaptureSecy secy;
    for (const control::JsonValue& object : *list) {
        Record entry(object);
        const std::string where = path + ": sas[" + std::to_string(secy.sas_.size()) + "]: ";
        Sa sa;
        sa.parameters.sak = entry.octets("key");
        sa.parameters.xpn = read_xpn(entry);
        sa.parameters.suite = suite_of(entry, sa.parameters.sak, sa.parameters.xpn.has_value());
        sa.parameters.an = static_cast<uint8_t>(entry.integer("an", kAssociationNumbers - 1));
        sa.parameters.sci.value = entry.integer("sci");
        sa.confidentiality_offset =
            static_cast<uint8_t>(entry.integer_or("conf_offset", offset, UINT8_MAX));
        const uint64_t high_pn = entry.integer_or("high_pn", 0, UINT32_MAX);
        if (!file.problem().empty() || !entry.problem().empty())
            return Error{ErrorCode::invalid, where + file.problem() + entry.problem()};
        if (auto added = secy.add(aead, std::move(sa), std::max<uint64_t>(1, high_pn << 32));
            !added)
            return Error{ErrorCode::invalid, where + added.error().message};
    }
    return secy;
}

Result<void> CaptureSecy::add(const Aead& aead, Sa sa, uint64_t lowest_pn) {
    sa.receiver = std::make_unique<Receiver>(aead);
    RxBinding& binding = sa.receiver->binding;
    binding.xpn = is_xpn(sa.parameters.suite);
    binding.confidentiality_offset = sa.confidentiality_offset;
    binding.vlan_in_clear = kClearTagsMax;
    // A capture may hold a frame twice or out of order: whether it was late is not the question.
    binding.replay_protect = false;
    binding.replay_window = max_replay_window(sa.parameters.suite);
    if (auto made = sa.receiver->add_sa(sa.parameters, lowest_pn); !made)
        return made.error();
    sa.sender = std::make_unique<Sender>(aead);
    if (auto made = sa.sender->set_sa(
            sa.parameters, std::make_shared<PacketNumbers>(PacketNumbers::Owner::per_worker, 1, 1));
        !made)
        return made.error();
    sas_.push_back(std::move(sa));
    return {};
}

// Without SCI, the one SC of that source address, or else the only SC: a capture shows both
// directions of a point-to-point CA, each of which has one receive SC.
std::size_t CaptureSecy::find(std::span<const uint8_t> frame, const SecTag& tag) const {
    const auto matches = [&](auto&& is_sc) {
        std::vector<std::size_t> found;
        for (std::size_t i = 0; i < sas_.size(); ++i)
            if (sas_[i].parameters.an == tag.an && is_sc(sas_[i].parameters.sci))
                found.push_back(i);
        return found.size() == 1 || tag.sci_known ? found : std::vector<std::size_t>{};
    };
    auto found = matches([&](Sci sci) {
        return tag.sci_known ? sci == tag.sci : (sci.value & kSciMacMask) == source_of(frame);
    });
    if (found.empty() && !tag.sci_known)
        found = matches([](Sci) { return true; });
    return found.empty() ? sas_.size() : found.back();
}

CaptureSecy::Outcome CaptureSecy::validate(std::span<const uint8_t> frame) {
    Outcome outcome;
    // Whether PN 0 is legal is for the SA's suite to say.
    const TagRules rules{wire::kEtherTypeMacsec, true, kClearTagsMax};
    outcome.tag = parse_sectag(frame.data(), static_cast<uint32_t>(frame.size()), rules);
    if (outcome.tag.verdict == TagVerdict::no_tag)
        return outcome;
    outcome.verdict = CaptureVerdict::bad_tag;
    if (outcome.tag.verdict == TagVerdict::bad_tag)
        return outcome;
    outcome.pn = outcome.tag.pn;
    outcome.sci = outcome.tag.sci;
    outcome.verdict = CaptureVerdict::no_sa;
    outcome.sa = find(frame, outcome.tag);
    if (outcome.sa == sas_.size())
        return outcome;
    Sa& sa = sas_[outcome.sa];
    outcome.sci = sa.parameters.sci;
    if (sa.receiver->binding.xpn)
        outcome.pn = recover_pn(sa.receiver->sa().replay.lowest_pn(), outcome.tag.pn);
    Receiver::Received received = sa.receiver->receive(frame);
    switch (received.verdict) {
    case ValidateVerdict::ok:
        outcome.verdict = CaptureVerdict::ok;
        outcome.plain = std::move(received.frame);
        break;
    case ValidateVerdict::bad_tag:
        outcome.verdict = CaptureVerdict::bad_tag;
        break;
    case ValidateVerdict::not_controlled:
        outcome.verdict = CaptureVerdict::not_controlled;
        break;
    default:
        outcome.verdict = CaptureVerdict::not_valid;
    }
    return outcome;
}

Octets CaptureSecy::protect(const Outcome& outcome) {
    Sa& sa = sas_[outcome.sa];
    const uint32_t clear_octets = outcome.tag.tag_offset - kMacPairLength;
    TagFormat& format = sa.sender->binding.format;
    format.tci = outcome.tag.tci;
    format.confidentiality_offset = sa.confidentiality_offset;
    format.vlan_in_clear = static_cast<uint8_t>(clear_octets / kVlanTagLength);
    sa.sender->sa->pn =
        std::make_shared<PacketNumbers>(PacketNumbers::Owner::per_worker, outcome.pn, outcome.pn);
    return sa.sender->send(outcome.plain).frame;
}

} // namespace isthmus::macsec::tools
