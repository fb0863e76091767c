#include "control/http_answer.hpp"

#include <exception>

namespace isthmus::control {
namespace {

constexpr std::size_t kStreamBlock = 32 * 1024;

void delete_answer(void* answer) {
    delete static_cast<HttpAnswer*>(answer);
}

ssize_t read_answer(void* self, uint64_t, char* out, std::size_t size) {
    auto& answer = *static_cast<HttpAnswer*>(self);
    try {
        if (answer.sent == answer.text.size()) {
            auto next = answer.more();
            if (!next)
                return MHD_CONTENT_READER_END_WITH_ERROR;
            answer.held += next->size() - answer.text.size();
            answer.text = *std::move(next);
            answer.sent = 0;
        }
    } catch (const std::exception&) {
        return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (answer.text.empty())
        return MHD_CONTENT_READER_END_OF_STREAM;
    const std::size_t copied = answer.text.copy(out, size, answer.sent);
    answer.sent += copied;
    return static_cast<ssize_t>(copied);
}

} // namespace

MHD_Response* make_response(std::unique_ptr<HttpAnswer> answer) {
    MHD_Response* out =
        answer->more ? MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, kStreamBlock,
                                                         read_answer, answer.get(), delete_answer)
                     : MHD_create_response_from_buffer_with_free_callback_cls(
                           answer->text.size(), answer->text.data(), delete_answer, answer.get());
    if (out)
        static_cast<void>(answer.release()); // delete_answer's from now on
    return out;
}

void add_headers(MHD_Response* out, const HttpResponse& response, bool has_body, bool close) {
    if (has_body)
        MHD_add_response_header(out, MHD_HTTP_HEADER_CONTENT_TYPE,
                                std::string(response.content_type).c_str());
    if (!response.allow.empty())
        MHD_add_response_header(out, MHD_HTTP_HEADER_ALLOW, response.allow.c_str());
    if (!response.etag.empty())
        MHD_add_response_header(out, MHD_HTTP_HEADER_ETAG, response.etag.c_str());
    if (response.status == MHD_HTTP_TOO_MANY_REQUESTS)
        MHD_add_response_header(out, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    if (close)
        MHD_add_response_header(out, MHD_HTTP_HEADER_CONNECTION, "close");
}

} // namespace isthmus::control
