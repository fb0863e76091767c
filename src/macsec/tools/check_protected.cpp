#include "macsec/iv.hpp"
#include "macsec/tools/secy_pair.hpp"
#include "macsec/tools/vector_checks.hpp"

#include <algorithm>

namespace isthmus::macsec::tools {
namespace {

using wire::kMacPairLength;
using wire::kVlanTagLength;

struct ProtectedVector {
    SaParameters sa;
    uint64_t pn = 0;
    uint8_t confidentiality_offset = 0;
    Octets plain;
    Octets protected_frame;
};

ProtectedVector read(Record& entry) {
    ProtectedVector vector;
    vector.sa.sak = entry.octets("key");
    vector.sa.xpn = read_xpn(entry);
    vector.sa.suite = read_suite(entry, vector.sa.sak, vector.sa.xpn.has_value());
    vector.sa.an = static_cast<uint8_t>(entry.integer("an", kAssociationNumbers - 1));
    vector.sa.sci.value = entry.integer("sci");
    vector.pn = entry.integer("pn", is_xpn(vector.sa.suite) ? UINT64_MAX : UINT32_MAX);
    vector.confidentiality_offset =
        static_cast<uint8_t>(entry.integer_or("conf_offset", 0, UINT8_MAX));
    vector.plain = entry.octets("plain_frame");
    vector.protected_frame = entry.octets("protected_frame");
    if (vector.plain.size() <= kMacPairLength)
        entry.refuse("plain_frame", "has no user data");
    return vector;
}

// The fields that repeat what the protected frame says already.
std::string check_fields(Record& entry, const ProtectedVector& vector, const SecTag& tag) {
    const Octets& frame = vector.protected_frame;
    struct Bit {
        const char* name;
        uint8_t mask;
    };
    constexpr Bit kBits[] = {{"es", kTciEndStation},
                             {"sc", kTciExplicitSci},
                             {"scb", kTciSingleCopyBroadcast},
                             {"e", kTciEncrypted},
                             {"c", kTciChangedText}};
    for (const Bit& bit : kBits)
        if (const bool set = (tag.tci & bit.mask) != 0; entry.flag_or(bit.name, set) != set)
            return std::string(bit.name) + " is not that of the protected frame";
    if (entry.integer_or("tci", tag.tci) != tag.tci)
        return "tci is not that of the protected frame";
    if (tag.an != vector.sa.an || tag.pn != static_cast<uint32_t>(vector.pn) ||
        entry.integer_or("sl", tag.short_length) != tag.short_length)
        return "an, pn or sl is not that of the protected frame";
    if (tag.sci_known && tag.sci != vector.sa.sci)
        return "sci is not that of the protected frame";

    AeadOp op{};
    set_iv(op, make_iv_base(vector.sa.sci, vector.sa.xpn), vector.pn);
    const bool encrypted = (tag.tci & kTciEncrypted) != 0;
    const uint32_t clear =
        encrypted ? std::min<uint32_t>(vector.confidentiality_offset, tag.secure_length)
                  : tag.secure_length;
    const std::span<const uint8_t> octets(frame);
    const std::string iv = to_hex(op.iv);
    const std::string aad = to_hex(octets.first(tag.secure_offset + clear));
    const std::string icv =
        to_hex(octets.subspan(tag.secure_offset + tag.secure_length, kIcvLength));
    for (const auto& [name, computed] : {std::pair{"iv", iv}, {"aad", aad}, {"icv", icv}})
        if (entry.has(name) && entry.text(name) != computed)
            return differs(name, computed, entry.text(name));
    return {};
}

std::string check_protect(const Aead& aead, const ProtectedVector& vector, const SecTag& tag,
                          const Octets& plain, const Octets& wanted, uint8_t clear_tags) {
    Sender sender(aead);
    if (auto made = sender.set_sa(
            vector.sa, std::make_shared<PacketNumbers>(PacketNumbers::Owner::per_worker, 1, 1));
        !made)
        return made.error().message;
    // Any PN of the suite, also those that make_tx_sa gives up at the end.
    sender.sa->pn =
        std::make_shared<PacketNumbers>(PacketNumbers::Owner::per_worker, vector.pn, vector.pn);
    const auto ether_type =
        static_cast<uint16_t>(vector.protected_frame[12] << 8 | vector.protected_frame[13]);
    sender.binding.format = {tag.tci, vector.confidentiality_offset, clear_tags, ether_type};
    const Sender::Sent sent = sender.send(plain);
    if (sent.verdict != ProtectVerdict::ok)
        return "protect refuses the plain frame";
    if (auto wrong = differs("protected frame", to_hex(sent.frame), to_hex(wanted)); !wrong.empty())
        return wrong;
    const TxScCounters& counters = sender.sc.counters;
    const uint64_t octets = plain.size() - kMacPairLength - clear_tags * kVlanTagLength;
    const bool encrypted = sender.binding.format.encrypts();
    if (counters.out_pkts_encrypted.get() != (encrypted ? 1 : 0) ||
        counters.out_octets_encrypted.get() != (encrypted ? octets : 0) ||
        counters.out_pkts_protected.get() != (encrypted ? 0 : 1) ||
        counters.out_octets_protected.get() != (encrypted ? 0 : octets))
        return "transmit counters are wrong";
    return {};
}

std::string check_validate(const Aead& aead, const ProtectedVector& vector, const Octets& frame,
                           const Octets& wanted, uint8_t clear_tags, ValidateVerdict verdict) {
    Receiver receiver(aead);
    const bool xpn = is_xpn(vector.sa.suite);
    receiver.binding.xpn = xpn;
    receiver.binding.confidentiality_offset = vector.confidentiality_offset;
    receiver.binding.vlan_in_clear = clear_tags;
    receiver.binding.ether_type =
        static_cast<uint16_t>(vector.protected_frame[12] << 8 | vector.protected_frame[13]);
    auto sa = receiver.add_sa(vector.sa);
    if (!sa)
        return sa.error().message;
    if (xpn)
        (*sa)->replay.start_at(vector.pn, vector.pn);
    const Receiver::Received received = receiver.receive(frame);
    if (received.verdict != verdict)
        return verdict == ValidateVerdict::ok ? "validate refuses the protected frame"
                                              : "a tag in clear is accepted unasked";
    if (verdict != ValidateVerdict::ok)
        return {};
    if (receiver.sc().counters.in_pkts_ok.get() != 1)
        return "InPktsOK is not 1";
    return differs("plain frame", to_hex(received.frame), to_hex(wanted));
}

Octets with_tags(const Octets& frame, const Octets& tags) {
    Octets tagged = frame;
    tagged.insert(tagged.begin() + kMacPairLength, tags.begin(), tags.end());
    return tagged;
}

// The vendor form: tags between SA and SecTAG that are neither encrypted nor authenticated.
std::string check_tags_in_clear(const Aead& aead, Record& entry, const ProtectedVector& vector,
                                const SecTag& tag) {
    const Octets tags = entry.octets("clear_tags");
    const Octets wire_frame = entry.octets("wire_frame");
    const Octets wire_plain =
        entry.has("wire_plain") ? entry.octets("wire_plain") : with_tags(vector.plain, tags);
    if (!entry.problem().empty())
        return entry.problem();
    if (wire_frame != with_tags(vector.protected_frame, tags) ||
        wire_plain != with_tags(vector.plain, tags))
        return "wire frames and clear_tags do not agree";
    const auto count = static_cast<uint8_t>(tags.size() / kVlanTagLength);
    if (count == 0 || count > kClearTagsMax || tags.size() % kVlanTagLength != 0)
        return "clear_tags: expected one VLAN tag or two";
    std::string wrong = check_protect(aead, vector, tag, wire_plain, wire_frame, count);
    if (wrong.empty())
        wrong = check_validate(aead, vector, wire_frame, wire_plain, count, ValidateVerdict::ok);
    if (wrong.empty())
        wrong = check_validate(aead, vector, wire_frame, {}, 0, ValidateVerdict::no_tag);
    return wrong.empty() ? wrong : "with tags in clear: " + wrong;
}

} // namespace

std::string check_protected_frame(const Aead& aead, Record& entry) {
    const ProtectedVector vector = read(entry);
    if (!entry.problem().empty())
        return entry.problem();
    const Octets& frame = vector.protected_frame;
    if (frame.size() < kMacPairLength + sizeof(Be16))
        return "protected_frame: is too short";
    const TagRules rules{static_cast<uint16_t>(frame[12] << 8 | frame[13]), is_xpn(vector.sa.suite),
                         0};
    const SecTag tag = parse_sectag(frame.data(), static_cast<uint32_t>(frame.size()), rules);
    if (tag.verdict != TagVerdict::ok)
        return "protected_frame: its SecTAG is not valid";

    std::string wrong = check_fields(entry, vector, tag);
    if (wrong.empty() && !entry.problem().empty())
        wrong = entry.problem();
    if (wrong.empty())
        wrong = check_protect(aead, vector, tag, vector.plain, frame, 0);
    if (wrong.empty())
        wrong = check_validate(aead, vector, frame, vector.plain, 0, ValidateVerdict::ok);
    if (wrong.empty() && entry.has("wire_frame_padded_to_60")) {
        const Octets padded = entry.octets("wire_frame_padded_to_60");
        if (padded.size() < frame.size() || !std::equal(frame.begin(), frame.end(), padded.begin()))
            return "wire_frame_padded_to_60: is not the protected frame and padding";
        wrong = check_validate(aead, vector, padded, vector.plain, 0, ValidateVerdict::ok);
        if (!wrong.empty())
            wrong = "with padding: " + wrong;
    }
    if (wrong.empty() && entry.has("wire_frame"))
        wrong = check_tags_in_clear(aead, entry, vector, tag);
    return wrong;
}

} // namespace isthmus::macsec::tools
