// `show macsec`: a channel's SecY with its SCs and SAs, counters as the MIB of 802.1AE spells them.

#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"
#include "control/macsec_counters.hpp"

#include <cstdio>

namespace isthmus::ctl {
namespace {

constexpr int kStep = 4; // of indentation

void print(int depth, const std::string& text) {
    std::printf("%*s%s\n", depth * kStep, "", text.c_str());
}

void print_counter(int depth, std::string_view mib, const std::string& value) {
    std::printf("%*s%-20.*s %20s\n", depth * kStep, "", static_cast<int>(mib.size()), mib.data(),
                value.c_str());
}

template <class Counters> void print_counters(int depth, const JsonValue& object) {
    for (const auto& row : control::kCounterNames<Counters>)
        print_counter(depth, row.mib, cell(object, row.name));
}

bool is(const JsonValue& object, std::string_view member) {
    return cell(object, member) == "yes";
}

// "name value" of each member that is there.
std::string settings(const JsonValue& object, std::initializer_list<std::string_view> members) {
    std::string text;
    for (const auto member : members)
        if (const JsonValue* value = object.find(member))
            text.append(text.empty() ? "" : "  ").append(member).append(" ").append(cell(value));
    return text;
}

void print_transmit(const JsonValue& channel) {
    for (const auto& sc : elements(channel, "tx_scs")) {
        print(1, "transmit SC " + cell(sc, "sci"));
        print_counters<macsec::TxScCounters>(2, sc);
    }
    for (const auto& sa : elements(channel, "tx_sas")) {
        std::string state = is(sa, "encoding") ? ", encoding" : "";
        state += is(sa, "exhausted")            ? ", exhausted"
                 : is(sa, "pending_exhaustion") ? ", pending exhaustion"
                                                : "";
        print(1, "transmit SA " + cell(sa, "an") + state);
        print(2, settings(sa, {"next_pn", "pn_limit", "ssci", "fingerprint"}));
        print_counters<macsec::TxSaCounters>(2, sa);
    }
}

void print_receive(const JsonValue& channel) {
    for (const auto& sc : elements(channel, "rx_scs")) {
        print(1, "receive SC " + cell(sc, "sci"));
        print_counters<macsec::RxScCounters>(2, sc);
        for (const auto& sa : elements(sc, "sas")) {
            print(2, "receive SA " + cell(sa, "an") +
                         (is(sa, "in_use") ? ", in use" : ", not in use"));
            print(3, settings(sa, {"next_pn", "lowest_pn", "ssci", "fingerprint"}));
            print_counters<macsec::RxSaCounters>(3, sa);
        }
    }
}

void print_secy(const JsonValue& channel) {
    print(0, cell(channel, "edge") + "/" + cell(channel, "name") + " on port " +
                 cell(channel, "port") + ": " + cell(channel, "cipher_suite") + " " +
                 cell(channel, "cipher_suite_id") + ", " +
                 (is(channel, "usable") ? "usable" : "not usable: " + cell(channel, "reason")));
    print(1, settings(channel, {"protect_frames", "encrypt", "confidentiality_offset",
                                "include_sci", "tx_sc"}));
    print(1, settings(channel,
                      {"validate_frames", "replay_protect", "replay_window", "duplicate_proof"}));
    std::string wire = settings(channel, {"ether_type", "vlan_in_clear"});
    for (const char* member : {"clear_ether_types", "clear_destinations"})
        wire.append("  ").append(member).append(" ").append(list_cell(channel, member));
    print(1, wire);
    print_counters<macsec::SecyCounters>(1, channel);
    print_counter(1, "InPktsNoSA", cell(channel, "in_pkts_no_sa"));
    print_counter(1, "InPktsNoSAError", cell(channel, "in_pkts_no_sa_error"));
    print_transmit(channel);
    print_receive(channel);
}

} // namespace

Outcome show_macsec(Context& context, const std::string& channel) {
    if (!channel.empty())
        return context.show(context.edge_path({"channels", channel}), print_secy);
    return context.show(context.edge_path({"channels"}), [](const JsonValue& reply) {
        for (const auto& each : elements(reply, "channels"))
            print_secy(each);
    });
}

} // namespace isthmus::ctl
