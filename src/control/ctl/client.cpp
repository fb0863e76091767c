#include "control/ctl/client.hpp"

#include "control/url.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <utility>

namespace isthmus::ctl {
namespace {

constexpr std::size_t kMostOfPage = 10'000;
constexpr long kConnectSeconds = 5;
// A change of a million routes takes seconds.
constexpr long kReplySeconds = 120;
constexpr long kSilenceSeconds = 60; // of a stream

std::size_t append_reply(char* data, std::size_t size, std::size_t count, void* out) {
    static_cast<std::string*>(out)->append(data, size * count);
    return size * count;
}

Error failure(std::string message) {
    return {ErrorCode::unavailable, std::move(message)};
}

// A stream on its way in: whole lines are passed on, a refusal is kept.
struct Lines {
    CURL* curl;
    const std::function<void(std::string_view)>& line;
    std::string& rest;
    long status = 0;
};

std::size_t take_lines(char* data, std::size_t size, std::size_t count, void* self) {
    auto& lines = *static_cast<Lines*>(self);
    lines.rest.append(data, size * count);
    curl_easy_getinfo(lines.curl, CURLINFO_RESPONSE_CODE, &lines.status);
    if (lines.status >= 300)
        return size * count;
    std::size_t begin = 0;
    for (std::size_t end; (end = lines.rest.find('\n', begin)) != std::string::npos;
         begin = end + 1)
        lines.line(std::string_view(lines.rest).substr(begin, end - begin));
    lines.rest.erase(0, begin);
    return size * count;
}

// The daemon's own words, if there are any.
std::string refusal_of(const JsonValue* reply, long status) {
    const JsonValue* error = reply ? reply->find("error") : nullptr;
    const JsonValue* message = error ? error->find("message") : nullptr;
    if (const auto* text = message ? message->as<WipedString>() : nullptr)
        return std::string(*text);
    return "the daemon replied with HTTP status " + std::to_string(status);
}

} // namespace

struct Client::Handle {
    CURL* curl = curl_easy_init();
    curl_slist* headers = curl_slist_append(nullptr, "Content-Type: application/json");
    curl_slist* line_headers = curl_slist_append(nullptr, "Content-Type: application/x-ndjson");

    ~Handle() {
        curl_slist_free_all(headers);
        curl_slist_free_all(line_headers);
        curl_easy_cleanup(curl);
    }

    [[nodiscard]] CURLcode send(const char* verb, const std::string& url, std::string_view body,
                                bool lines, std::string& reply, long& status) const {
        curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
        if (body.empty()) {
            curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
            curl_easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);
        } else {
            // Not copied: it may hold a SAK.
            curl_easy_setopt(curl, CURLOPT_POST, 1L);
            curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.data());
            curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                             static_cast<curl_off_t>(body.size()));
            curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines ? line_headers : headers);
        }
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, verb);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append_reply);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply);
        const CURLcode code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
        return code;
    }
};

std::string api_path(std::initializer_list<std::string_view> segments) {
    std::string path = "/v1";
    for (const auto segment : segments)
        path.append("/").append(control::percent_encode(segment));
    return path;
}

Client::Client(std::string socket_path)
    : socket_path_(std::move(socket_path)), handle_(std::make_unique<Handle>()) {
    CURL* curl = handle_->curl;
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_path_.c_str());
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); // whatever the environment says
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, kReplySeconds);
}

Client::~Client() = default;

Result<JsonValue> Client::call(const char* verb, const std::string& path, std::string_view body,
                               bool lines) {
    raw_.clear();
    long status = 0;
    const CURLcode code = handle_->send(verb, "http://isthmus" + path, body, lines, raw_, status);
    if (code != CURLE_OK && status < 300)
        return failure("cannot reach isthmusd at " + socket_path_ + ": " +
                       curl_easy_strerror(code));
    auto reply = raw_.empty() ? Result<JsonValue>(JsonValue{}) : control::parse_json(raw_);
    refused_ = refused_ || status >= 300;
    if (status >= 300)
        return failure(refusal_of(reply ? &*reply : nullptr, status));
    if (!reply)
        return failure("the reply of " + socket_path_ + " is not JSON: no isthmusd?");
    return reply;
}

Result<void> Client::watch(const std::string& path,
                           const std::function<void(std::string_view)>& line) {
    raw_.clear();
    CURL* curl = handle_->curl;
    Lines lines{curl, line, raw_};
    curl_easy_setopt(curl, CURLOPT_URL, ("http://isthmus" + path).c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, "GET");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_lines);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &lines);
    // Without an end, but not without the comments that come when nothing happens.
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, 0L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kSilenceSeconds);
    const CURLcode code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, kReplySeconds);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, 0L);
    if (lines.status >= 300) {
        refused_ = true;
        const auto reply = control::parse_json(raw_);
        return failure(refusal_of(reply ? &*reply : nullptr, lines.status));
    }
    if (code != CURLE_OK)
        return failure("watching isthmusd at " + socket_path_ + ": " + curl_easy_strerror(code));
    return {};
}

Result<std::string> Context::chosen_edge() {
    if (!edge.empty())
        return edge;
    const auto reply = client.get("/v1/edges");
    if (!reply)
        return reply.error();
    const JsonValue* edges = reply->find("edges");
    std::string names;
    std::string last;
    std::size_t count = 0;
    if (const auto* list = edges ? edges->as<JsonArray>() : nullptr)
        for (const auto& item : *list)
            if (const JsonValue* name = item.find("name")) {
                last = name->text();
                names.append(count++ == 0 ? "" : ", ").append(last);
            }
    if (count != 1)
        return failure("this daemon has the edges " + names + ": choose one with --edge");
    edge = last;
    return edge;
}

Result<std::string> Context::edge_path(std::initializer_list<std::string_view> segments) {
    const auto chosen = chosen_edge();
    if (!chosen)
        return chosen;
    std::string path = api_path({"edges", *chosen});
    for (const auto segment : segments)
        path.append("/").append(control::percent_encode(segment));
    return path;
}

Result<void> Context::change(const char* verb, const std::string& path, std::string_view body) {
    const auto reply = client.call(verb, path, body);
    if (!reply)
        return reply.error();
    if (json && !client.raw().empty())
        print_raw();
    return {};
}

Result<JsonArray> Context::read_list(const std::string& path, const char* name,
                                     const ListArguments& arguments) {
    std::string query;
    for (const auto& [field, value] : arguments.filters)
        if (!value.empty())
            query.append("&").append(field).append("=").append(control::percent_encode(value));
    JsonArray all;
    std::string after;
    do {
        const auto left = arguments.limit.value_or(UINT32_MAX) - all.size();
        auto reply = client.get(path + "?limit=" + std::to_string(std::min(left, kMostOfPage)) +
                                query + after);
        if (!reply)
            return reply.error();
        if (json)
            print_raw();
        const JsonValue* list = reply->find(name);
        const JsonValue* next = reply->find("next");
        if (const auto* items = list ? list->as<JsonArray>() : nullptr)
            all.insert(all.end(), items->begin(), items->end());
        const auto* cursor = next ? next->as<WipedString>() : nullptr;
        after = cursor ? "&after=" + control::percent_encode(*cursor) : "";
    } while (!after.empty() && (!arguments.limit || all.size() < *arguments.limit));
    return all;
}

void Context::print_raw() const {
    std::puts(client.raw().c_str());
}

} // namespace isthmus::ctl
