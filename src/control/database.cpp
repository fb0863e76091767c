// The one file that talks to SQLite.

#include "control/database.hpp"

#include "control/state_schema.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace isthmus::control {
namespace {

constexpr const char* kNone = "none";
constexpr int kSchemaVersion = kMigrations.back().version;
constexpr int kApplicationId = 0x49535448; // "ISTH"

// An exclusive lock from the first access on, which also keeps the index of the write-ahead log in
// memory; synchronous = FULL makes a commit wait until the log is on the disk. The cache holds what
// a bulk change of routes touches; the log shrinks again behind one.
constexpr const char* kSettings = "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
                                  "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF;"
                                  "PRAGMA secure_delete = ON; PRAGMA cell_size_check = ON;"
                                  "PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384;"
                                  "PRAGMA journal_size_limit = 16777216;";

Error unusable(const std::string& path, const std::string& why,
               ErrorCode code = ErrorCode::unavailable) {
    return {code, fmt::format("state: {}: {}", path, why), "state", path, ""};
}

// A new name in a folder is on the disk when the folder is.
bool sync_folder(const std::string& folder) {
    const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        close(fd);
    return synced;
}

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

// The folder and the file, for this user only: SQLite would make the file by umask. Its log gets
// the mode of the file.
Result<void> make_file(const std::string& path) {
    const std::string folder = folder_of(path);
    if (mkdir(folder.c_str(), 0700) == 0)
        (void)sync_folder(folder_of(folder)); // not every file system can; then nothing is promised
    else if (errno != EEXIST)
        return unusable(path,
                        fmt::format("cannot make the folder {}: {}", folder, std::strerror(errno)));
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return unusable(path, std::strerror(errno));
    struct stat found {};
    const bool regular = fstat(fd, &found) == 0 && S_ISREG(found.st_mode);
    const bool closed = regular && fchmod(fd, 0600) == 0;
    close(fd);
    if (!regular)
        return unusable(path, "not a regular file");
    if (!closed)
        return unusable(path, "its mode cannot be set to 0600: another user's file?");
    (void)sync_folder(folder);
    return {};
}

} // namespace

void Database::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}
void Database::Close::operator()(sqlite3* database) const {
    sqlite3_close(database);
}

Database::Database(std::string path, std::unique_ptr<DatabaseCopy> copy, sqlite3* database)
    : path_(std::move(path)), copy_(std::move(copy)), database_(database) {}
Database::~Database() = default;

bool Database::kept() const {
    return path_ != kNone;
}

Error Database::failure(const char* what) const {
    const int code = sqlite3_extended_errcode(database_.get());
    const int primary = code & 0xff;
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
        return unusable(path_, "another process uses it; give each isthmusd its own `state`");
    if (primary == SQLITE_NOTADB || primary == SQLITE_CORRUPT)
        return unusable(path_, "damaged, or not a state file of isthmusd");
    const bool storage =
        primary == SQLITE_FULL || primary == SQLITE_IOERR || primary == SQLITE_READONLY;
    const int system = sqlite3_system_errno(database_.get());
    std::string why = fmt::format("{}: {}", what, sqlite3_errmsg(database_.get()));
    if (primary == SQLITE_IOERR && system != 0)
        why += fmt::format(" ({})", std::strerror(system));
    return unusable(path_, why, storage ? ErrorCode::no_storage : ErrorCode::unavailable);
}

Error Database::damaged(const std::string& what) const {
    return unusable(path_, "damaged: " + what);
}

Result<std::shared_ptr<Database>> Database::open(const std::string& path, Purpose purpose) {
    const bool none = path == kNone;
    std::unique_ptr<DatabaseCopy> copy;
    if (!none && purpose == Purpose::check) {
        auto made = DatabaseCopy::make(path);
        if (!made)
            return made.error();
        copy = std::move(*made);
    } else if (!none) {
        if (auto made = make_file(path); !made)
            return made.error();
    }
    const std::string name = none ? ":memory:" : copy ? copy->path() : path;
    sqlite3* raw = nullptr;
    const int code = sqlite3_open_v2(
        name.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
        nullptr);
    std::shared_ptr<Database> database(new Database(path, std::move(copy), raw));
    if (code != SQLITE_OK)
        return database->failure("cannot be opened");
    if (auto good = database->prepare_file(); !good)
        return good.error();
    return database;
}

bool Database::execute(const char* sql) {
    return sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

std::optional<int64_t> Database::number(const char* sql) {
    Query query(*this, sql);
    return query.next() ? std::optional(query.integer(0)) : std::nullopt;
}

Result<void> Database::prepare_file() {
    if (!execute(kSettings) || !execute("BEGIN EXCLUSIVE"))
        return failure("cannot be locked");
    if (auto good = migrate(); !good)
        return good;
    // Closed records of usage, which may be gigabytes, are left to --check: a start needs none.
    if (number("SELECT count(*) FROM sqlite_schema AS s CROSS JOIN pragma_quick_check(s.name) AS c"
               " WHERE s.type = 'table' AND s.name <> 'usage' AND c.quick_check <> 'ok'") != 0)
        return unusable(path_, "damaged");
    if (!execute("COMMIT"))
        return failure("cannot be written");
    return check_writable();
}

Result<void> Database::migrate() {
    const auto version = number("PRAGMA user_version");
    const auto application = number("PRAGMA application_id");
    const auto tables = number("SELECT count(*) FROM sqlite_schema");
    if (!version || !application || !tables)
        return failure("cannot be read");
    const bool fresh = *version == 0 && *application == 0 && *tables == 0;
    if (!fresh && (*application != kApplicationId || *version < 1))
        return unusable(path_, "not a state file of isthmusd");
    if (*version > kSchemaVersion)
        return unusable(path_, fmt::format("of schema version {}, and this isthmusd knows {}: "
                                           "a newer one has written it",
                                           *version, kSchemaVersion));
    if (*version == kSchemaVersion)
        return {};
    // What is damaged stays as it is.
    if (number("SELECT count(*) FROM pragma_integrity_check(1) WHERE integrity_check <> 'ok'") != 0)
        return unusable(path_, "damaged");
    for (const Migration& migration : kMigrations)
        if (migration.version > *version && !execute(migration.sql))
            return failure("cannot be brought to this version");
    if (!execute(fmt::format("PRAGMA user_version = {}; PRAGMA application_id = {}", kSchemaVersion,
                             kApplicationId)
                     .c_str()))
        return failure("cannot be written");
    return {};
}

// A file that can be read but not written is found out at start, not at the first change.
Result<void> Database::check_writable() {
    if (sqlite3_db_readonly(database_.get(), "main") == 1)
        return unusable(path_, "cannot be written: it is read-only");
    const auto written = probe();
    return written || written.error().code == ErrorCode::no_storage ? Result<void>{} : written;
}

Result<void> Database::probe() {
    return transact([&]() -> Result<void> {
        if (execute(fmt::format("PRAGMA user_version = {}", kSchemaVersion).c_str()))
            return {};
        return failure("cannot be written");
    });
}

Result<void> Database::check_integrity() {
    Query query(*this, "PRAGMA integrity_check(1)");
    if (!query.next())
        return failure("cannot be read");
    return query.text(0) == "ok" ? Result<void>{} : damaged(query.text(0));
}

sqlite3_stmt* Database::prepare(const char* sql) {
    if (const auto known = statements_.find(std::string_view(sql)); known != statements_.end())
        return known->second.get();
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr) !=
        SQLITE_OK)
        return nullptr;
    return statements_.emplace(sql, raw).first->second.get();
}

bool Database::in_transaction() const {
    return sqlite3_get_autocommit(database_.get()) == 0;
}

Result<void> Database::begin() {
    if (execute("BEGIN IMMEDIATE"))
        return {};
    return failure("cannot be written");
}

Result<void> Database::commit() {
    if (!execute("COMMIT"))
        return failure("cannot be written");
    problem_.clear();
    return {};
}

void Database::roll_back(const Error* why) {
    if (why != nullptr && why->code == ErrorCode::no_storage)
        problem_ = why->message;
    if (in_transaction())
        (void)execute("ROLLBACK");
}

Query::~Query() {
    if (statement_ == nullptr)
        return;
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
}

bool Query::next() {
    code_ = statement_ == nullptr ? SQLITE_ERROR : sqlite3_step(statement_);
    return code_ == SQLITE_ROW;
}

bool Query::ended() const {
    return code_ == SQLITE_DONE;
}

bool Query::is_null(int column) const {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

int64_t Query::integer(int column) const {
    return sqlite3_column_int64(statement_, column);
}

std::string Query::text(int column) const {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    return text != nullptr ? text : "";
}

std::span<const uint8_t> Query::octets(int column) const {
    const auto* data = static_cast<const uint8_t*>(sqlite3_column_blob(statement_, column));
    return {data, data != nullptr
                      ? static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))
                      : 0};
}

void Query::bind(int index, std::string_view text) {
    sqlite3_bind_text(statement_, index, text.data(), static_cast<int>(text.size()),
                      SQLITE_TRANSIENT);
}

void Query::bind(int index, std::span<const uint8_t> octets) {
    sqlite3_bind_blob(statement_, index, octets.data(), static_cast<int>(octets.size()),
                      SQLITE_TRANSIENT);
}

void Query::bind_integer(int index, int64_t value) {
    sqlite3_bind_int64(statement_, index, value);
}

} // namespace isthmus::control
