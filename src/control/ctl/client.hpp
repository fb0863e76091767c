#pragma once
// Requests to isthmusd over its Unix socket. One thread.

#include "control/json_value.hpp"
#include "isthmus/result.hpp"

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace isthmus::ctl {

using control::JsonArray;
using control::JsonObject;
using control::JsonValue;
using control::WipedString;

// "/v1/a/b%2Fc" of {"a", "b/c"}.
[[nodiscard]] std::string api_path(std::initializer_list<std::string_view> segments);

class Client {
  public:
    explicit Client(std::string socket_path);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // The reply, null if it is empty. `body` is JSON, or lines of it; empty: none.
    [[nodiscard]] Result<JsonValue> call(const char* verb, const std::string& path,
                                         std::string_view body = {}, bool lines = false);
    [[nodiscard]] Result<JsonValue> get(const std::string& path) { return call("GET", path); }

    // Server-Sent Events: calls line(text) for each line until the stream ends.
    [[nodiscard]] Result<void> watch(const std::string& path,
                                     const std::function<void(std::string_view)>& line);

    // The text of the last reply.
    [[nodiscard]] const std::string& raw() const { return raw_; }
    // The daemon answered some request with a refusal.
    [[nodiscard]] bool refused() const { return refused_; }

  private:
    struct Handle;
    std::string socket_path_;
    std::string raw_;
    bool refused_ = false;
    std::unique_ptr<Handle> handle_;
};

// What of a list is shown.
struct ListArguments {
    std::optional<uint32_t> limit;                            // none: all of it
    std::vector<std::pair<std::string, std::string>> filters; // empty values: not given
};

// What every command works with.
struct Context {
    Client& client;
    std::string edge; // empty: not chosen
    bool json = false;
    // For commands that tell something by their exit code: that of success, and 1 for any failure.
    std::optional<int> exit_code = std::nullopt;

    // The chosen edge, or the daemon's only one.
    [[nodiscard]] Result<std::string> chosen_edge();
    // The path of something in that edge.
    [[nodiscard]] Result<std::string> edge_path(std::initializer_list<std::string_view> segments);
    // For commands whose success says nothing: a call, and the raw reply if it is asked for.
    [[nodiscard]] Result<void> change(const char* verb, const std::string& path,
                                      std::string_view body = {});
    // For commands that show something: a GET, whose reply goes to `print`, or out as it came.
    template <class Print>
    [[nodiscard]] Result<void> show(const Result<std::string>& path, const Print& print) {
        if (!path)
            return path.error();
        const auto reply = client.get(*path);
        if (!reply)
            return reply.error();
        if (json)
            print_raw();
        else
            print(*reply);
        return {};
    }
    // The same for a list that comes in pages: `print` gets the elements of all of them.
    template <class Print>
    [[nodiscard]] Result<void> show_list(const Result<std::string>& path, const char* name,
                                         const ListArguments& arguments, const Print& print) {
        if (!path)
            return path.error();
        const auto all = read_list(*path, name, arguments);
        if (!all)
            return all.error();
        if (!json)
            print(*all);
        return {};
    }
    void print_raw() const;

  private:
    // Prints each page as it comes, if that is asked for.
    [[nodiscard]] Result<JsonArray> read_list(const std::string& path, const char* name,
                                              const ListArguments& arguments);
};

} // namespace isthmus::ctl
