// What one client of the control socket cannot do to it.

#include "tests/control/http_fixture.hpp"

namespace isthmus::control {
namespace {

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
        "Content-Length: +2\r\n",
        "Content-Length: 2, 2\r\n",
        "Content-Length: 0x2\r\n",
        "Content-Length: \r\n",
        "Content-Length : 2\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: \r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        "Host: j\r\n",
        "X Y: 2\r\n",
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
    Client long_header(path_);
    const std::string refusal = long_header.ask(
        "GET /a HTTP/1.1\r\nHost: i\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n");
    EXPECT_EQ(status_of(refusal), "431");
    EXPECT_NE(refusal.find("at most 16384"), std::string::npos) << refusal;
    EXPECT_EQ(requests_, 0);
    Client good(path_);
    EXPECT_EQ(status_of(good.ask(kGet)), "200");
}

TEST_F(HttpServerTest, RefusesLargeBodies) {
    start();
    Client announced(path_);
    EXPECT_EQ(status_of(announced.ask("PUT /a HTTP/1.1\r\nHost: i\r\nContent-Length: 1048577\r\n"
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
    ASSERT_TRUE(chunked.send("100000\r\n" + std::string(kMaxBody, 'x') + "\r\n"));
    EXPECT_EQ(status_of(chunked.ask("1\r\nx\r\n0\r\n\r\n")), "413");
    EXPECT_EQ(requests_, 0);
}

TEST_F(HttpServerTest, TakesBodiesUpToTheLimit) {
    start();
    Client client(path_);
    client.send("PUT /a HTTP/1.1\r\nHost: i\r\nContent-Length: 1048576\r\n\r\n");
    ASSERT_TRUE(client.send(std::string(kMaxBody, 'x')));
    EXPECT_TRUE(body_of(client.receive()).starts_with("PUT /a type= size=1048576 "));
}

// Bodies of all connections together.
TEST_F(HttpServerTest, HoldsOnlySoMuch) {
    HttpLimits limits;
    limits.held_octets = 3 * kMaxBody / 2;
    start(limits);
    const std::string head = "PUT /a HTTP/1.1\r\nHost: i\r\nContent-Length: 1048576\r\n\r\n";
    Client first(path_);
    first.send(head + std::string(kMaxBody - 1, 'x'));
    Client other(path_);
    while (status_of(other.ask(kGet)) != "200") {
    }
    Client second(path_);
    std::string status = status_of(second.ask(head));
    EXPECT_EQ(status, "503");
    first.send("x");
    EXPECT_EQ(status_of(first.receive()), "200");
    Client third(path_);
    third.send(head + std::string(kMaxBody, 'x'));
    EXPECT_EQ(status_of(third.receive()), "200");
}

// Who reads nothing of a large answer holds nobody up.
TEST_F(HttpServerTest, SlowReaderHoldsNobodyUp) {
    start();
    Client slow(path_);
    slow.send("GET /large HTTP/1.1\r\nHost: i\r\n\r\n");
    Client other(path_);
    for (int i = 0; i < 10; ++i)
        EXPECT_EQ(status_of(other.ask(kGet)), "200");
    EXPECT_EQ(body_of(slow.receive()).size(), std::size_t{8} << 20);
}

TEST_F(HttpServerTest, LimitsConnections) {
    HttpLimits limits;
    limits.connections = 4;
    limits.connections_of_peer = 2;
    start(limits);
    {
        Client first(path_), second(path_);
        EXPECT_EQ(status_of(first.ask(kGet)), "200");
        EXPECT_EQ(status_of(second.ask(kGet)), "200");
        Client third(path_);
        const std::string refusal = third.receive();
        EXPECT_EQ(status_of(refusal), "429");
        EXPECT_NE(refusal.find("too_many_connections"), std::string::npos) << refusal;
        EXPECT_EQ(status_of(first.ask(kGet)), "200");
    }
    std::string status;
    for (int i = 0; i < 1000 && status != "200"; ++i) {
        Client later(path_);
        later.send(kGet);
        status = status_of(later.receive());
    }
    EXPECT_EQ(status, "200");
    stop();
    limits.connections_of_peer = 9;
    stopping_ = false;
    start(limits);
    Client all[4] = {Client(path_), Client(path_), Client(path_), Client(path_)};
    for (Client& one : all)
        EXPECT_EQ(status_of(one.ask(kGet)), "200");
    Client over(path_);
    EXPECT_EQ(status_of(over.receive()), "503");
}

TEST_F(HttpServerTest, LimitsTheRateOfRequests) {
    HttpLimits limits;
    limits.requests_per_second = 20;
    start(limits);
    Client client(path_);
    std::string reply;
    int served = 0;
    while (status_of(reply = client.ask(kGet)) == "200" && served < 10'000)
        ++served;
    EXPECT_EQ(status_of(reply), "429") << served;
    EXPECT_NE(reply.find("Retry-After: 1\r\n"), std::string::npos);
    EXPECT_GE(served, 20);
    Client other(path_);
    EXPECT_EQ(status_of(other.ask(kGet)), "200");
}

// Whoever sends an octet now and then is not idle, and still has to come to an end.
TEST_F(HttpServerTest, RequestsEndInTime) {
    HttpLimits limits;
    limits.header_seconds = limits.body_seconds = 1;
    start(limits);
    for (const char* begin :
         {"GET /a HTTP/1.1\r\nX: ", "PUT /a HTTP/1.1\r\nHost: i\r\nContent-Length: 99\r\n\r\n"}) {
        Client client(path_);
        client.send(begin);
        while (client.send("x") && !client.readable())
            usleep(100'000);
        EXPECT_EQ(status_of(client.receive()), "408") << begin;
        EXPECT_EQ(client.receive(), "");
    }
    // A client that does not read its answer.
    limits.answer_seconds = 1;
    stop();
    stopping_ = false;
    start(limits);
    Client slow(path_);
    slow.send("GET /large HTTP/1.1\r\nHost: i\r\n\r\n");
    sleep(4);
    EXPECT_LT(body_of(slow.receive()).size(), std::size_t{8} << 20);
    EXPECT_EQ(requests_, 1);
}

} // namespace
} // namespace isthmus::control
