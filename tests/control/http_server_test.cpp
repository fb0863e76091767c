#include "tests/control/http_fixture.hpp"

#include <fstream>

namespace isthmus::control {
namespace {

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

TEST_F(HttpServerTest, GivesPiecesToWhoTakesThem) {
    start();
    Client client(path_);
    client.send("PUT /stream HTTP/1.1\r\nHost: i\r\nContent-Length: 4194304\r\n\r\n");
    ASSERT_TRUE(client.send(std::string(std::size_t{4} << 20, 'x')));
    EXPECT_EQ(body_of(client.receive()), "4194304 in pieces");
    EXPECT_EQ(body_of(client.ask("PUT /stream HTTP/1.1\r\nHost: i\r\nContent-Length: 2\r\n\r\nab")),
              "2 at once");
    Client refused(path_);
    EXPECT_EQ(status_of(refused.ask("PUT /refused HTTP/1.1\r\nHost: i\r\n"
                                    "Content-Length: 400000000\r\n\r\n")),
              "415");
    EXPECT_EQ(requests_, 0);
}

TEST_F(HttpServerTest, AnswersInPieces) {
    start();
    Client client(path_);
    client.send("GET /pieces HTTP/1.0\r\n\r\n"); // the end of the connection is that of the answer
    std::string all;
    for (std::string part; !(part = client.receive()).empty();)
        all += part;
    EXPECT_EQ(body_of(all), "first " + std::string(300'000, 'y'));
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
