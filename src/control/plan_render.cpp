#include "control/json_writer.hpp"
#include "control/plan.hpp"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>

namespace isthmus::control {
namespace {

constexpr std::array<std::string_view, 3> kActions = {"add", "change", "remove"}; // by PlanAction
constexpr std::size_t kFingerprintOctets = 16;

void write_text(JsonWriter& json, std::string_view name, const std::string& text) {
    json.key(name);
    if (text.empty())
        json.null();
    else
        json.number(text); // a JSON text already
}

void write_entry(JsonWriter& json, const PlanEntry& entry) {
    json.begin_object()
        .member("action", kActions.at(static_cast<std::size_t>(entry.action)))
        .member("kind", entry.kind)
        .member("edge", entry.edge)
        .member("name", entry.name);
    json.key("fields").begin_array();
    for (const FieldChange& field : entry.fields) {
        json.begin_object().member("field", field.field);
        write_text(json, "before", field.before);
        write_text(json, "after", field.after);
        json.end_object();
    }
    json.end_array();
    if (entry.kind == "attachment") {
        json.key("routes").begin_object();
        json.member("added", entry.routes.added)
            .member("changed", entry.routes.changed)
            .member("removed", entry.routes.removed);
        json.key("first").begin_array();
        for (const std::string& line : entry.routes.first)
            json.value(line);
        json.end_array().end_object();
    }
    json.end_object();
}

std::string entries_text(const Plan& plan) {
    JsonWriter json;
    json.begin_array();
    for (const PlanEntry& entry : plan.entries)
        write_entry(json, entry);
    return json.end_array().take();
}

std::string kind_text(const PlanEntry& entry) {
    return entry.kind == "rx_sc" ? "receive SC" : entry.kind;
}

} // namespace

std::vector<std::string> Plan::removals() const {
    std::vector<std::string> names;
    for (const PlanEntry& entry : entries)
        if (entry.action == PlanAction::remove)
            names.push_back(kind_text(entry) + " " + entry.edge + "/" + entry.name);
    return names;
}

std::string Plan::fingerprint() const {
    std::string text = entries_text(*this);
    for (const PlanEntry& entry : entries)
        text += fmt::format("{:016x}", entry.routes.digest);
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    EVP_Digest(text.data(), text.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
    std::string out;
    for (std::size_t i = 0; i < kFingerprintOctets; ++i)
        out += fmt::format("{:02x}", digest.at(i));
    return out;
}

std::string render_plan(const Plan& plan) {
    JsonWriter json;
    json.begin_object().member("changed", !plan.empty()).member("fingerprint", plan.fingerprint());
    json.key("removals").begin_array();
    for (const std::string& name : plan.removals())
        json.value(name);
    json.end_array().key("changes").begin_array();
    for (const PlanEntry& entry : plan.entries)
        write_entry(json, entry);
    json.end_array().key("notes").begin_array();
    for (const std::string& note : plan.notes)
        json.value(note);
    json.end_array().end_object();
    return json.take();
}

} // namespace isthmus::control
