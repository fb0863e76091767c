#pragma once
// A copy of a database file and its write-ahead log, to be looked at while another process has the
// file, and without a trace in it. Any thread.

#include "isthmus/result.hpp"

#include <memory>
#include <string>

namespace isthmus::control {

class DatabaseCopy {
  public:
    // An Error names what cannot be read or written, or says that the file kept changing.
    [[nodiscard]] static Result<std::unique_ptr<DatabaseCopy>> make(const std::string& path);
    ~DatabaseCopy();
    DatabaseCopy(const DatabaseCopy&) = delete;
    DatabaseCopy& operator=(const DatabaseCopy&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }

  private:
    explicit DatabaseCopy(std::string folder);

    std::string folder_, path_;
};

} // namespace isthmus::control
