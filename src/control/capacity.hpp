#pragma once
// What is sold on an interconnect. Attachments reserve the committed rate of their limits from its
// pool, each direction by itself, whole or not at all. Pure; control thread.

#include "control/model.hpp"
#include "isthmus/result.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace isthmus::control {

struct ChannelCapacity {
    ChannelId id;
    uint64_t capacity_bps = 0;
    AdminState admin_state = AdminState::up;
    uint32_t share_permille = 0; // of what channels in use carry; 0: not in use
};

struct InterconnectCapacity : SoldCapacity {
    InterconnectId id;
    uint64_t staged_bps = 0;   // the pool, as configured
    uint64_t channels_bps = 0; // of channels whose admin state is up
    uint64_t largest_bps = 0;  // the largest of them
    std::vector<ChannelCapacity> channels;

    // What may be sold now: the pool, as far as channels in use carry it.
    [[nodiscard]] uint64_t sellable_bps() const;
    // What is left of it. Negative: channels were taken out of use after it was sold.
    [[nodiscard]] int64_t free_bps(const DirectionCapacity& direction) const;
    // What would be left of the channels if the largest one failed.
    [[nodiscard]] int64_t headroom_n1_bps(const DirectionCapacity& direction) const;
    [[nodiscard]] bool is_short() const { return free_bps(egress) < 0 || free_bps(ingress) < 0; }
};

// The pool of an interconnect: as configured, or the sum of its channels.
[[nodiscard]] uint64_t staged_bps(const Config& config, InterconnectId interconnect);

// The sheet of one interconnect, in a time that does not depend on the number of attachments.
[[nodiscard]] InterconnectCapacity capacity_of(const Model& model, InterconnectId interconnect);

// Whether the pool has what `spec` reserves, beside all others. `self` is the attachment that it
// replaces: what that has reserved already is never refused, so that a limit may be lowered while
// capacity is short. A conflict names what is left.
[[nodiscard]] Result<void> check_capacity(const Model& model, const Attachment& spec,
                                          std::optional<AttachmentId> self);
// The same of one that is in `model` already, and has no claim to what it reserves.
[[nodiscard]] Result<void> check_new_share(const Model& model, const Attachment& attachment);

} // namespace isthmus::control
