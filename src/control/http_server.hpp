#pragma once
// HTTP/1.1 on a Unix socket by libmicrohttpd, without a thread of its own: the owner's event loop
// watches fd() and calls run(). Control thread only.

#include "control/http_message.hpp"
#include "control/http_peers.hpp"
#include "isthmus/result.hpp"

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

namespace isthmus::control {

// What is read as a whole: reading it holds the control thread up, so that it has to be short.
inline constexpr std::size_t kMaxBody = std::size_t{1} << 20;
inline constexpr std::size_t kMaxDocument = std::size_t{64} << 20; // of POST /v1/apply
// What a BodySink takes, piece by piece.
inline constexpr std::size_t kMaxStreamedBody = std::size_t{512} << 20;

class HttpServer {
  public:
    using Handler = std::function<HttpResponse(const HttpRequest&)>;
    // Looks at a request before its body: nothing special, a refusal, or who takes the body.
    using Opening = std::variant<std::monostate, HttpResponse, std::unique_ptr<BodySink>>;
    using Open = std::function<Opening(const HttpRequest&)>;

    // Listens when it returns. The handler is called by run() with whole requests; bodies are wiped
    // after it.
    [[nodiscard]] static Result<std::unique_ptr<HttpServer>> start(const std::string& socket_path,
                                                                   Handler handler, Open open = {},
                                                                   HttpLimits limits = {},
                                                                   const AccessConfig& access = {});
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;
    // Ends all connections and removes the socket's file.
    ~HttpServer();

    // Readable (EPOLLIN) when run() has something to do.
    [[nodiscard]] int fd() const;
    // Serves what is ready and returns.
    void run();
    // After this many milliseconds run() is due even if fd() is quiet; nothing: never.
    [[nodiscard]] std::optional<int> timeout_ms() const;

  private:
    HttpServer();

    struct State;
    std::unique_ptr<State> state_;
};

} // namespace isthmus::control
