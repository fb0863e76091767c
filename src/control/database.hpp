#pragma once
// The one SQLite file of the process: opened, locked, brought to the schema of state_schema.hpp,
// and written in transactions that are on the disk when they return. Whoever keeps rows in it adds
// a table there and works with run(), Query and transact(). Control thread; a commit waits for the
// disk.

#include "control/database_copy.hpp"
#include "isthmus/result.hpp"

#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace isthmus::control {

class Database {
  public:
    // check: of a copy, so that another process may have the file; nothing that is changed stays.
    enum class Purpose : uint8_t { serve, check };

    // "none": in memory. Refused: a file that another process uses, that is no file of this
    // program, of a newer version, damaged, or can not be written. A disk that is full is no reason
    // to refuse: problem() tells.
    [[nodiscard]] static Result<std::shared_ptr<Database>> open(const std::string& path,
                                                                Purpose purpose = Purpose::serve);
    Database(const Database&) = delete;
    Database& operator=(const Database&) = delete;
    ~Database();

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] bool kept() const; // false: "none"

    // All that `work` writes, or nothing; on the disk if it returns no error. One inside another is
    // part of it.
    template <std::invocable Work> Result<void> transact(Work&& work) {
        if (in_transaction())
            return work();
        if (auto begun = begin(); !begun)
            return begun;
        try {
            Result<void> result = work();
            if (result)
                result = commit();
            if (!result)
                roll_back(&result.error());
            return result;
        } catch (...) {
            roll_back(nullptr);
            throw;
        }
    }
    // One statement that returns no rows.
    template <class... Values> Result<void> run(const char* sql, const Values&... values);
    // Prepared once for each text.
    [[nodiscard]] sqlite3_stmt* prepare(const char* sql);

    // Why the disk took nothing; empty since it has.
    [[nodiscard]] const std::string& problem() const { return problem_; }
    // Writes something of no consequence, so that problem() is true of now.
    [[nodiscard]] Result<void> probe();
    // Every page and row is looked at, which takes longer than what open() does.
    [[nodiscard]] Result<void> check_integrity();

    // Of the call that failed last; no_storage if the disk took nothing.
    [[nodiscard]] Error failure(const char* what) const;
    [[nodiscard]] Error damaged(const std::string& what) const;

  private:
    Database(std::string path, std::unique_ptr<DatabaseCopy> copy, sqlite3* database);
    [[nodiscard]] bool execute(const char* sql);
    [[nodiscard]] std::optional<int64_t> number(const char* sql);
    [[nodiscard]] Result<void> prepare_file();
    [[nodiscard]] Result<void> migrate();
    [[nodiscard]] Result<void> check_writable();
    [[nodiscard]] bool in_transaction() const;
    [[nodiscard]] Result<void> begin();
    [[nodiscard]] Result<void> commit();
    void roll_back(const Error* why);

    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    struct Close {
        void operator()(sqlite3* database) const;
    };
    std::string path_;
    std::unique_ptr<DatabaseCopy> copy_;
    std::unique_ptr<sqlite3, Close> database_;
    std::map<std::string, std::unique_ptr<sqlite3_stmt, Finalize>, std::less<>> statements_;
    std::string problem_;
};

// One run of a prepared statement: bound, stepped, and reset whatever happens, so that no
// transaction stays open. A null statement fails at the first step.
class Query {
  public:
    template <class... Values>
    explicit Query(sqlite3_stmt* statement, const Values&... values) : statement_(statement) {
        int index = 0;
        (bind(++index, values), ...);
    }
    template <class... Values>
    Query(Database& database, const char* sql, const Values&... values)
        : Query(database.prepare(sql), values...) {}
    ~Query();
    Query(const Query&) = delete;
    Query& operator=(const Query&) = delete;

    // Whether there is another row.
    [[nodiscard]] bool next();
    // There were no more rows; false: the database has failed.
    [[nodiscard]] bool ended() const;

    [[nodiscard]] bool is_null(int column) const;
    [[nodiscard]] int64_t integer(int column) const;
    [[nodiscard]] std::string text(int column) const;
    // Valid up to the next step.
    [[nodiscard]] std::span<const uint8_t> octets(int column) const;

  private:
    void bind(int index, std::integral auto value) { bind_integer(index, int64_t(value)); }
    void bind(int index, std::string_view text);
    void bind(int index, std::span<const uint8_t> octets);
    template <class T> void bind(int index, const std::optional<T>& value) {
        if (value)
            bind(index, *value);
    }
    void bind_integer(int index, int64_t value);

    sqlite3_stmt* statement_;
    int code_ = 0;
};

template <class... Values> Result<void> Database::run(const char* sql, const Values&... values) {
    Query query(*this, sql, values...);
    if (!query.next() && query.ended())
        return {};
    return failure("cannot be written");
}

} // namespace isthmus::control
