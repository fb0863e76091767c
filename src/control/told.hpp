#pragma once
// Events of changes that somebody has asked for, in one wording for a request of one thing and for
// a document of many. Control thread.

#include "control/events.hpp"
#include "control/model.hpp"
#include "control/plan.hpp"

#include <optional>
#include <string>
#include <vector>

namespace isthmus::control {

// An event that is not told yet, for the change may fail. Its object may be gone by then.
struct Told {
    EventKind kind;
    std::string object, message, reason;
};
inline void emit(EventLog& log, const Told& told) {
    log.emit(told.kind, told.object, told.message, told.reason);
}

[[nodiscard]] std::string name_in(const Config& config, ChannelId id); // "EDGE/NAME"
[[nodiscard]] std::string name_in(const Config& config, PortId id);
[[nodiscard]] std::string name_in(const Config& config, const Attachment& attachment);

// What of an attachment was changed: the reason of attachment_changed.
[[nodiscard]] std::string limits_set(const std::optional<std::optional<Limit>>& egress,
                                     const std::optional<std::optional<Limit>>& ingress);
[[nodiscard]] std::string feature_set(const Config& config, ChannelId channel);
[[nodiscard]] std::string feature_removed(const Config& config, ChannelId channel);
// `where`: "10.1.0.9 on aws/ch1"
[[nodiscard]] std::string neighbour_set(const std::string& where, MacAddr mac);
[[nodiscard]] std::string neighbour_removed(const std::string& where);
[[nodiscard]] std::string neighbour_in(const Config& config, const Attachment& attachment,
                                       ChannelId channel, const IpAddr& address);

[[nodiscard]] Told attachment_told(EventKind kind, std::string name, const std::string& what,
                                   std::string reason = {});
[[nodiscard]] Told changed_told(std::string name, std::string what);
[[nodiscard]] Told replaced_told(std::string name);
[[nodiscard]] Told routes_told(std::string name, const RouteChange& change);
[[nodiscard]] Told port_told(std::string name, bool enabled);
[[nodiscard]] Told channel_told(std::string name, AdminState admin);
[[nodiscard]] Told sa_told(EventKind kind, const std::string& channel, unsigned an,
                           std::string reason);
[[nodiscard]] Told rx_sc_told(EventKind kind, std::string channel, macsec::Sci sci);

// Of a plan that is not carried out yet, in the order of the plan.
[[nodiscard]] std::vector<Told> events_of(const Model& model, const Plan& plan);

} // namespace isthmus::control
