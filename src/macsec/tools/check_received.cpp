#include "macsec/tools/secy_pair.hpp"
#include "macsec/tools/vector_checks.hpp"

#include <algorithm>
#include <map>

namespace isthmus::macsec::tools {
namespace {

using wire::kMacPairLength;

// Packet counters of the SecY and its one SC, under their names of the 2006 edition, which Linux
// uses too.
std::map<std::string, uint64_t> packet_counters(Receiver& receiver) {
    const SecyCounters& secy = receiver.secy;
    const RxScCounters& sc = receiver.sc().counters;
    return {{"InPktsUntagged", secy.in_pkts_untagged.get()},
            {"InPktsNoTag", secy.in_pkts_no_tag.get()},
            {"InPktsBadTag", secy.in_pkts_bad_tag.get()},
            {"InPktsUnknownSCI", secy.in_pkts_unknown_sci.get()},
            {"InPktsNoSCI", secy.in_pkts_no_sci.get()},
            {"InPktsOK", sc.in_pkts_ok.get()},
            {"InPktsUnchecked", sc.in_pkts_unchecked.get()},
            {"InPktsDelayed", sc.in_pkts_delayed.get()},
            {"InPktsLate", sc.in_pkts_late.get()},
            {"InPktsInvalid", sc.in_pkts_invalid.get()},
            {"InPktsNotValid", sc.in_pkts_not_valid.get()},
            {"InPktsUnusedSA", sc.in_pkts_unused_sa.get()},
            {"InPktsNotUsingSA", sc.in_pkts_not_using_sa.get()}};
}

// Exactly the one counter was bumped, once; with an empty name, none.
std::string check_packet_counter(Receiver& receiver, const std::string& wanted) {
    const auto counters = packet_counters(receiver);
    if (!wanted.empty() && !counters.contains(wanted))
        return "packet_counter: " + wanted + " is not known";
    for (const auto& [name, value] : counters)
        if (value != (name == wanted ? 1 : 0))
            return differs(name, std::to_string(value), name == wanted ? "1" : "0");
    return {};
}

std::string check_octets(const RxScCounters& counters, Record& expect) {
    const std::string name = expect.has("octet_counter") ? expect.text("octet_counter") : "";
    const uint64_t octets = name.empty() ? 0 : expect.integer("octets");
    if (!name.empty() && name != "InOctetsValidated" && name != "InOctetsDecrypted")
        return "octet_counter: " + name + " is not known";
    const std::string validated = std::to_string(counters.in_octets_validated.get());
    const std::string decrypted = std::to_string(counters.in_octets_decrypted.get());
    const auto wanted = [&](const char* counter) {
        return std::to_string(name == counter ? octets : 0);
    };
    auto wrong = differs("InOctetsValidated", validated, wanted("InOctetsValidated"));
    if (wrong.empty())
        wrong = differs("InOctetsDecrypted", decrypted, wanted("InOctetsDecrypted"));
    return wrong;
}

std::optional<ValidateFrames> mode_from_name(const std::string& name) {
    constexpr std::pair<const char*, ValidateFrames> kModes[] = {
        {"null", ValidateFrames::null},
        {"disabled", ValidateFrames::disabled},
        {"check", ValidateFrames::check},
        {"strict", ValidateFrames::strict},
    };
    for (const auto& [known, mode] : kModes)
        if (name == known)
            return mode;
    return std::nullopt;
}

// `sak` or `key`, and with `optional` neither.
SaParameters read_sa(Record& entry, const char* sci_name, bool sak_may_be_missing) {
    SaParameters sa;
    const char* sak_name = entry.has("sak") ? "sak" : "key";
    const bool missing = sak_may_be_missing && !entry.has(sak_name);
    sa.xpn = read_xpn(entry);
    const auto suite = suite_from_name(entry.has("suite") ? entry.text("suite") : "");
    sa.sak = missing ? Octets(suite ? sak_length(*suite) : 16) : entry.octets(sak_name);
    sa.suite = read_suite(entry, sa.sak, sa.xpn.has_value());
    sa.an = static_cast<uint8_t>(entry.integer_or("an", 0, kAssociationNumbers - 1));
    sa.sci.value = entry.integer_or(sci_name, 0);
    return sa;
}

std::string check_outcome(Receiver& receiver, const Receiver::Received& received, Record& expect) {
    const bool delivered = received.verdict == ValidateVerdict::ok;
    std::string wrong;
    if (delivered != expect.has("deliver"))
        wrong = delivered ? "the frame is delivered" : "the frame is not delivered";
    else if (delivered)
        wrong = differs("delivered frame", to_hex(received.frame), expect.text("deliver"));
    if (wrong.empty())
        wrong = check_packet_counter(
            receiver, expect.has("packet_counter") ? expect.text("packet_counter") : "");
    if (wrong.empty())
        wrong = check_octets(receiver.sc().counters, expect);
    const ReplayState& replay = receiver.sa().replay;
    if (wrong.empty() && expect.has("next_pn_after"))
        wrong = differs("nextPN", std::to_string(replay.next_pn()),
                        std::to_string(expect.integer("next_pn_after")));
    if (wrong.empty() && expect.has("lowest_pn_after"))
        wrong = differs("lowestPN", std::to_string(replay.lowest_pn()),
                        std::to_string(expect.integer("lowest_pn_after")));
    return expect.problem().empty() ? wrong : "expect: " + expect.problem();
}

// The SC that the tag names or implies, so that nothing but the fault itself refuses the frame.
Sci sci_of(const Octets& frame, const TagRules& rules, Sci otherwise) {
    const SecTag tag = parse_sectag(frame.data(), static_cast<uint32_t>(frame.size()), rules);
    if (tag.verdict == TagVerdict::ok)
        return tag.sci_known ? tag.sci : otherwise;
    constexpr std::size_t kSciAt = kMacPairLength + kSecTagLengthNoSci;
    if (frame.size() < kSciAt + sizeof(Be64) || (frame[14] & kTciExplicitSci) == 0)
        return otherwise;
    return {wire::overlay<Be64>(frame.data() + kSciAt)->host()};
}

ValidateVerdict expected_verdict(const Octets& frame, bool tag_valid, bool icv_valid) {
    if (!tag_valid)
        return ValidateVerdict::bad_tag;
    const bool encrypted = (frame[14] & kTciEncrypted) != 0;
    const bool changed = (frame[14] & kTciChangedText) != 0;
    if (encrypted && !changed)
        return ValidateVerdict::not_controlled;
    return icv_valid && encrypted == changed ? ValidateVerdict::ok : ValidateVerdict::not_valid;
}

} // namespace

std::string check_receive(const Aead& aead, Record& entry) {
    const SaParameters sa = read_sa(entry, entry.has("rx_sci") ? "rx_sci" : "sci", false);
    const Octets frame = entry.octets("frame");
    const auto mode = mode_from_name(entry.text("validate_frames"));
    if (!mode)
        entry.refuse("validate_frames", "is not known");
    if (!entry.has("expect"))
        entry.refuse("expect", "is missing");
    Receiver receiver(aead);
    receiver.binding.validate_frames = mode.value_or(ValidateFrames::strict);
    receiver.binding.replay_protect = entry.flag_or("replay_protect", true);
    receiver.binding.replay_window =
        static_cast<uint32_t>(entry.integer_or("replay_window", 0, UINT32_MAX));
    receiver.binding.xpn = is_xpn(sa.suite);
    receiver.binding.confidentiality_offset =
        static_cast<uint8_t>(entry.integer_or("conf_offset", 0, UINT8_MAX));
    const uint64_t next_pn = std::max<uint64_t>(1, entry.integer_or("next_pn", 1));
    const uint64_t lowest_pn = std::max<uint64_t>(1, entry.integer_or("lowest_pn", 1));
    const bool in_use = entry.flag_or("sa_in_use", true);
    if (!entry.problem().empty())
        return entry.problem();

    const auto made = receiver.add_sa(sa);
    if (!made)
        return made.error().message;
    receiver.sa().replay.start_at(next_pn, lowest_pn);
    receiver.set_in_use(sa.sci, sa.an, in_use);
    const Receiver::Received received = receiver.receive(frame);
    Record expect(*entry.find("expect"));
    return check_outcome(receiver, received, expect);
}

std::string check_invalid_frame(const Aead& aead, Record& entry) {
    const char* frame_name = entry.has("protected_frame") ? "protected_frame" : "frame";
    const Octets frame = entry.octets(frame_name);
    SaParameters sa = read_sa(entry, "sci", true);
    const bool tag_valid = entry.flag("tag_valid");
    const bool icv_valid = entry.flag_or("icv_valid", false);
    const uint64_t pn = std::max<uint64_t>(1, entry.integer_or("pn", 1));
    if (entry.problem().empty() && frame.size() <= 14)
        entry.refuse(frame_name, "is too short for a SecTAG");
    if (!entry.problem().empty())
        return entry.problem();

    Receiver receiver(aead);
    receiver.binding.xpn = is_xpn(sa.suite);
    receiver.binding.confidentiality_offset =
        static_cast<uint8_t>(entry.integer_or("conf_offset", 0, UINT8_MAX));
    sa.sci = sci_of(frame, {receiver.binding.ether_type, receiver.binding.xpn, 0}, sa.sci);
    sa.an = frame[14] & kTciAnMask;
    const auto made = receiver.add_sa(sa);
    if (!made)
        return made.error().message;
    if (receiver.binding.xpn)
        receiver.sa().replay.start_at(pn, pn);
    const ValidateVerdict wanted = expected_verdict(frame, tag_valid, icv_valid);
    if (receiver.receive(frame).verdict != wanted)
        return "the verdict is another one than tag_valid and icv_valid ask for";
    switch (wanted) {
    case ValidateVerdict::bad_tag:
        return check_packet_counter(receiver, "InPktsBadTag");
    case ValidateVerdict::not_valid:
        return check_packet_counter(receiver, "InPktsNotValid");
    case ValidateVerdict::ok:
        return check_packet_counter(receiver, "InPktsOK");
    default:
        return check_packet_counter(receiver, "");
    }
}

} // namespace isthmus::macsec::tools
