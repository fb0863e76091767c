#pragma once
// A request and its reply, as plain values between the HTTP server and the API.

#include "control/wipe.hpp"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/types.h>

namespace isthmus::control {

struct HttpRequest {
    std::string method;
    std::string path;                                       // without query, not decoded
    std::vector<std::pair<std::string, std::string>> query; // decoded, in order
    std::string content_type;                               // empty: no such header
    WipedString body;
    std::optional<uid_t> peer_uid; // from the kernel
};

struct HttpResponse {
    unsigned status = 200;
    std::string body = {};  // JSON; empty: none
    std::string allow = {}; // with 405
};

} // namespace isthmus::control
