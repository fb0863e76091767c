// Documents: what one would change, making it so, and the running state as one.

#include "control/api_call.hpp"
#include "control/plan.hpp"

#include <string>
#include <vector>

namespace isthmus::control {
namespace {

Touched touched_by(const Plan& plan) {
    Touched touched;
    for (const AttachmentStep& step : plan.attachments)
        touched.attachments.push_back(step.id);
    for (const auto& change : plan.channels)
        touched.channels.push_back(change.first);
    for (const auto* list : {&plan.new_rx_scs, &plan.old_rx_scs})
        for (const auto& change : *list)
            touched.channels.push_back(change.first);
    for (const auto& change : plan.keys)
        touched.channels.push_back(change.first);
    for (const auto& change : plan.ports)
        touched.ports.push_back(change.first);
    return touched;
}

Error removes(const std::vector<std::string>& removals) {
    constexpr std::size_t kNamed = 5;
    std::string names;
    for (std::size_t i = 0; i < removals.size() && i < kNamed; ++i)
        names += (i == 0 ? "" : ", ") + removals[i];
    if (removals.size() > kNamed)
        names += " and " + std::to_string(removals.size() - kNamed) + " more";
    return {ErrorCode::conflict,
            "the document removes " + names + ": nothing is changed, for removals are not allowed",
            "allow_removals", "false", "true"};
}

} // namespace

Reply post_apply(Call& call) {
    const CallQuery& options = call.query;
    call.unchanged = true;
    auto document = read_document(std::move(call.body), call.config());
    if (!document)
        return document.error();
    auto plan = make_plan(call.model(), call.control.channel_keys(), *std::move(document));
    if (!plan)
        return plan.error();
    const std::string fingerprint = plan->fingerprint();
    if (!options.expect.empty() && options.expect != fingerprint)
        return Error{ErrorCode::conflict,
                     "expect: the plan has the fingerprint " + fingerprint + ", not " +
                         options.expect + ": something has changed since",
                     "expect", options.expect, fingerprint};
    std::string text = render_plan(*plan);
    if (options.dry_run)
        return HttpResponse{200, std::move(text)};
    if (const auto removals = plan->removals(); !options.allow_removals && !removals.empty())
        return removes(removals);
    call.unchanged = plan->empty();
    call.touched = touched_by(*plan);
    if (auto applied = call.control.apply(*std::move(plan)); !applied)
        return applied.error();
    return HttpResponse{200, std::move(text)};
}

Reply get_export(Call& call) {
    return HttpResponse{200, export_document(call.model(), call.control.channel_keys())};
}

} // namespace isthmus::control
