#include "control/http_head.hpp"

#include "control/http_error.hpp"
#include "control/url.hpp"

#include <microhttpd.h>

#include <algorithm>
#include <charconv>

#include <strings.h>

namespace isthmus::control {
namespace {

bool same_text(std::string_view a, std::string_view b) {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

// tchar of RFC 9110, section 5.6.2.
bool is_token(std::string_view text) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::ranges::all_of(text, [&](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               kMarks.find(c) != std::string_view::npos;
    });
}

bool has_control_octet(std::string_view text) {
    return std::ranges::any_of(
        text, [](char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f; });
}

// "+1", "1x" and "" are refused by the library before it calls us; this does not rely on it.
void read_content_length(HttpHead& head, std::string_view text) {
    ++head.content_lengths;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), head.content_length);
    if (error == std::errc::result_out_of_range)
        head.content_length = UINT64_MAX;
    else if (error != std::errc{} || end != text.data() + text.size())
        head.problem = "Content-Length is not a number";
}

// Several fields of one name are one list (RFC 9110, section 5.3).
void join(std::optional<std::string>& list, std::string_view text) {
    if (list)
        list->append(", ").append(text);
    else
        list = text;
}

MHD_Result collect_header(void* out, MHD_ValueKind, const char* name, std::size_t name_size,
                          const char* text, std::size_t size) {
    auto& head = *static_cast<HttpHead*>(out);
    const std::string_view key{name, name_size};
    const std::string_view value = text ? std::string_view{text, size} : std::string_view{};
    if (!is_token(key) || has_control_octet(value))
        head.problem = "a header field is not well formed";
    else if (same_text(key, MHD_HTTP_HEADER_CONTENT_LENGTH))
        read_content_length(head, value);
    else if (same_text(key, MHD_HTTP_HEADER_TRANSFER_ENCODING))
        head.chunked = ++head.transfer_encodings == 1 && same_text(value, "chunked");
    else if (same_text(key, MHD_HTTP_HEADER_HOST))
        ++head.hosts;
    else if (same_text(key, MHD_HTTP_HEADER_CONTENT_TYPE))
        head.request.content_type = value;
    else if (same_text(key, MHD_HTTP_HEADER_ACCEPT))
        head.request.accept = value;
    else if (same_text(key, MHD_HTTP_HEADER_IF_MATCH))
        join(head.request.if_match, value);
    else if (same_text(key, MHD_HTTP_HEADER_IF_NONE_MATCH))
        join(head.request.if_none_match, value);
    else if (same_text(key, "Last-Event-ID"))
        head.request.last_event_id = value;
    return MHD_YES;
}

MHD_Result collect_argument(void* out, MHD_ValueKind, const char* name, std::size_t name_size,
                            const char* text, std::size_t size) {
    auto& head = *static_cast<HttpHead*>(out);
    auto key = percent_decode({name, name_size});
    auto value = percent_decode(text ? std::string_view{text, size} : std::string_view{});
    if (key && value)
        head.request.query.emplace_back(std::move(*key), std::move(*value));
    else
        head.problem = "the query is not percent-encoded";
    return MHD_YES;
}

} // namespace

HttpHead read_head(MHD_Connection* connection, const char* url, const char* method) {
    HttpHead head;
    MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, collect_argument, &head);
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, collect_header, &head);
    if (const auto* info =
            MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE))
        head.octets = info->header_size;
    head.request.method = method;
    head.request.path = url;
    return head;
}

std::optional<HttpResponse> refuse_head(const HttpHead& head, std::size_t max_body) {
    if (head.octets > kMaxHeader)
        return render_error(431, "header_too_large",
                            invalid_value("header", std::to_string(head.octets) + " octets",
                                          "at most " + std::to_string(kMaxHeader)));
    if (!head.problem.empty())
        return bad_request(head.problem);
    if (head.content_lengths > 1)
        return bad_request("Content-Length is given twice");
    if (head.content_lengths == 1 && head.transfer_encodings != 0)
        return bad_request("Content-Length and Transfer-Encoding are given together");
    if (head.transfer_encodings != 0 && !head.chunked)
        return bad_request("Transfer-Encoding other than chunked is not supported");
    if (head.hosts > 1)
        return bad_request("Host is given twice");
    if (head.content_length > max_body)
        return too_large(max_body);
    return std::nullopt;
}

HttpResponse bad_request(std::string message) {
    return render_error({ErrorCode::invalid, std::move(message)});
}

HttpResponse too_large(std::size_t max_body) {
    return render_error(
        413, "too_large",
        invalid_value("body", "a longer one", "at most " + std::to_string(max_body) + " octets"));
}

} // namespace isthmus::control
