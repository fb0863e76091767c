// Streams that wait for something to happen, over a real connection.

#include "tests/control/http_fixture.hpp"

#include <list>

namespace isthmus::control {
namespace {

constexpr const char* kWatch = "GET /watch HTTP/1.1\r\nHost: isthmus\r\n\r\n";
std::string log_watchers(Client& client) {
    return body_of(client.ask("GET /watchers HTTP/1.1\r\nHost: isthmus\r\n\r\n"));
}
constexpr const char* kEmit = "GET /emit HTTP/1.1\r\nHost: isthmus\r\n\r\n";

TEST_F(HttpServerTest, AStreamWaitsAndGoesOn) {
    start();
    Client watcher(path_), other(path_);
    EXPECT_EQ(status_of(watcher.ask(kWatch)), "200");
    EXPECT_NE(watcher.all_until("\n\n").find("retry: 1000"), std::string::npos);
    for (int i = 0; i < 3; ++i) { // suspended each time
        usleep(20'000);
        EXPECT_EQ(body_of(other.ask("GET /a HTTP/1.1\r\nHost: isthmus\r\n\r\n")).substr(0, 6),
                  "GET /a");
    }
    stop(); // while it waits
    EXPECT_NE(watcher.all_until("").find("0\r\n\r\n"), std::string::npos);
}

TEST_F(HttpServerTest, AWatcherThatReadsNothingIsToldThatItLagged) {
    start();
    Client watcher(path_), other(path_);
    EXPECT_EQ(status_of(watcher.ask(kWatch)), "200");
    for (int i = 0; i < 10; ++i) // more than the socket and the ring hold together
        EXPECT_EQ(status_of(other.ask(kEmit)), "200");
    const std::string text = watcher.all_until("");
    EXPECT_NE(text.find("event: lagged"), std::string::npos);
    EXPECT_TRUE(text.ends_with("0\r\n\r\n"));
    EXPECT_EQ(body_of(other.ask(kEmit)), "0");
}

TEST_F(HttpServerTest, AWatcherThatHasGoneLeavesItsPlace) {
    start();
    Client other(path_);
    {
        Client watcher(path_);
        EXPECT_EQ(status_of(watcher.ask(kWatch)), "200");
        watcher.all_until("\n\n");
    }
    for (int tries = 0; tries < 100 && log_watchers(other) != "0"; ++tries)
        usleep(100'000);
    EXPECT_EQ(log_watchers(other), "0");
}

TEST_F(HttpServerTest, StopsWithManyStreams) {
    start();
    std::list<Client> watchers;
    for (int i = 0; i < 20; ++i)
        EXPECT_EQ(status_of(watchers.emplace_back(path_).ask(kWatch)), "200");
    Client other(path_);
    EXPECT_EQ(body_of(other.ask(kEmit)), "20"); // some of them are full, others wait
    stop();
}

} // namespace
} // namespace isthmus::control
