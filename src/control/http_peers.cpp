#include "control/http_peers.hpp"

#include "control/http_error.hpp"

#include <algorithm>

#include <sys/socket.h>
#include <unistd.h>

namespace isthmus::control {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr unsigned kRefusalsAtOnce = 16;

std::string_view reason_of(unsigned status) {
    return status == 408 ? "Request Timeout" : status == 429 ? "Too Many Requests" : "Unavailable";
}

// To a client that the library does not know, or waits for. It may not read: what does not fit is
// lost with the connection.
void answer_directly(int fd, const HttpResponse& response) {
    std::string text = "HTTP/1.1 " + std::to_string(response.status) + " ";
    text.append(reason_of(response.status))
        .append("\r\nContent-Type: application/json\r\nContent-Length: ")
        .append(std::to_string(response.body.size()))
        .append("\r\nConnection: close\r\n\r\n")
        .append(response.body);
    static_cast<void>(::send(fd, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL));
}

Error too_many(std::string what, uint64_t limit) {
    const std::string most = std::to_string(limit);
    return {ErrorCode::unavailable, "over " + most + " " + what, "connection", {}, most};
}

} // namespace

std::optional<uid_t> peer_uid(int fd) {
    ucred peer{};
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return std::nullopt;
    return peer.uid;
}

std::optional<HttpResponse> HttpPeers::refuse(std::optional<uid_t> uid) const {
    if (peers_.size() >= limits_.connections)
        return render_error(503, "unavailable", too_many("connections", limits_.connections));
    const auto same = std::ranges::count_if(peers_, [&](Peer* peer) { return peer->uid == uid; });
    if (static_cast<std::size_t>(same) >= limits_.connections_of_peer)
        return render_error(429, "too_many_connections",
                            too_many("connections of this user", limits_.connections_of_peer));
    return std::nullopt;
}

int HttpPeers::accept(int listener) {
    for (unsigned refused = 0; refused < kRefusalsAtOnce; ++refused) {
        const int fd = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return -1;
        const auto refusal = refuse(peer_uid(fd));
        if (!refusal)
            return fd;
        answer_directly(fd, *refusal);
        close(fd);
    }
    return -1;
}

// A bucket that holds the requests of a second.
std::optional<HttpResponse> HttpPeers::refuse_rate(Peer& peer, uint64_t now_ns) const {
    const double rate = limits_.requests_per_second;
    const double passed = static_cast<double>(now_ns - peer.counted_ns) / kSecondNs;
    peer.requests = std::min(rate, peer.requests + passed * rate);
    peer.counted_ns = now_ns;
    if (peer.requests < 1)
        return render_error(429, "too_many_requests",
                            too_many("requests per second", limits_.requests_per_second));
    peer.requests -= 1;
    return std::nullopt;
}

bool HttpPeers::is_late(const Peer& peer, uint64_t now_ns) const {
    const unsigned seconds = peer.phase == Phase::header ? limits_.header_seconds
                             : peer.phase == Phase::body ? limits_.body_seconds
                                                         : limits_.answer_seconds;
    return peer.phase != Phase::stream && now_ns - peer.since_ns > seconds * kSecondNs;
}

void HttpPeers::end_late(uint64_t now_ns) {
    for (Peer* peer : peers_) {
        if (!is_late(*peer, now_ns))
            continue;
        if (peer->phase != Phase::answer)
            answer_directly(peer->fd,
                            render_error(408, "timeout",
                                         {ErrorCode::unavailable,
                                          "the request has not come in time", "request"}));
        // The library sees the end, and closes.
        shutdown(peer->fd, SHUT_RDWR);
        peer->enter(Phase::stream, now_ns);
    }
}

} // namespace isthmus::control
