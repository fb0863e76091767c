#pragma once
// What the header of a request must be like before its body is read. Control thread.

#include "control/http_message.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

struct MHD_Connection;

namespace isthmus::control {

// Request line and fields; up to the connection's memory the refusal is ours.
inline constexpr std::size_t kMaxHeader = std::size_t{16} << 10;

struct HttpHead {
    HttpRequest request;          // without a body
    std::size_t octets = 0;       // of the request line and the fields
    std::string problem;          // of a field, or of the query; empty: none
    unsigned content_lengths = 0; // how often it is given
    uint64_t content_length = 0;  // UINT64_MAX: more than that
    unsigned transfer_encodings = 0;
    bool chunked = false;
    unsigned hosts = 0;
};

[[nodiscard]] HttpHead read_head(MHD_Connection* connection, const char* url, const char* method);

// A refusal for which the body need not be read. Requests whose end two readers could see at
// different places are refused (RFC 9112, section 6.3). `max_body` octets are taken.
[[nodiscard]] std::optional<HttpResponse> refuse_head(const HttpHead& head, std::size_t max_body);

[[nodiscard]] HttpResponse bad_request(std::string message);
[[nodiscard]] HttpResponse too_large(std::size_t max_body);

} // namespace isthmus::control
