#include "control/http_server.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <string>
#include <thread>

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace isthmus::control {
namespace {

sockaddr_un address_of(const std::string& path) {
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

    std::string ask(std::string_view text) {
        send(text);
        return receive();
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
        std::string text = request.method + " " + request.path;
        for (const auto& [name, value] : request.query)
            text += " " + name + "=" + value;
        text += " type=" + request.content_type + " size=" + std::to_string(request.body.size()) +
                " body=" + std::string(request.body.substr(0, 32));
        text += request.peer_uid == getuid() ? " own" : " other";
        return {200, text};
    }

    void start() {
        auto server =
            HttpServer::start(path_, [this](const HttpRequest& request) { return echo(request); });
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

    std::string folder_, path_;
    std::unique_ptr<HttpServer> server_;
    std::thread loop_;
    std::atomic<bool> stopping_ = false;
    std::atomic<int> requests_ = 0;
};

std::string body_of(const std::string& reply) {
    const auto head = reply.find("\r\n\r\n");
    return head == std::string::npos ? "no reply: " + reply : reply.substr(head + 4);
}

std::string status_of(const std::string& reply) {
    return reply.starts_with("HTTP/1.1 ") ? reply.substr(9, 3) : "none: " + reply;
}

constexpr const char* kGet = "GET /a HTTP/1.1\r\nHost: isthmus\r\n\r\n";

TEST_F(HttpServerTest, KeepsConnectionsOpen) {
    start();
    Client client(path_);
    for (int i = 0; i < 3; ++i)
        EXPECT_EQ(body_of(client.ask(kGet)), "GET /a type= size=0 body= own");
    // Sent at once, answered in order.
    client.send(std::string(kGet) + "GET /b HTTP/1.1\r\nHost: isthmus\r\n\r\n");
    EXPECT_TRUE(body_of(client.receive()).starts_with("GET /a "));
    EXPECT_TRUE(body_of(client.receive()).starts_with("GET /b "));
    EXPECT_EQ(requests_, 5);
}

TEST_F(HttpServerTest, IdleClientHoldsNobodyUp) {
    start();
    Client idle(path_);
    EXPECT_EQ(status_of(idle.ask(kGet)), "200");
    Client slow(path_);
    slow.send("GET /a HT");
    Client other(path_);
    EXPECT_EQ(status_of(other.ask(kGet)), "200");
    slow.send("TP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_EQ(status_of(slow.receive()), "200");
    EXPECT_EQ(status_of(idle.ask(kGet)), "200");
}

TEST_F(HttpServerTest, GivesBodyTypeAndQuery) {
    start();
    Client client(path_);
    EXPECT_EQ(body_of(client.ask("PATCH /v1/a%2Fb?channel=c%20h&x HTTP/1.1\r\nHost: i\r\n"
                                 "Content-Type: application/json\r\nContent-Length: 7\r\n\r\n"
                                 "{\"a\":1}")),
              "PATCH /v1/a%2Fb channel=c h x= type=application/json size=7 body={\"a\":1} own");
    EXPECT_EQ(body_of(client.ask("PUT /c HTTP/1.1\r\nHost: i\r\nTransfer-Encoding: chunked\r\n\r\n"
                                 "2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")),
              "PUT /c type= size=5 body=abcde own");
}

TEST_F(HttpServerTest, RepliesWithoutBody) {
    start();
    Client client(path_);
    const std::string reply = client.ask("DELETE /nothing HTTP/1.1\r\nHost: i\r\n\r\n");
    EXPECT_EQ(status_of(reply), "204");
    EXPECT_EQ(body_of(reply), "");
    const std::string refusal = client.ask("POST /only-get HTTP/1.1\r\nHost: i\r\n"
                                           "Content-Length: 0\r\n\r\n");
    EXPECT_EQ(status_of(refusal), "405");
    EXPECT_NE(refusal.find("Allow: GET, HEAD\r\n"), std::string::npos);
}

TEST_F(HttpServerTest, ExceptionsBecomeReplies) {
    start();
    Client client(path_);
    const std::string reply = client.ask("GET /throw HTTP/1.1\r\nHost: i\r\n\r\n");
    EXPECT_EQ(status_of(reply), "500");
    EXPECT_EQ(body_of(reply), R"({"error":{"code":"internal","message":"handler failed"}})");
    EXPECT_EQ(status_of(client.ask(kGet)), "200");
}

// Where two readers could see different ends of a request, it is refused and nothing after it is
// read.
TEST_F(HttpServerTest, RefusesAmbiguousLengths) {
    start();
    const char* rows[] = {
        "Content-Length: 2\r\nContent-Length: 3\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n",
        "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: gzip\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: abc\r\n",
    };
    for (const char* headers : rows) {
        Client client(path_);
        const std::string reply = client.ask("POST /a HTTP/1.1\r\nHost: i\r\n" +
                                             std::string(headers) + "\r\n{}GET /b HTTP/1.1\r\n");
        EXPECT_EQ(status_of(reply), "400") << headers;
        // The library's own refusals may come in pieces; then the connection ends.
        while (!client.receive().empty()) {
        }
    }
    EXPECT_EQ(requests_, 0);
}

TEST_F(HttpServerTest, RefusesWhatIsNotHttp) {
    start();
    const char* rows[] = {
        "nonsense\r\n\r\n",
        "GET /a HTTP/1.1\r\n\r\n", // no Host
        "GET /a%zz?b=%zz HTTP/1.1\r\nHost: i\r\n\r\n",
    };
    for (const char* text : rows) {
        Client client(path_);
        const std::string reply = client.ask(text);
        EXPECT_TRUE(reply.empty() || status_of(reply) == "400") << text << reply;
    }
    {
        Client client(path_);
        client.send(std::string("\x16\x03\x01\0\0", 5)); // a TLS hello, and gone
    }
    Client client(path_);
    EXPECT_EQ(status_of(client.ask("GET /a HTTP/1.1\r\nHost: i\r\nX: " + std::string(200'000, 'x') +
                                   "\r\n\r\n")),
              "431");
    EXPECT_EQ(requests_, 0);
    Client good(path_);
    EXPECT_EQ(status_of(good.ask(kGet)), "200");
}

TEST_F(HttpServerTest, RefusesLargeBodies) {
    start();
    Client announced(path_);
    EXPECT_EQ(status_of(announced.ask("PUT /a HTTP/1.1\r\nHost: i\r\nContent-Length: 67108865\r\n"
                                      "Expect: 100-continue\r\n\r\n")),
              "413");
    Client enormous(path_);
    EXPECT_EQ(status_of(enormous.ask("PUT /a HTTP/1.1\r\nHost: i\r\n"
                                     "Content-Length: 99999999999999999999999\r\n\r\n"))
                  .substr(0, 1),
              "4");
    // One octet over, without saying so before.
    Client chunked(path_);
    chunked.send("PUT /a HTTP/1.1\r\nHost: i\r\nTransfer-Encoding: chunked\r\n\r\n");
    const std::string chunk = "100000\r\n" + std::string(0x100000, 'x') + "\r\n";
    for (int i = 0; i < 64; ++i)
        ASSERT_TRUE(chunked.send(chunk));
    EXPECT_EQ(status_of(chunked.ask("1\r\nx\r\n0\r\n\r\n")), "413");
    EXPECT_EQ(requests_, 0);
}

TEST_F(HttpServerTest, TakesBodiesUpToTheLimit) {
    start();
    Client client(path_);
    client.send("PUT /a HTTP/1.1\r\nHost: i\r\nContent-Length: 67108864\r\n\r\n");
    const std::string piece(0x100000, 'x');
    for (int i = 0; i < 64; ++i)
        ASSERT_TRUE(client.send(piece));
    EXPECT_TRUE(body_of(client.receive()).starts_with("PUT /a type= size=67108864 "));
}

TEST_F(HttpServerTest, ClientThatLeavesEarly) {
    start();
    {
        Client client(path_);
        client.send("PUT /a HTTP/1.1\r\nHost: i\r\nContent-Length: 1000\r\n\r\nabc");
    }
    Client client(path_);
    EXPECT_EQ(status_of(client.ask(kGet)), "200");
    EXPECT_EQ(requests_, 1);
}

TEST_F(HttpServerTest, SocketIsForOwnerAndGroup) {
    start();
    struct stat file {};
    ASSERT_EQ(stat(path_.c_str(), &file), 0);
    EXPECT_TRUE(S_ISSOCK(file.st_mode));
    EXPECT_EQ(file.st_mode & 0777, 0660u);
    stop();
    EXPECT_NE(stat(path_.c_str(), &file), 0);
}

TEST_F(HttpServerTest, ReplacesStaleSocketOnly) {
    {
        const int dead = socket(AF_UNIX, SOCK_STREAM, 0);
        const sockaddr_un address = address_of(path_);
        ASSERT_EQ(bind(dead, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        ASSERT_EQ(listen(dead, 1), 0);
        close(dead);
    }
    start();
    Client client(path_);
    EXPECT_EQ(status_of(client.ask(kGet)), "200");
    const auto second = HttpServer::start(path_, [](const HttpRequest&) { return HttpResponse{}; });
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message,
              "socket " + path_ + ": another process accepts connections on it");
    EXPECT_EQ(status_of(client.ask(kGet)), "200");
}

TEST_F(HttpServerTest, LeavesOtherFilesAlone) {
    std::ofstream(path_) << "precious";
    const auto server = HttpServer::start(path_, [](const HttpRequest&) { return HttpResponse{}; });
    ASSERT_FALSE(server);
    EXPECT_EQ(server.error().message, "socket " + path_ + ": the path exists and is not a socket");
    std::string content;
    std::ifstream(path_) >> content;
    EXPECT_EQ(content, "precious");
    const auto elsewhere = HttpServer::start(path_ + "/none/s.sock",
                                             [](const HttpRequest&) { return HttpResponse{}; });
    ASSERT_FALSE(elsewhere);
    EXPECT_NE(elsewhere.error().message.find("cannot make its folder"), std::string::npos);
}

// /run/isthmus does not exist after a boot.
TEST_F(HttpServerTest, MakesItsFolder) {
    const std::string path = folder_ + "/run/s.sock";
    {
        const auto server =
            HttpServer::start(path, [](const HttpRequest&) { return HttpResponse{}; });
        ASSERT_TRUE(server) << server.error().message;
        EXPECT_EQ(access(path.c_str(), F_OK), 0);
    }
    EXPECT_EQ(rmdir((folder_ + "/run").c_str()), 0) << "the socket is gone";
}

// A daemon that ends must not remove the socket of its successor.
TEST_F(HttpServerTest, LeavesSuccessorsSocketAlone) {
    start();
    unlink(path_.c_str());
    auto successor = HttpServer::start(path_, [](const HttpRequest&) { return HttpResponse{}; });
    ASSERT_TRUE(successor) << successor.error().message;
    stop();
    Client client(path_);
    EXPECT_TRUE(client.connected());
}

} // namespace
} // namespace isthmus::control
