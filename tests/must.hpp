#pragma once
// Unwraps a Result where a failure ends the test.

#include "isthmus/result.hpp"

#include <stdexcept>
#include <utility>

namespace isthmus::test {

template <class T> T must(Result<T> result) {
    if (!result)
        throw std::runtime_error(result.error().message);
    return std::move(*result);
}
inline void must(Result<void> result) {
    if (!result)
        throw std::runtime_error(result.error().message);
}

} // namespace isthmus::test
