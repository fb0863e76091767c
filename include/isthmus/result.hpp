#pragma once
// Result<T>: a value or an Error, for every cold path. Member names follow std::expected, which g++
// 12 lacks. Hot code (workers) never uses it.

#include <string>
#include <utility>
#include <variant>

namespace isthmus {

// What kind of refusal this is; the API maps it to an HTTP status (400, 404, 409, 503, 507, 500).
enum class ErrorCode { invalid, not_found, conflict, unavailable, no_storage, internal };

// `message` is a whole sentence fit for an operator and names what failed, the value and the limit.
// `field`, `value` and `limit` repeat these parts for programs and may be empty.
struct Error {
    ErrorCode code = ErrorCode::internal;
    std::string message{};
    std::string field{};
    std::string value{};
    std::string limit{};
};

// An `invalid` error with the message "FIELD: VALUE is not allowed, expected LIMIT".
[[nodiscard]] inline Error invalid_value(std::string field, std::string value, std::string limit) {
    Error error{ErrorCode::invalid, {}, std::move(field), std::move(value), std::move(limit)};
    error.message = error.field + ": " + error.value + " is not allowed, expected " + error.limit;
    return error;
}

template <class T> class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    [[nodiscard]] T& value() & { return std::get<0>(state_); }
    [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
    [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
    T& operator*() & { return value(); }
    const T& operator*() const& { return value(); }
    T&& operator*() && { return std::move(*this).value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }

    [[nodiscard]] const Error& error() const { return std::get<1>(state_); }

  private:
    std::variant<T, Error> state_;
};

template <> class [[nodiscard]] Result<void> {
  public:
    Result() = default;
    Result(Error error) : error_(std::move(error)), ok_(false) {}

    [[nodiscard]] bool has_value() const noexcept { return ok_; }
    explicit operator bool() const noexcept { return ok_; }
    [[nodiscard]] const Error& error() const { return error_; }

  private:
    Error error_;
    bool ok_ = true;
};

} // namespace isthmus
