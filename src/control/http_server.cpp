#include "control/http_server.hpp"

#include "control/http_answer.hpp"
#include "control/http_error.hpp"
#include "control/http_head.hpp"
#include "control/http_stream_reply.hpp"
#include "control/unix_listener.hpp"
#include "isthmus/clock.hpp"

#include <microhttpd.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <exception>
#include <string_view>
#include <vector>

#include <malloc.h>
#include <sys/epoll.h>
#include <unistd.h>

namespace isthmus::control {
namespace {

std::size_t most_body(const HttpRequest& request) {
    return request.path == "/v1/apply" ? kMaxDocument : kMaxBody;
}

// Of one connection: request line and headers (431 beyond it), and the read buffer of a body.
constexpr std::size_t kConnectionMemory = 64 * 1024;
// Beyond, what a request has used is given back to the system.
constexpr std::size_t kLargeBody = std::size_t{1} << 20;
constexpr unsigned kAcceptsPerRun = 64;
constexpr unsigned kLastRuns = 16;
constexpr uint64_t kSweepNs = 1'000'000'000;

// A request from its header to the end of its answer.
struct Exchange {
    HttpRequest request;
    std::unique_ptr<BodySink> sink;
    std::size_t received = 0;
    std::optional<HttpResponse> refusal;       // of the body; the rest of it is read and dropped
    std::shared_ptr<HttpStreamReply> streamed; // the reply, if it is one that goes on
};

// Paths are decoded after they are split: a prefix holds an encoded '/'.
std::size_t keep_encoded(void*, MHD_Connection*, char* text) {
    return std::strlen(text);
}

} // namespace

struct HttpServer::State {
    Handler handler;
    Open open;
    HttpLimits limits;
    HttpPeers peers{{}};
    std::optional<UnixListener> listener;
    int listen_fd = -1;
    int epoll = epoll_create1(EPOLL_CLOEXEC); // of the listening socket and the library's epoll
    MHD_Daemon* daemon = nullptr;
    std::size_t held = 0; // octets of bodies and answers
    bool trim = false;    // much memory was given back to the heap
    uint64_t swept_ns = monotonic_ns();
    bool stopping = false;
    std::vector<std::weak_ptr<HttpStreamReply>> streams; // each is owned by its exchange

    State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        for (const int fd : {listen_fd, epoll})
            if (fd >= 0)
                close(fd);
    }

    static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url,
                                 const char* method, const char* version, const char* data,
                                 std::size_t* size, void** context);
    static void on_completed(void* self, MHD_Connection* connection, void** context,
                             MHD_RequestTerminationCode);
    static void on_connection(void* self, MHD_Connection* connection, void** context,
                              MHD_ConnectionNotificationCode code);

    void watch(int fd) const {
        epoll_event event{};
        event.events = EPOLLIN;
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
    MHD_Result reply(MHD_Connection* connection, HttpResponse response, bool close = false);
    MHD_Result begin(MHD_Connection* connection, const char* url, const char* method,
                     void** context);
    std::optional<HttpResponse> admit(Exchange& exchange, const HttpHead& head, Peer& peer);
    MHD_Result receive(Exchange& exchange, const char* data, std::size_t& size);
    void keep(Exchange& exchange, std::string_view piece);
    HttpResponse answer(Exchange& exchange) const;

    MHD_Result reply_stream(MHD_Connection* connection, Exchange& exchange,
                            const HttpResponse& response);
    // Goes on with streams that wait and have something to say; `end`: all of them end.
    void wake_streams(bool end);
};

namespace {

Peer& peer_of(MHD_Connection* connection) {
    const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return *static_cast<Peer*>(info->socket_context);
}

HttpResponse busy(std::size_t most) {
    return render_error(
        {ErrorCode::unavailable,
         "bodies and answers of all clients take over " + std::to_string(most) + " octets",
         "body",
         {},
         std::to_string(most)});
}

} // namespace

void HttpServer::State::on_connection(void* self, MHD_Connection* connection, void** context,
                                      MHD_ConnectionNotificationCode code) {
    auto& state = *static_cast<State*>(self);
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        auto* peer = static_cast<Peer*>(*context);
        state.peers.remove(peer);
        delete peer;
        return;
    }
    const int fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const uint64_t now = monotonic_ns();
    auto* peer = new Peer{
        fd, peer_uid(fd), Phase::header, now, static_cast<double>(state.limits.requests_per_second),
        now};
    state.peers.add(peer);
    *context = peer;
}

void HttpServer::State::on_completed(void* self, MHD_Connection* connection, void** context,
                                     MHD_RequestTerminationCode) {
    auto& state = *static_cast<State*>(self);
    const auto* exchange = static_cast<Exchange*>(*context);
    if (!exchange)
        return;
    state.held -= exchange->request.body.size();
    state.trim = state.trim || exchange->received > kLargeBody;
    delete exchange;
    *context = nullptr;
    peer_of(connection).enter(Phase::header, monotonic_ns());
}

MHD_Result HttpServer::State::reply(MHD_Connection* connection, HttpResponse response, bool close) {
    auto answer = std::make_unique<HttpAnswer>(std::move(response.body), held);
    answer->more = std::move(response.more);
    const bool has_body = !answer->text.empty() || answer->more;
    peer_of(connection).enter(answer->more ? Phase::stream : Phase::answer, monotonic_ns());
    trim = trim || answer->text.size() > kLargeBody;
    MHD_Response* out = make_response(std::move(answer));
    if (!out)
        return MHD_NO;
    add_headers(out, response, has_body, close);
    const MHD_Result queued = MHD_queue_response(connection, response.status, out);
    MHD_destroy_response(out);
    return queued;
}

MHD_Result HttpServer::State::reply_stream(MHD_Connection* connection, Exchange& exchange,
                                           const HttpResponse& response) {
    Peer& peer = peer_of(connection);
    exchange.streamed = std::make_shared<HttpStreamReply>(connection, peer.fd, response.stream);
    MHD_Response* out = exchange.streamed->make_response();
    if (!out)
        return MHD_NO;
    streams.push_back(exchange.streamed);
    peer.enter(Phase::stream, monotonic_ns());
    add_headers(out, response, true, true);
    MHD_add_response_header(out, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    const MHD_Result queued = MHD_queue_response(connection, response.status, out);
    MHD_destroy_response(out);
    return queued;
}

void HttpServer::State::wake_streams(bool end) {
    std::erase_if(streams, [](const auto& stream) { return stream.expired(); });
    if (streams.empty())
        return;
    const uint64_t now = monotonic_ns();
    for (const auto& stream : streams)
        stream.lock()->wake(now, end);
}

// A refusal of what the header says, if there is one.
std::optional<HttpResponse> HttpServer::State::admit(Exchange& exchange, const HttpHead& head,
                                                     Peer& peer) {
    if (auto refusal = peers.refuse_rate(peer, monotonic_ns()))
        return refusal;
    if (auto refusal = refuse_head(head, kMaxStreamedBody))
        return refusal;
    Opening opening = open ? open(exchange.request) : Opening{};
    if (auto* refusal = std::get_if<HttpResponse>(&opening)) {
        // Who has sent a short body does not expect the end of the connection meanwhile.
        if (head.transfer_encodings != 0 || head.content_length > kMaxBody)
            return std::move(*refusal);
        exchange.refusal = std::move(*refusal);
        return std::nullopt;
    }
    if (auto* sink = std::get_if<std::unique_ptr<BodySink>>(&opening)) {
        exchange.sink = std::move(*sink);
        return std::nullopt;
    }
    if (const std::size_t most = most_body(exchange.request); head.content_length > most)
        return too_large(most);
    if (head.content_length != 0 && held + head.content_length > limits.held_octets)
        return busy(limits.held_octets);
    return std::nullopt;
}

MHD_Result HttpServer::State::begin(MHD_Connection* connection, const char* url, const char* method,
                                    void** context) {
    HttpHead head = read_head(connection, url, method);
    auto exchange = std::make_unique<Exchange>();
    exchange->request = std::move(head.request);
    Peer& peer = peer_of(connection);
    exchange->request.peer = credentials_of(peer.fd);
    peer.enter(Phase::body, monotonic_ns());
    auto refusal = admit(*exchange, head, peer);
    *context = exchange.release(); // on_completed's from now on
    return refusal ? reply(connection, std::move(*refusal), true) : MHD_YES;
}

void HttpServer::State::keep(Exchange& exchange, std::string_view piece) {
    WipedString& body = exchange.request.body;
    const std::size_t most = exchange.sink ? kMaxStreamedBody : most_body(exchange.request);
    if (exchange.received > most)
        exchange.refusal = too_large(most);
    else if (exchange.sink)
        exchange.sink->take(piece);
    else if (held + piece.size() > limits.held_octets)
        exchange.refusal = busy(limits.held_octets);
    else {
        body.append(piece);
        held += piece.size();
    }
    if (exchange.refusal) {
        held -= body.size();
        body = WipedString();
        exchange.sink.reset();
    }
}

MHD_Result HttpServer::State::receive(Exchange& exchange, const char* data, std::size_t& size) {
    exchange.received += size;
    // A reply is possible only when the body has ended; until then it is read and dropped, but not
    // without end.
    if (exchange.received > 2 * kMaxStreamedBody)
        return MHD_NO;
    if (!exchange.refusal)
        keep(exchange, {data, size});
    // What has been taken may be a SAK. The library shows its own read buffer, ordinary memory of
    // the connection that it does not look at again once `size` says that all was taken; it is only
    // the interface that says const. Left alone, the octets would stay there until the memory has
    // another use.
    OPENSSL_cleanse(const_cast<char*>(data), size);
    size = 0;
    return MHD_YES;
}

HttpResponse HttpServer::State::answer(Exchange& exchange) const {
    if (exchange.refusal)
        return std::move(*exchange.refusal);
    // Answers that nobody reads must not take all memory.
    if (held > limits.held_octets)
        return busy(limits.held_octets);
    // An exception must not pass through the C library.
    try {
        return exchange.sink ? exchange.sink->finish() : handler(exchange.request);
    } catch (const std::exception& failure) {
        return render_error({ErrorCode::internal, failure.what()});
    }
}

MHD_Result HttpServer::State::on_request(void* self, MHD_Connection* connection, const char* url,
                                         const char* method, const char*, const char* data,
                                         std::size_t* size, void** context) {
    auto& state = *static_cast<State*>(self);
    try {
        if (!*context)
            return state.begin(connection, url, method, context);
        auto& exchange = *static_cast<Exchange*>(*context);
        if (*size != 0)
            return state.receive(exchange, data, *size);
        const bool refused = exchange.refusal && exchange.received > kMaxBody;
        HttpResponse response = state.answer(exchange);
        state.held -= exchange.request.body.size();
        exchange.request.body = WipedString();
        exchange.sink.reset();
        if (response.stream && !state.stopping)
            return state.reply_stream(connection, exchange, response);
        return state.reply(connection, std::move(response), refused);
    } catch (const std::exception&) {
        return MHD_NO; // out of memory: the connection ends
    }
}

HttpServer::HttpServer() : state_(std::make_unique<State>()) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const std::string& socket_path,
                                                      Handler handler, Open open, HttpLimits limits,
                                                      const AccessConfig& access) {
    std::unique_ptr<HttpServer> server(new HttpServer);
    State& state = *server->state_;
    state.handler = std::move(handler);
    state.open = std::move(open);
    state.limits = limits;
    state.peers = HttpPeers(limits);
    auto listener = UnixListener::open(socket_path, access);
    if (!listener)
        return listener.error();
    state.listener.emplace(std::move(*listener));
    state.listen_fd = state.listener->release_fd();
    state.daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, nullptr, nullptr,
        &State::on_request, &state, MHD_OPTION_CONNECTION_LIMIT, limits.connections,
        MHD_OPTION_CONNECTION_TIMEOUT, limits.idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        kConnectionMemory, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK,
        &keep_encoded, nullptr, MHD_OPTION_NOTIFY_COMPLETED, &State::on_completed, &state,
        MHD_OPTION_NOTIFY_CONNECTION, &State::on_connection, &state, MHD_OPTION_END);
    if (!state.daemon)
        return Error{ErrorCode::unavailable, "socket " + socket_path + ": HTTP does not start",
                     "socket", socket_path};
    state.watch(state.listen_fd);
    state.watch(MHD_get_daemon_info(state.daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    return server;
}

HttpServer::~HttpServer() {
    state_->listener.reset(); // the file first: nobody connects to what ends
    if (!state_->daemon)
        return;
    // The library ends no connection that is suspended. Who reads gets the last words, nobody is
    // waited for.
    state_->stopping = true;
    for (unsigned i = 0; i < kLastRuns; ++i) {
        state_->wake_streams(true);
        MHD_run(state_->daemon);
    }
    MHD_stop_daemon(state_->daemon);
}

int HttpServer::fd() const {
    return state_->epoll;
}

void HttpServer::run() {
    State& state = *state_;
    for (unsigned i = 0; i < kAcceptsPerRun; ++i) {
        const int fd = state.peers.accept(state.listen_fd);
        if (fd < 0)
            break;
        // The library looks at the family alone. It closes what it does not take.
        const sockaddr address{AF_UNIX, {}};
        MHD_add_connection(state.daemon, fd, &address, sizeof address);
    }
    state.wake_streams(false);
    MHD_run(state.daemon);
    const uint64_t now = monotonic_ns();
    if (now - state.swept_ns >= kSweepNs) {
        state.swept_ns = now;
        state.peers.end_late(now);
        if (std::exchange(state.trim, false))
            malloc_trim(0);
    }
}

std::optional<int> HttpServer::timeout_ms() const {
    MHD_UNSIGNED_LONG_LONG timeout = 0;
    const bool due = MHD_get_timeout(state_->daemon, &timeout) == MHD_YES;
    if (!due && state_->peers.empty() && !state_->trim)
        return std::nullopt;
    constexpr MHD_UNSIGNED_LONG_LONG kSweepMs = kSweepNs / 1'000'000;
    return static_cast<int>(due ? std::min(timeout, kSweepMs) : kSweepMs);
}

} // namespace isthmus::control
