#pragma once
// A BodyStream on its way through libmicrohttpd: suspended while it has nothing to say, so that it
// costs no polling of the connection. Control thread only.

#include "control/http_stream.hpp"
#include "isthmus/clock.hpp"

#include <microhttpd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <poll.h>

namespace isthmus::control {

class HttpStreamReply {
    static constexpr std::size_t kBlock = std::size_t{16} << 10;
    static constexpr uint64_t kLookNs = 1'000'000'000;

  public:
    HttpStreamReply(MHD_Connection* connection, int fd, std::shared_ptr<BodyStream> stream)
        : connection_(connection), fd_(fd), stream_(std::move(stream)) {}

    // Lives no longer than this.
    [[nodiscard]] MHD_Response* make_response() {
        const auto reader = [](void* self, uint64_t, char* out, std::size_t room) -> ssize_t {
            try {
                return static_cast<HttpStreamReply*>(self)->read(out, room);
            } catch (const std::exception&) {
                return MHD_CONTENT_READER_END_WITH_ERROR;
            }
        };
        return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, kBlock, reader, this, nullptr);
    }

    // For the library's content reader.
    ssize_t read(char* out, std::size_t room) {
        if (gone_)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (rest_.empty()) {
            auto more = stream_->next(monotonic_ns());
            if (!more)
                return MHD_CONTENT_READER_END_OF_STREAM;
            rest_ = std::move(*more);
        }
        if (rest_.empty() && ending_)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (rest_.empty()) {
            suspended_ = true;
            MHD_suspend_connection(connection_);
            return 0;
        }
        const std::size_t taken = std::min(room, rest_.size());
        rest_.copy(out, taken);
        rest_.erase(0, taken);
        return static_cast<ssize_t>(taken);
    }

    // `end`: the reply ends with what there is to say by now.
    void wake(uint64_t now_ns, bool end) {
        ending_ = ending_ || end;
        gone_ = gone_ || (suspended_ && is_gone(now_ns));
        if (!suspended_ || !(ending_ || gone_ || stream_->ready(now_ns)))
            return;
        suspended_ = false;
        MHD_resume_connection(connection_);
    }

  private:
    // The library does not see that a client goes while its connection is suspended.
    [[nodiscard]] bool is_gone(uint64_t now_ns) {
        if (now_ns - looked_ns_ < kLookNs)
            return false;
        looked_ns_ = now_ns;
        pollfd client{fd_, 0, 0};
        return poll(&client, 1, 0) == 1;
    }

    MHD_Connection* connection_;
    int fd_;
    std::shared_ptr<BodyStream> stream_;
    std::string rest_;
    uint64_t looked_ns_ = 0;
    bool suspended_ = false;
    bool gone_ = false;
    bool ending_ = false;
};

} // namespace isthmus::control
