#pragma once
// Who has a name, a VLAN of a port, or a VLAN of a channel, and what is sold of each interconnect:
// found without a walk over all attachments, of which there may be thousands. Control thread only.

#include "isthmus/types.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace isthmus::control {

struct Attachment;

// One direction. An interconnect is full duplex: both have the whole pool.
struct DirectionCapacity {
    uint64_t sold_bps = 0;
    uint32_t unlimited = 0; // attachments without a limit: they reserve nothing
};
struct SoldCapacity {
    uint32_t attachments = 0;
    DirectionCapacity egress, ingress;
};

class AttachmentIndex {
  public:
    // Where another one is already, that one stays, so that a check of this one finds it.
    void add(AttachmentId id, const Attachment& attachment);
    // As it was added.
    void remove(const Attachment& attachment);

    [[nodiscard]] std::optional<AttachmentId> named(EdgeId edge, std::string_view name) const;
    [[nodiscard]] std::optional<AttachmentId> on_port(PortId port, uint16_t vlan) const;
    [[nodiscard]] std::optional<AttachmentId> on_channel(ChannelId channel, uint16_t vlan) const;
    [[nodiscard]] SoldCapacity sold(InterconnectId interconnect) const;

  private:
    using Places = std::unordered_map<uint32_t, AttachmentId>;
    using Name = std::pair<EdgeId, std::string>;
    struct Before {
        using is_transparent = void;
        template <class A, class B> bool operator()(const A& a, const B& b) const {
            return a.first != b.first ? a.first < b.first : a.second < b.second;
        }
    };
    std::map<Name, AttachmentId, Before> names_;
    Places ports_, channels_;        // by id and VLAN
    std::vector<SoldCapacity> sold_; // by InterconnectId, as far as anything was sold
};

} // namespace isthmus::control
