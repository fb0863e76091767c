#pragma once
// Models to plan with: two edges, and attachments made at random that go together.

#include "control/document.hpp"
#include "control/plan.hpp"

#include <fmt/format.h>

#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::control::test {

inline Config two_edges() {
    std::string text = "max_attachments = 12\n";
    for (const char* edge : {"a", "b"}) {
        text += fmt::format("[[edge]]\nname = \"{0}\"\n"
                            "[[interconnect]]\nname = \"ic\"\nedge = \"{0}\"\n",
                            edge);
        for (const char* port : {"vpc0", "vpc1", "p0", "p1"})
            text += fmt::format("[[port]]\nname = \"{0}-{1}\"\nedge = \"{0}\"\ndevice = "
                                "\"net_null,{0}{1}\"\nmtu = 9000\n",
                                edge, port);
        for (const char* n : {"0", "1"})
            text += fmt::format("[[channel]]\nname = \"ch{1}\"\nedge = \"{0}\"\n"
                                "port = \"{0}-p{1}\"\ncipher_suite = \"GCM-AES-256\"\n",
                                edge, n);
    }
    return parse_config(text, "two_edges").value();
}

inline Model empty_model() {
    Model model;
    model.config = two_edges();
    model.channel_admin.assign(model.config.channels.size(), AdminState::up);
    model.port_enabled.assign(model.config.ports.size(), true);
    return model;
}

inline Result<Plan> plan_of(const Model& model, std::span<const ChannelKeys> keys,
                            std::string_view text) {
    auto body = parse_json(text);
    if (!body)
        return body.error();
    auto document = read_document(*std::move(body), model.config);
    if (!document)
        return document.error();
    return make_plan(model, keys, *std::move(document));
}

class RandomModels {
  public:
    explicit RandomModels(uint32_t seed) : random_(seed) {}

    Model next() {
        Model model = empty_model();
        // The first channel of each edge stays up: what is sold needs capacity.
        for (std::size_t c = 1; c < model.channel_admin.size(); c += 2)
            model.channel_admin[c] = static_cast<AdminState>(below(3));
        for (std::size_t p = 0; p < model.port_enabled.size(); ++p)
            model.port_enabled[p] = below(4) != 0;
        std::vector<std::size_t> slots = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
        std::ranges::shuffle(slots, random_);
        const unsigned count = below(13); // now and then, all places are taken
        std::vector<Attachment> made;
        for (unsigned n = 0; n < count; ++n)
            made.push_back(attachment(n));
        // Names are dealt apart from the rest, so that two models have the same ones with other
        // VLANs and addresses.
        std::ranges::shuffle(made, random_);
        for (std::size_t n = 0; n < made.size(); ++n) {
            made[n].name = fmt::format("c{}", n);
            model.add(AttachmentId(slots[n]), std::move(made[n]));
        }
        return model;
    }

    std::vector<ChannelKeys> keys(const Model& model) {
        std::vector<ChannelKeys> all(model.config.channels.size());
        for (ChannelKeys& one : all)
            for (uint64_t sci = 1; sci <= 3; ++sci)
                if (below(2) != 0)
                    one.rx_scs.push_back({macsec::Sci{sci}, below(2)});
        return all;
    }

    unsigned below(unsigned bound) { return static_cast<unsigned>(random_() % bound); }

  private:
    // VLANs follow from `n`, so that no two of a model have the same.
    Attachment attachment(unsigned n) {
        const std::size_t edge = below(2);
        Attachment a;
        a.edge = EdgeId(edge);
        a.interconnect = InterconnectId(edge);
        a.port = PortId(4 * edge + below(2));
        a.vlan = static_cast<uint16_t>(100 + n);
        a.mtu = static_cast<uint16_t>(1280 + below(3));
        a.mss_clamp.mode = static_cast<MssClamp::Mode>(below(3));
        if (a.mss_clamp.mode == MssClamp::Mode::value)
            a.mss_clamp.value = 1300;
        a.local.ipv4 = Ipv4Prefix{Ipv4Addr{0x0a000001 + (below(3) << 8)}, 24};
        a.egress_limit = limit();
        a.ingress_limit = limit();
        for (std::size_t c = 0; c < 2; ++c)
            if (below(3) != 0)
                a.features[ChannelId(2 * edge + c)] = feature(n, static_cast<unsigned>(c));
        if (below(2) != 0)
            a.static_neighbours[{ChannelId{}, Ipv4Addr{a.local.ipv4->addr.value + 1 + below(3)}}] =
                MacAddr{{2, 0, 0, 0, 0, static_cast<uint8_t>(below(3))}};
        for (unsigned r = below(20); r > 0; --r)
            a.routes[Ipv4Prefix{Ipv4Addr{0x14000000 + (below(24) << 16)}, 16}] = route(a);
        return a;
    }

    std::optional<Limit> limit() {
        if (below(3) == 0)
            return std::nullopt;
        Limit limit;
        limit.rate_bps = 1'000'000 * (1 + below(3));
        if (below(2) != 0) {
            limit.peak_bps = limit.rate_bps * 2;
            limit.excess_dscp = static_cast<uint8_t>(below(3));
        }
        return limit;
    }

    Feature feature(unsigned n, unsigned channel) {
        Feature f;
        f.vlan = static_cast<uint16_t>(2000 + n);
        f.local.ipv4 = Ipv4Prefix{Ipv4Addr{0xa9fe0001 + (channel << 8) + 4 * below(3)}, 30};
        f.peer_ipv4 = Ipv4Addr{f.local.ipv4->addr.value + 1};
        return f;
    }

    Route route(const Attachment& a) {
        const unsigned kind = below(3);
        if (kind == 2)
            return {Via::vpc, Ipv4Addr{a.local.ipv4->addr.value + 1 + below(2)}};
        return {kind == 0 ? Via::channels : Via::blackhole, std::nullopt};
    }

    std::mt19937 random_;
};

} // namespace isthmus::control::test
