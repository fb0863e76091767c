#pragma once
// Rows that are read at start: each is checked against the configuration and the rest. For
// state_load*.cpp only.

#include "control/state_rows.hpp"
#include "control/state_store.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace isthmus::control {

inline constexpr const char* kDamaged = "the row is damaged";

template <class List> std::optional<std::size_t> position(const List& list, const auto& same) {
    const auto found = std::find_if(list.begin(), list.end(), same);
    if (found == list.end())
        return std::nullopt;
    return static_cast<std::size_t>(found - list.begin());
}

// Why a row is unusable; empty if it is not.
using Reason = std::string;

// Numbers of rows are not negative where a value is read from them.
template <class Value> bool in(int64_t number, Value& out) {
    if (number < 0 || static_cast<uint64_t>(number) > std::numeric_limits<Value>::max())
        return false;
    out = static_cast<Value>(number);
    return true;
}

class StateLoader {
  public:
    StateLoader(Database& database, const SecretBox* secrets, const Config& config)
        : database_(database), secrets_(secrets), config_(config) {
        out_.model = Model::from(config);
    }

    [[nodiscard]] Result<SavedState> load();

  private:
    Result<void> load_attachments();
    Result<void> load_features();
    Result<void> load_neighbours();
    Result<void> load_routes();
    Result<void> check_attachments();
    Result<void> load_ports();
    Result<void> load_channels();
    Result<void> load_rx_scs();
    Result<void> load_tx_sas();
    Result<void> load_rx_sas();

    // Empty: the row is good.
    Reason read_attachment(const Query& row, Attachment& out);
    Reason read_feature(const Query& row, Attachment& owner);
    Reason read_sa(const Query& row, SaRow where, int first, SavedSa& out);

    // What has gone with this row is not told of again.
    void unusable(std::string row, Reason reason, const char* remove, auto... key) {
        out_.unusable.push_back(
            {std::move(row), std::move(reason),
             [this_ = &database_, remove, key...] { return this_->run(remove, key...); }});
    }
    void unusable_attachment(int64_t place, const std::string& name, Reason reason);
    // nullptr: the attachment itself is unusable, or there is none: then the row is told of.
    Attachment* owner(int64_t place, const char* table, const char* remove);

    std::optional<EdgeId> find_edge(const std::string& name) const {
        const auto found = position(config_.edges, [&](const auto& it) { return it.name == name; });
        return found ? std::optional(EdgeId(*found)) : std::nullopt;
    }
    std::optional<ChannelId> find_channel(EdgeId edge, const std::string& name) const {
        const auto found = position(
            config_.channels, [&](const auto& it) { return it.edge == edge && it.name == name; });
        return found ? std::optional(ChannelId(*found)) : std::nullopt;
    }
    std::optional<ChannelId> find_channel(const std::string& edge, const std::string& name) const {
        const auto id = find_edge(edge);
        return id ? find_channel(*id, name) : std::nullopt;
    }
    std::string name_of(const Attachment& it) const {
        return fmt::format("{}/{}", config_.edges[it.edge.value].name, it.name);
    }
    Result<void> end(const Query& query) const {
        return query.ended() ? Result<void>{} : Result<void>(database_.failure("cannot be read"));
    }

    Database& database_;
    const SecretBox* secrets_;
    const Config& config_;
    SavedState out_;
    std::map<AttachmentId, Attachment> found_; // in no index yet
    std::set<int64_t> gone_;                   // places of unusable attachments
};

} // namespace isthmus::control
