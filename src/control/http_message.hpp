#pragma once
// A request and its reply, as plain values between the HTTP server and the API.

#include "control/http_stream.hpp"
#include "control/roles.hpp"
#include "control/wipe.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace isthmus::control {

struct HttpRequest {
    std::string method;
    std::string path;                                       // without query, not decoded
    std::vector<std::pair<std::string, std::string>> query; // decoded, in order
    std::string content_type;                               // empty: no such header
    std::string accept;
    std::optional<std::string> if_match, if_none_match, last_event_id;
    WipedString body;
    std::optional<Credentials> peer; // from the kernel
};

struct HttpResponse {
    unsigned status = 200;
    std::string body = {};  // JSON unless content_type says otherwise; empty: none
    std::string allow = {}; // with 405
    std::string etag = {};
    std::string_view content_type = "application/json";
    // What follows the body, piece by piece as the client reads: an empty piece is the end, none
    // breaks the connection off.
    std::function<std::optional<std::string>()> more = {};
    // In place of a body: what comes as it happens.
    std::shared_ptr<BodyStream> stream = {};
};

// Takes the body of a request as it arrives, instead of HttpRequest::body.
class BodySink {
  public:
    virtual ~BodySink() = default;
    virtual void take(std::string_view piece) = 0;
    // The body has ended.
    [[nodiscard]] virtual HttpResponse finish() = 0;
};

} // namespace isthmus::control
