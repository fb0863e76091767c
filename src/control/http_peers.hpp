#pragma once
// The connections of the control socket: how many there are of whom, how fast they ask, and how
// long a request may take. Control thread.

#include "control/http_message.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include <sys/types.h>

namespace isthmus::control {

// What one client can take from the others. Tests use smaller ones.
struct HttpLimits {
    unsigned connections = 256;
    unsigned connections_of_peer = 192;  // of one user id
    uint32_t requests_per_second = 5000; // of one connection, and as many at once
    // From the end of a request, or the connection's begin, to the whole header of the next one.
    unsigned header_seconds = 75;
    unsigned body_seconds = 60;
    unsigned answer_seconds = 300; // to read an answer that is not made piece by piece
    unsigned idle_seconds = 60;    // without an octet in either direction
    // Of bodies that arrive and answers that are read, of all connections together.
    std::size_t held_octets = std::size_t{256} << 20;
};

enum class Phase : uint8_t { header, body, answer, stream };

struct Peer {
    int fd;
    std::optional<uid_t> uid;
    Phase phase = Phase::header;
    uint64_t since_ns;   // of the phase
    double requests;     // that it may send now
    uint64_t counted_ns; // when `requests` was true

    void enter(Phase next, uint64_t now_ns) {
        phase = next;
        since_ns = now_ns;
    }
};

class HttpPeers {
  public:
    explicit HttpPeers(const HttpLimits& limits) : limits_(limits) {}

    // The next connection that waits on the listening socket; -1: none. Those over the limits are
    // answered (503 in all, 429 of one user) and closed.
    [[nodiscard]] int accept(int listener);
    void add(Peer* peer) { peers_.insert(peer); }
    void remove(Peer* peer) { peers_.erase(peer); }
    [[nodiscard]] bool empty() const { return peers_.empty(); }

    // A refusal if the peer asks faster than it may.
    [[nodiscard]] std::optional<HttpResponse> refuse_rate(Peer& peer, uint64_t now_ns) const;
    // Answers 408 where a request is late, and ends those connections. Cheap; about every second.
    void end_late(uint64_t now_ns);

  private:
    [[nodiscard]] bool is_late(const Peer& peer, uint64_t now_ns) const;
    [[nodiscard]] std::optional<HttpResponse> refuse(std::optional<uid_t> uid) const;

    HttpLimits limits_;
    std::set<Peer*> peers_;
};

[[nodiscard]] std::optional<uid_t> peer_uid(int fd);

} // namespace isthmus::control
