#include "control/ctl/apply_document.hpp"
#include "control/ctl/commands.hpp"
#include "control/ctl/text.hpp"
#include "control/document_value.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <span>

#include <sys/stat.h>
#include <unistd.h>

namespace isthmus::ctl {
namespace {

using control::OtherNumber;

constexpr std::size_t kMaxRoutesFile = std::size_t{64} << 20;
constexpr mode_t kOthers = S_IRWXG | S_IRWXO;

std::string from_folder(const std::string& folder, const std::string& path) {
    return path.starts_with('/') || folder.empty() ? path : folder + "/" + path;
}

JsonValue* member(JsonValue& object, std::string_view name) {
    return const_cast<JsonValue*>(object.find(name));
}

// The elements of a member that is a list; the daemon tells what is wrong if it is none.
std::span<JsonValue> list_of(JsonValue& object, std::string_view name) {
    JsonValue* found = member(object, name);
    auto* list = found ? std::get_if<JsonArray>(&found->data) : nullptr;
    return list ? std::span<JsonValue>(*list) : std::span<JsonValue>{};
}

// Routes

Result<std::string> from_ndjson(std::string_view text, const std::string& file) {
    std::string list = "[";
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto end = text.find('\n');
        const std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.find_first_not_of(" \t\r") == std::string_view::npos)
            continue;
        if (const auto good = control::parse_json(line); !good || !good->as<JsonObject>())
            return Error{ErrorCode::invalid,
                         file + ":" + std::to_string(number) + ": not a JSON object"};
        list.append(list.size() == 1 ? "" : ",").append(line);
    }
    return list + "]";
}

Result<void> read_routes(JsonValue& attachment, const std::string& folder) {
    JsonValue* reference = member(attachment, "routes_file");
    if (!reference)
        return {};
    const auto* name = reference->as<WipedString>();
    if (!name)
        return invalid_value("routes_file", reference->text(), "the name of a file");
    if (member(attachment, "routes"))
        return Error{ErrorCode::invalid, "routes_file: routes are given as well", "routes_file"};
    const std::string file = from_folder(folder, std::string(*name));
    const auto text = read_file(file, kMaxRoutesFile);
    if (!text)
        return text.error();
    auto list = file.ends_with(".ndjson") ? from_ndjson(*text, file) : route_list(*text, file);
    if (!list)
        return list.error();
    auto& members = std::get<JsonObject>(attachment.data);
    const auto found = std::ranges::find(members, "routes_file", &control::JsonMember::name);
    // Written as it stands, for a tree of a million routes takes ten times its text.
    *found = {"routes", JsonValue{OtherNumber{*std::move(list)}}};
    return {};
}

// SAKs

Result<void> check_owner(const std::string& file) {
    struct stat status {};
    if (stat(file.c_str(), &status) != 0)
        return Error{ErrorCode::invalid, file + ": " + std::strerror(errno)};
    if (!S_ISREG(status.st_mode))
        return Error{ErrorCode::invalid, file + ": not a regular file"};
    if (status.st_uid != geteuid() && status.st_uid != 0)
        return Error{ErrorCode::invalid, file + ": belongs to another user"};
    if ((status.st_mode & kOthers) != 0)
        return Error{ErrorCode::invalid, file + ": others than its owner may use it: chmod 600"};
    return {};
}

Result<WipedString> from_environment(const std::string& name) {
    const char* value = getenv(name.c_str());
    if (!value)
        return Error{ErrorCode::invalid, "the environment has no " + name};
    return WipedString(value);
}

// {file = "..."} or {env = "..."}; a SAK itself stays.
Result<void> read_sak(JsonValue& sa, const std::string& folder) {
    JsonValue* sak = member(sa, "sak");
    const auto* reference = sak ? sak->as<JsonObject>() : nullptr;
    if (!reference)
        return {};
    const JsonValue* file = sak->find("file");
    const JsonValue* variable = sak->find("env");
    const JsonValue* given = file ? file : variable;
    const auto* name = given ? given->as<WipedString>() : nullptr;
    if (reference->size() != 1 || !name)
        return invalid_value("sak", "an object", "{ file = \"...\" } or { env = \"...\" }");
    Result<WipedString> text = WipedString{};
    if (file) {
        const std::string path = from_folder(folder, std::string(*name));
        const auto safe = check_owner(path);
        text = safe ? read_key_file(path) : Result<WipedString>(safe.error());
    } else {
        text = from_environment(std::string(*name));
    }
    if (!text)
        return Error{ErrorCode::invalid, "sak: " + text.error().message, "sak"};
    *sak = JsonValue{*std::move(text)};
    return {};
}

Result<void> read_saks(std::span<JsonValue> sas, const std::string& folder,
                       const std::string& place) {
    for (std::size_t i = 0; i < sas.size(); ++i)
        if (auto good = read_sak(sas[i], folder); !good)
            return control::inside(place + "[" + std::to_string(i) + "]", good.error());
    return {};
}

Result<void> read_keys(JsonValue& channel, const std::string& folder, const std::string& place) {
    JsonValue* keys = member(channel, "keys");
    if (!keys)
        return {};
    if (auto good = read_saks(list_of(*keys, "tx"), folder, place + ".keys.tx"); !good)
        return good;
    JsonValue* rx = member(*keys, "rx");
    auto* scs = rx ? std::get_if<JsonObject>(&rx->data) : nullptr;
    if (!scs)
        return {};
    for (auto& [sci, sas] : *scs)
        if (auto* list = std::get_if<JsonArray>(&sas.data))
            if (auto good = read_saks(*list, folder, place + ".keys.rx." + sci); !good)
                return good;
    return {};
}

template <class Read>
Result<void> each(JsonValue& object, const char* name, const std::string& place, const Read& read) {
    const auto list = list_of(object, name);
    for (std::size_t i = 0; i < list.size(); ++i) {
        const std::string here =
            (place.empty() ? "" : place + ".") + name + "[" + std::to_string(i) + "]";
        if (Result<void> good = read(list[i], here); !good)
            return good;
    }
    return {};
}

} // namespace

Result<void> resolve_references(JsonValue& document, const std::string& folder) {
    return each(document, "edges", "", [&](JsonValue& edge, const std::string& place) {
        auto good = each(edge, "channels", place, [&](JsonValue& channel, const std::string& here) {
            return read_keys(channel, folder, here);
        });
        if (!good)
            return good;
        return each(edge, "attachments", place,
                    [&](JsonValue& attachment, const std::string& here) {
                        auto read = read_routes(attachment, folder);
                        return read ? read : Result<void>(control::inside(here, read.error()));
                    });
    });
}

} // namespace isthmus::ctl
