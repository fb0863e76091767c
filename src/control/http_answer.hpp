#pragma once
// A reply on its way through libmicrohttpd. For http_server.cpp alone; control thread.

#include "control/http_message.hpp"

#include <microhttpd.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace isthmus::control {

// A body that is being sent, counted among what is held.
struct HttpAnswer {
    std::string text;
    std::size_t& held;
    std::function<std::optional<std::string>()> more = {};
    std::size_t sent = 0;

    HttpAnswer(std::string body, std::size_t& counter) : text(std::move(body)), held(counter) {
        held += text.size();
    }
    HttpAnswer(const HttpAnswer&) = delete;
    HttpAnswer& operator=(const HttpAnswer&) = delete;
    ~HttpAnswer() { held -= text.size(); }
};

// nullptr: no memory.
[[nodiscard]] MHD_Response* make_response(std::unique_ptr<HttpAnswer> answer);
void add_headers(MHD_Response* out, const HttpResponse& response, bool has_body, bool close);

} // namespace isthmus::control
