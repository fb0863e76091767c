#pragma once
// What has to change for the running state to be as a document says, as one step that can be done
// and undone. Pure; control thread.

#include "control/document.hpp"
#include "control/model.hpp"
#include "isthmus/result.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace isthmus::control {

// One slot of the Model. exchange() makes of what it does what undoes it.
struct AttachmentStep {
    AttachmentId id;
    bool whole = false;              // parameters change, or the attachment comes or goes
    std::optional<Attachment> other; // with `whole`: what it shall be; none: removed
    RouteChange routes;              // of an attachment that stays
};

// A field of something; JSON texts, empty where there is nothing.
struct FieldChange {
    std::string field, before, after;
};
struct RouteCounts {
    std::size_t added = 0, changed = 0, removed = 0;
    std::vector<std::string> first; // a few of them, as texts
    uint64_t digest = 0;            // of all, in whatever order
    [[nodiscard]] bool any() const { return added + changed + removed != 0; }
};
enum class PlanAction : uint8_t { add, change, remove };
// One thing that changes, for people and for the fingerprint.
struct PlanEntry {
    PlanAction action = PlanAction::change;
    std::string kind; // attachment, port, channel, rx_sc, key
    std::string edge, name;
    std::vector<FieldChange> fields;
    RouteCounts routes;
};

struct Plan {
    std::vector<AttachmentStep> attachments;
    std::vector<std::pair<PortId, bool>> ports;
    std::vector<std::pair<ChannelId, AdminState>> channels;
    std::vector<std::pair<ChannelId, macsec::Sci>> new_rx_scs, old_rx_scs;
    std::vector<std::pair<ChannelId, DocumentKey>> keys;

    std::vector<PlanEntry> entries; // by edge, kind and name
    std::vector<std::string> notes; // what is left alone though the document mentions it

    [[nodiscard]] bool empty() const { return entries.empty(); }
    // Attachments and receive SCs that go, as an operator names them.
    [[nodiscard]] std::vector<std::string> removals() const;
    // The same for two plans that change the same things in the same way.
    [[nodiscard]] std::string fingerprint() const;
};

// Refuses what the whole of it would not make a good state; nothing is half checked, so two
// attachments may exchange what only one of them can have. Errors have the path in the document.
[[nodiscard]] Result<Plan> make_plan(const Model& model, std::span<const ChannelKeys> keys,
                                     Document document);

// Makes the Model as the plan says, and the plan what makes it as it was.
void exchange(Model& model, Plan& plan);

// {"changed":..,"fingerprint":..,"removals":[..],"changes":[..],"notes":[..]}
[[nodiscard]] std::string render_plan(const Plan& plan);

// plan_diff.cpp: the entries of a plan's steps, made before they are exchanged.
[[nodiscard]] PlanEntry describe_attachment(const Model& model, const AttachmentStep& step);

} // namespace isthmus::control
