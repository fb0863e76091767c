#include "control/http_server.hpp"

#include "control/http_error.hpp"
#include "control/unix_listener.hpp"
#include "control/url.hpp"

#include <microhttpd.h>

#include <algorithm>
#include <charconv>
#include <climits>
#include <cstring>
#include <exception>
#include <string_view>

#include <strings.h>
#include <sys/socket.h>

namespace isthmus::control {
namespace {

constexpr unsigned kMaxConnections = 256;
constexpr unsigned kIdleSeconds = 120;
// Of one connection: request line and headers (431 beyond it), and the read buffer of a body.
constexpr std::size_t kConnectionMemory = 64 * 1024;

// What is known of a request before it is whole.
struct Exchange {
    HttpRequest request;
    std::size_t discarded = 0; // octets of a body over the limit
    bool well_formed = true;   // query decoded
};

struct Headers {
    unsigned content_lengths = 0;
    bool transfer_encoding = false;
    bool chunked = false;
    std::string_view content_length;
    std::string_view content_type;
};

bool same_text(std::string_view a, std::string_view b) {
    return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

MHD_Result collect_header(void* out, MHD_ValueKind, const char* name, std::size_t name_size,
                          const char* text, std::size_t size) {
    auto& headers = *static_cast<Headers*>(out);
    const std::string_view key{name, name_size};
    const std::string_view value{text, size};
    if (same_text(key, MHD_HTTP_HEADER_CONTENT_LENGTH)) {
        ++headers.content_lengths;
        headers.content_length = value;
    } else if (same_text(key, MHD_HTTP_HEADER_TRANSFER_ENCODING)) {
        headers.chunked = !headers.transfer_encoding && same_text(value, "chunked");
        headers.transfer_encoding = true;
    } else if (same_text(key, MHD_HTTP_HEADER_CONTENT_TYPE)) {
        headers.content_type = value;
    }
    return MHD_YES;
}

MHD_Result collect_argument(void* out, MHD_ValueKind, const char* name, std::size_t name_size,
                            const char* text, std::size_t size) {
    auto& exchange = *static_cast<Exchange*>(out);
    auto key = percent_decode({name, name_size});
    auto value = percent_decode(text ? std::string_view{text, size} : std::string_view{});
    if (key && value)
        exchange.request.query.emplace_back(std::move(*key), std::move(*value));
    else
        exchange.well_formed = false;
    return MHD_YES;
}

// Paths are decoded after they are split: a prefix holds an encoded '/'.
std::size_t keep_encoded(void*, MHD_Connection*, char* text) {
    return std::strlen(text);
}

std::optional<uid_t> peer_uid(MHD_Connection* connection) {
    const auto* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    ucred peer{};
    socklen_t size = sizeof peer;
    if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return std::nullopt;
    return peer.uid;
}

void delete_text(void* text) {
    delete static_cast<std::string*>(text);
}

MHD_Result reply(MHD_Connection* connection, HttpResponse response, bool close = false) {
    auto body = std::make_unique<std::string>(std::move(response.body));
    MHD_Response* out = MHD_create_response_from_buffer_with_free_callback_cls(
        body->size(), body->data(), delete_text, body.get());
    if (!out)
        return MHD_NO;
    const std::string* sent = body.release(); // delete_text's from now on
    if (!sent->empty())
        MHD_add_response_header(out, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
    if (!response.allow.empty())
        MHD_add_response_header(out, MHD_HTTP_HEADER_ALLOW, response.allow.c_str());
    if (close)
        MHD_add_response_header(out, MHD_HTTP_HEADER_CONNECTION, "close");
    const MHD_Result queued = MHD_queue_response(connection, response.status, out);
    MHD_destroy_response(out);
    return queued;
}

HttpResponse bad_request(std::string message) {
    return render_error({ErrorCode::invalid, std::move(message)});
}

HttpResponse too_large() {
    return render_error(
        413, "too_large",
        invalid_value("body", "a longer one", "at most " + std::to_string(kMaxBody) + " octets"));
}

// A refusal for which the body need not be read. Requests whose end two readers could see at
// different places are refused (RFC 9112, section 6.3).
std::optional<HttpResponse> refuse_early(const Headers& headers) {
    if (headers.content_lengths > 1)
        return bad_request("Content-Length is given twice");
    if (headers.content_lengths == 1 && headers.transfer_encoding)
        return bad_request("Content-Length and Transfer-Encoding are given together");
    if (headers.transfer_encoding && !headers.chunked)
        return bad_request("Transfer-Encoding other than chunked is not supported");
    uint64_t length = 0;
    const auto text = headers.content_length;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    if (headers.content_lengths == 1 && error == std::errc::invalid_argument)
        return bad_request("Content-Length is not a number");
    if (error == std::errc::result_out_of_range || length > kMaxBody)
        return too_large();
    return std::nullopt;
}

} // namespace

struct HttpServer::State {
    Handler handler;
    std::optional<UnixListener> listener;
    MHD_Daemon* daemon = nullptr;

    static MHD_Result on_request(void* self, MHD_Connection* connection, const char* url,
                                 const char* method, const char* version, const char* data,
                                 std::size_t* size, void** context);
    static void on_completed(void*, MHD_Connection*, void** context, MHD_RequestTerminationCode) {
        delete static_cast<Exchange*>(*context);
        *context = nullptr;
    }

    static MHD_Result begin(MHD_Connection* connection, const char* url, const char* method,
                            void** context);
    static MHD_Result receive(Exchange& exchange, const char* data, std::size_t& size);
    MHD_Result finish(MHD_Connection* connection, Exchange& exchange) const;
};

MHD_Result HttpServer::State::begin(MHD_Connection* connection, const char* url, const char* method,
                                    void** context) {
    Headers headers;
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, collect_header, &headers);
    auto exchange = std::make_unique<Exchange>();
    MHD_get_connection_values_n(connection, MHD_GET_ARGUMENT_KIND, collect_argument,
                                exchange.get());
    exchange->request.method = method;
    exchange->request.path = url;
    exchange->request.content_type = headers.content_type;
    exchange->request.peer_uid = peer_uid(connection);
    const bool well_formed = exchange->well_formed;
    *context = exchange.release(); // on_completed's from now on
    if (!well_formed)
        return reply(connection, bad_request("the query is not percent-encoded"), true);
    if (auto refusal = refuse_early(headers))
        return reply(connection, std::move(*refusal), true);
    return MHD_YES;
}

MHD_Result HttpServer::State::receive(Exchange& exchange, const char* data, std::size_t& size) {
    WipedString& body = exchange.request.body;
    if (exchange.discarded == 0 && size <= kMaxBody - body.size()) {
        body.append(data, size);
    } else {
        // Only a chunked body gets here. A reply is possible when it has ended; until then it is
        // read and dropped, but not without end.
        exchange.discarded += size;
        body = WipedString();
        if (exchange.discarded > kMaxBody)
            return MHD_NO;
    }
    // What has been taken may be a SAK. The library shows its own read buffer, ordinary memory of
    // the connection that it does not look at again once `size` says that all was taken; it is only
    // the interface that says const. Left alone, the octets would stay there until the memory has
    // another use.
    OPENSSL_cleanse(const_cast<char*>(data), size);
    size = 0;
    return MHD_YES;
}

MHD_Result HttpServer::State::finish(MHD_Connection* connection, Exchange& exchange) const {
    if (exchange.discarded != 0)
        return reply(connection, too_large(), true);
    HttpResponse response;
    // An exception must not pass through the C library.
    try {
        response = handler(exchange.request);
    } catch (const std::exception& failure) {
        response = render_error({ErrorCode::internal, failure.what()});
    }
    exchange.request.body = WipedString();
    return reply(connection, std::move(response));
}

MHD_Result HttpServer::State::on_request(void* self, MHD_Connection* connection, const char* url,
                                         const char* method, const char*, const char* data,
                                         std::size_t* size, void** context) {
    try {
        if (!*context)
            return begin(connection, url, method, context);
        auto& exchange = *static_cast<Exchange*>(*context);
        if (*size != 0)
            return receive(exchange, data, *size);
        return static_cast<const State*>(self)->finish(connection, exchange);
    } catch (const std::exception&) {
        return MHD_NO; // out of memory: the connection ends
    }
}

HttpServer::HttpServer() : state_(std::make_unique<State>()) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const std::string& socket_path,
                                                      Handler handler) {
    std::unique_ptr<HttpServer> server(new HttpServer);
    State& state = *server->state_;
    state.handler = std::move(handler);
    auto listener = UnixListener::open(socket_path);
    if (!listener)
        return listener.error();
    state.listener.emplace(std::move(*listener));
    const int fd = state.listener->release_fd();
    state.daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, nullptr, nullptr, &State::on_request, &state, MHD_OPTION_LISTEN_SOCKET,
        fd, MHD_OPTION_CONNECTION_LIMIT, kMaxConnections, MHD_OPTION_CONNECTION_TIMEOUT,
        kIdleSeconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_UNESCAPE_CALLBACK, &keep_encoded, nullptr,
        MHD_OPTION_NOTIFY_COMPLETED, &State::on_completed, nullptr, MHD_OPTION_END);
    if (!state.daemon)
        return Error{ErrorCode::unavailable, "socket " + socket_path + ": HTTP does not start",
                     "socket", socket_path};
    return server;
}

HttpServer::~HttpServer() {
    state_->listener.reset(); // the file first: nobody connects to what ends
    if (state_->daemon)
        MHD_stop_daemon(state_->daemon);
}

int HttpServer::fd() const {
    return MHD_get_daemon_info(state_->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
}

void HttpServer::run() {
    MHD_run(state_->daemon);
}

std::optional<int> HttpServer::timeout_ms() const {
    MHD_UNSIGNED_LONG_LONG timeout = 0;
    if (MHD_get_timeout(state_->daemon, &timeout) != MHD_YES)
        return std::nullopt;
    return static_cast<int>(std::min<MHD_UNSIGNED_LONG_LONG>(timeout, INT_MAX));
}

} // namespace isthmus::control
