#pragma once
// A server in a thread of its own and clients that speak octets, for http_*_test.cpp.

#include "control/event_stream.hpp"
#include "control/http_server.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace isthmus::control {

inline sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    return address;
}

// A connection that speaks octets, so that what is malformed can be sent.
class Client {
  public:
    explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM, 0)) {
        const sockaddr_un address = address_of(path);
        connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        const timeval limit{10, 0};
        setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    ~Client() { close(fd_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    [[nodiscard]] bool connected() const { return connected_; }

    // False when the server has closed.
    bool send(std::string_view text) {
        while (!text.empty()) {
            const ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (sent <= 0)
                return false;
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }

    // Status line, headers and body of one reply; empty at the end of the connection.
    std::string receive() {
        while (got_.find("\r\n\r\n") == std::string::npos)
            if (!more())
                return std::exchange(got_, {});
        const std::size_t head = got_.find("\r\n\r\n") + 4;
        const std::size_t at = got_.find("Content-Length: ");
        const std::size_t body = at < head ? std::stoul(got_.substr(at + 16)) : 0;
        while (got_.size() < head + body)
            if (!more())
                break;
        std::string reply = got_.substr(0, head + body);
        got_.erase(0, head + body);
        return reply;
    }

    [[nodiscard]] bool readable() const {
        pollfd ready{fd_, POLLIN, 0};
        return poll(&ready, 1, 0) > 0;
    }

    std::string ask(std::string_view text) {
        send(text);
        return receive();
    }

    // All that comes up to a text, or to the end of the connection.
    std::string all_until(std::string_view text) {
        while ((text.empty() || got_.find(text) == std::string::npos) && more()) {
        }
        return std::exchange(got_, {});
    }

  private:
    bool more() {
        char data[4096];
        const ssize_t size = recv(fd_, data, sizeof data, 0);
        if (size > 0)
            got_.append(data, static_cast<std::size_t>(size));
        return size > 0;
    }

    int fd_;
    bool connected_ = false;
    std::string got_;
};

class HttpServerTest : public testing::Test {
  protected:
    HttpServerTest() {
        std::string folder = "/tmp/isthmus-http-XXXXXX";
        EXPECT_NE(mkdtemp(folder.data()), nullptr);
        folder_ = folder;
        path_ = folder_ + "/s.sock";
    }
    ~HttpServerTest() override {
        stop();
        unlink(path_.c_str());
        rmdir(folder_.c_str());
    }

    // Replies with what it was asked.
    HttpResponse echo(const HttpRequest& request) {
        ++requests_;
        if (request.path == "/throw")
            throw std::runtime_error("handler failed");
        if (request.path == "/nothing")
            return {204};
        if (request.path == "/only-get")
            return {405, "{}", "GET, HEAD"};
        if (request.path == "/large")
            return {200, std::string(std::size_t{8} << 20, 'x')};
        if (request.path == "/pieces") {
            HttpResponse response{200, "first "};
            response.more = [left = 3]() mutable {
                return std::optional(left-- > 0 ? std::string(100'000, 'y') : std::string());
            };
            return response;
        }
        if (request.path == "/watch") {
            HttpResponse response{200};
            response.stream = std::make_shared<EventStream>(log_, std::nullopt);
            return response;
        }
        if (request.path == "/watchers")
            return {200, std::to_string(log_.watchers)};
        if (request.path == "/emit") {
            for (int i = 0; i < 500; ++i)
                log_.emit(EventKind::channel_down, "aws/ch1", std::string(500, 'x'));
            return {200, std::to_string(log_.watchers)};
        }
        std::string text = request.method + " " + request.path;
        for (const auto& [name, value] : request.query)
            text += " " + name + "=" + value;
        text += " type=" + request.content_type + " size=" + std::to_string(request.body.size()) +
                " body=" + std::string(request.body.substr(0, 32));
        text += request.peer && request.peer->uid == getuid() ? " own" : " other";
        return {200, text};
    }

    // Counts what it is given, and remembers no more.
    struct Counter : BodySink {
        std::size_t pieces = 0, octets = 0;
        void take(std::string_view piece) override {
            ++pieces;
            octets += piece.size();
        }
        HttpResponse finish() override {
            return {200, std::to_string(octets) + (pieces > 1 ? " in pieces" : " at once")};
        }
    };
    static HttpServer::Opening open(const HttpRequest& request) {
        if (request.path == "/stream")
            return std::make_unique<Counter>();
        if (request.path == "/refused")
            return HttpResponse{415, "{}"};
        return {};
    }

    void start(HttpLimits limits = {}) {
        auto server = HttpServer::start(
            path_, [this](const HttpRequest& request) { return echo(request); }, open, limits);
        ASSERT_TRUE(server) << server.error().message;
        server_ = *std::move(server);
        loop_ = std::thread([this] {
            while (!stopping_) {
                pollfd ready{server_->fd(), POLLIN, 0};
                poll(&ready, 1, std::min(server_->timeout_ms().value_or(10), 10));
                server_->run();
            }
        });
    }
    void stop() {
        stopping_ = true;
        if (loop_.joinable())
            loop_.join();
        server_.reset();
    }

    EventLog log_{{}, 1000};
    std::string folder_, path_;
    std::unique_ptr<HttpServer> server_;
    std::thread loop_;
    std::atomic<bool> stopping_ = false;
    std::atomic<int> requests_ = 0;
};

inline std::string body_of(const std::string& reply) {
    const auto head = reply.find("\r\n\r\n");
    return head == std::string::npos ? "no reply: " + reply : reply.substr(head + 4);
}

inline std::string status_of(const std::string& reply) {
    return reply.starts_with("HTTP/1.1 ") ? reply.substr(9, 3) : "none: " + reply;
}

inline constexpr const char* kGet = "GET /a HTTP/1.1\r\nHost: isthmus\r\n\r\n";

} // namespace isthmus::control
