#include "control/state_start.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace isthmus::control {
namespace {

constexpr std::size_t kRowsShown = 20;

std::string line_of(const UnusableRow& row) {
    return fmt::format("{}: {}", row.row, row.reason);
}

Result<void> check_usable(const Config& config, const SavedState& saved) {
    if (saved.unusable.empty())
        return {};
    std::string rows;
    const std::size_t shown = std::min(saved.unusable.size(), kRowsShown);
    for (std::size_t i = 0; i < shown; ++i)
        rows += "\n  " + line_of(saved.unusable[i]);
    if (shown < saved.unusable.size())
        rows += fmt::format("\n  and {} more", saved.unusable.size() - shown);
    return Error{ErrorCode::conflict,
                 fmt::format("state: {}: {} rows are not usable with this configuration:{}\n"
                             "  Give the configuration back what they need, or remove them: "
                             "isthmusd --config FILE --forget unusable",
                             config.state_path, saved.unusable.size(), rows),
                 "state", config.state_path, ""};
}

std::string summary_of(StateStore& store, const Config& config, const SavedState& saved) {
    if (!store.keeps())
        return "state: none: nothing outlives this process";
    std::size_t routes = 0;
    for (const auto& [id, attachment] : saved.model.attachments)
        routes += attachment.routes.size();
    return fmt::format("state: {}: {} attachments, {} routes, {} SAs{}", config.state_path,
                       saved.model.attachments.size(), routes,
                       saved.tx_sas.size() + saved.rx_sas.size(),
                       store.keeps_sas() ? ""
                                         : "; SAs are not kept, for there is no secrets_key_file: "
                                           "channels come up without any");
}

} // namespace

Result<StartState> start_state(const Config& config) {
    auto store = StateStore::open(config);
    if (!store)
        return store.error();
    auto saved = (*store)->load(config);
    if (!saved)
        return saved.error();
    if (auto good = check_usable(config, *saved); !good)
        return good.error();
    std::string summary = summary_of(**store, config, *saved);
    return StartState{std::move(*store), std::move(*saved), std::move(summary)};
}

Result<std::string> check_state(const Config& config) {
    std::error_code failure;
    if (config.state_path != "none" && !std::filesystem::exists(config.state_path, failure)) {
        if (auto key = SecretBox::find(config); !key)
            return key.error();
        return fmt::format("state: {}: not there yet", config.state_path);
    }
    auto store = StateStore::open(config, Database::Purpose::check);
    if (!store)
        return store.error();
    if (auto good = (*store)->database().check_integrity(); !good)
        return good.error();
    auto saved = (*store)->load(config);
    if (!saved)
        return saved.error();
    if (auto good = check_usable(config, *saved); !good)
        return good.error();
    return summary_of(**store, config, *saved);
}

Result<std::vector<std::string>> forget_rows(const Config& config, Forget what) {
    std::vector<std::string> lines;
    if (what == Forget::sas) {
        auto store = StateStore::open(config.state_path);
        if (!store)
            return store.error();
        const auto count = (*store)->forget_sas();
        if (!count)
            return count.error();
        lines.push_back(fmt::format("{} SAs removed", *count));
        return lines;
    }
    auto store = StateStore::open(config);
    if (!store)
        return store.error();
    for (;;) {
        // What is left may be unusable without what was removed.
        auto saved = (*store)->load(config);
        if (!saved)
            return saved.error();
        if (saved->unusable.empty())
            return lines;
        auto removed = (*store)->database().transact([&]() -> Result<void> {
            for (const UnusableRow& row : saved->unusable)
                if (auto done = row.remove(); !done)
                    return done;
            return {};
        });
        if (!removed)
            return removed.error();
        for (const UnusableRow& row : saved->unusable)
            lines.push_back("removed " + line_of(row));
    }
}

} // namespace isthmus::control
