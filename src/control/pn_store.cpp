// The one file that talks to SQLite.

#include "control/pn_store.hpp"

#include "isthmus/byte_order.hpp"

#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace isthmus::control {
namespace {

constexpr const char* kNone = "none";
constexpr int kSchemaVersion = 1;
constexpr int kApplicationId = 0x49535448; // "ISTH"

// WITHOUT ROWID: the primary key is the table. Numbers are texts of 16 hexadecimal digits, as
// SQLite has no unsigned 64-bit integers.
constexpr const char* kSchema =
    "CREATE TABLE packet_numbers ("
    " fingerprint TEXT NOT NULL,"  // of the SAK
    " lane TEXT NOT NULL,"         // the rest of the nonce but the packet number
    " salt_tail TEXT NOT NULL,"    // XPN: the last eight octets of the salt; else empty
    " first_unused TEXT NOT NULL," // packet numbers below it are used or reserved
    " PRIMARY KEY (fingerprint, lane)) STRICT, WITHOUT ROWID;";

std::string hex(uint64_t number) {
    return fmt::format("{:016x}", number);
}

Error unusable(const std::string& path, const std::string& why) {
    return {ErrorCode::unavailable, fmt::format("state: {}: {}", path, why), "state", path, ""};
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

// The folder and the file, for this user only: SQLite would make the file by umask.
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

void bind(sqlite3_stmt* statement, int index, const std::string& text) {
    sqlite3_bind_text(statement, index, text.data(), static_cast<int>(text.size()),
                      SQLITE_TRANSIENT);
}

std::string column(sqlite3_stmt* statement, int index) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, index));
    return text != nullptr ? text : "";
}

std::string tail_text(const NonceSpace& space) {
    return space.xpn ? hex(space.salt_tail) : "";
}

// A statement is reset whatever happens, so that no transaction stays open.
class Reset {
  public:
    explicit Reset(sqlite3_stmt* statement) : statement_(statement) {}
    ~Reset() {
        sqlite3_reset(statement_);
        sqlite3_clear_bindings(statement_);
    }
    Reset(const Reset&) = delete;
    Reset& operator=(const Reset&) = delete;

  private:
    sqlite3_stmt* statement_;
};

} // namespace

NonceSpace NonceSpace::of(std::string fingerprint, macsec::Sci sci,
                          const std::optional<macsec::XpnParameters>& xpn) {
    if (!xpn)
        return {std::move(fingerprint), false, sci.value, 0};
    const macsec::IvBase base = macsec::make_iv_base(sci, xpn);
    Be32 head;
    Be64 tail;
    std::memcpy(&head, base.octets.data(), sizeof head);
    std::memcpy(&tail, base.octets.data() + sizeof head, sizeof tail);
    return {std::move(fingerprint), true, head.host(), tail.host()};
}

std::string NonceSpace::lane_text() const {
    return xpn ? fmt::format("xpn:{:08x}", lane) : fmt::format("sci:{:016x}", lane);
}

void PnStore::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}
void PnStore::Close::operator()(sqlite3* database) const {
    sqlite3_close(database);
}

PnStore::PnStore(std::string path, sqlite3* database)
    : path_(std::move(path)), database_(database) {}
PnStore::~PnStore() = default;

Error PnStore::failure(const char* what) const {
    const int code = sqlite3_extended_errcode(database_.get());
    const int primary = code & 0xff;
    if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
        return unusable(path_, "another process uses it; give each isthmusd its own `state`");
    if (primary == SQLITE_NOTADB || primary == SQLITE_CORRUPT)
        return unusable(path_, "damaged, or not a state file of isthmusd");
    return unusable(path_, fmt::format("{}: {}", what, sqlite3_errmsg(database_.get())));
}

Result<std::unique_ptr<PnStore>> PnStore::open(const std::string& path) {
    const bool none = path == kNone;
    if (!none)
        if (auto made = make_file(path); !made)
            return made.error();
    sqlite3* database = nullptr;
    const int code = sqlite3_open_v2(
        none ? ":memory:" : path.c_str(), &database,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
    std::unique_ptr<PnStore> store(new PnStore(path, database));
    if (code != SQLITE_OK)
        return store->failure("cannot be opened");
    if (auto good = store->prepare(); !good)
        return good.error();
    return store;
}

Result<void> PnStore::prepare() {
    sqlite3* database = database_.get();
    const auto run = [&](const char* sql) {
        return sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK;
    };
    const auto number = [&](const char* sql) -> std::optional<int64_t> {
        sqlite3_stmt* raw = nullptr;
        if (sqlite3_prepare_v2(database, sql, -1, &raw, nullptr) != SQLITE_OK)
            return std::nullopt;
        const Statement statement(raw);
        if (sqlite3_step(raw) != SQLITE_ROW)
            return std::nullopt;
        return sqlite3_column_int64(raw, 0);
    };
    // An exclusive lock from the first access on; synchronous = FULL makes a commit wait until the
    // write-ahead log is on the disk.
    if (!run("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = WAL;"
             "PRAGMA synchronous = FULL; PRAGMA trusted_schema = OFF; BEGIN EXCLUSIVE;"))
        return failure("cannot be locked");
    const auto version = number("PRAGMA user_version");
    const auto application = number("PRAGMA application_id");
    const auto tables = number("SELECT count(*) FROM sqlite_schema");
    if (!version || !application || !tables)
        return failure("cannot be read");
    const bool fresh = *version == 0 && *application == 0 && *tables == 0;
    if (!fresh && *application != kApplicationId)
        return unusable(path_, "not a state file of isthmusd");
    if (*version > kSchemaVersion)
        return unusable(path_, fmt::format("of schema version {}, and this isthmusd knows {}: "
                                           "a newer one has written it",
                                           *version, kSchemaVersion));
    if (fresh && !run(fmt::format("{} PRAGMA user_version = {}; PRAGMA application_id = {};",
                                  kSchema, kSchemaVersion, kApplicationId)
                          .c_str()))
        return failure("cannot be written");
    if (number("SELECT count(*) FROM pragma_integrity_check(1) WHERE integrity_check <> 'ok'") != 0)
        return unusable(path_, "damaged");
    const auto prepared = [&](const char* sql, Statement& out) {
        sqlite3_stmt* raw = nullptr;
        const bool good = sqlite3_prepare_v3(database, sql, -1, SQLITE_PREPARE_PERSISTENT, &raw,
                                             nullptr) == SQLITE_OK;
        out.reset(raw);
        return good;
    };
    // A file that can be read but not written is found out here, not at the first reservation.
    if (!run("UPDATE packet_numbers SET first_unused = first_unused; COMMIT;") ||
        !prepared("SELECT lane, salt_tail, first_unused FROM packet_numbers WHERE fingerprint = ?",
                  find_) ||
        !prepared("INSERT INTO packet_numbers VALUES (?1, ?2, ?3, ?4)"
                  " ON CONFLICT DO UPDATE SET first_unused = ?4",
                  set_))
        return failure("cannot be written");
    return {};
}

Result<uint64_t> PnStore::first_unused(const NonceSpace& space) {
    const auto refuse = [&](const char* field, std::string why) {
        return Error{
            ErrorCode::conflict,
            fmt::format("{}: the SAK with fingerprint {} {}", field, space.fingerprint, why), field,
            space.fingerprint, ""};
    };
    if (held_.contains(space))
        return refuse("sak", fmt::format("is installed already with the same {}",
                                         space.xpn ? "salt and SSCI" : "SCI"));
    const Reset reset(find_.get());
    bind(find_.get(), 1, space.fingerprint);
    const std::string lane = space.lane_text();
    uint64_t first = 1;
    int code = 0;
    while ((code = sqlite3_step(find_.get())) == SQLITE_ROW) {
        const std::string other = column(find_.get(), 0);
        if (other.starts_with("xpn:") != space.xpn)
            return refuse("sak", fmt::format("was used with a suite {} extended packet numbers",
                                             space.xpn ? "without" : "with"));
        if (other != lane)
            continue;
        if (column(find_.get(), 1) != tail_text(space))
            return refuse("salt", "was used with another salt, so that nonces could repeat");
        const std::string text = column(find_.get(), 2);
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), first, 16);
        if (error != std::errc{} || end != text.data() + text.size() || first == 0)
            return unusable(path_, fmt::format("damaged: a packet number '{}'", text));
    }
    if (code != SQLITE_DONE)
        return failure("cannot be read");
    return first;
}

Result<void> PnStore::write(std::span<const PnMark> marks) {
    const auto run = [&](const char* sql) {
        return sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK;
    };
    bool good = run("BEGIN IMMEDIATE");
    for (const PnMark& mark : marks) {
        if (!good)
            break;
        const Reset reset(set_.get());
        bind(set_.get(), 1, mark.space.fingerprint);
        bind(set_.get(), 2, mark.space.lane_text());
        bind(set_.get(), 3, tail_text(mark.space));
        bind(set_.get(), 4, hex(mark.first_unused));
        good = sqlite3_step(set_.get()) == SQLITE_DONE;
    }
    if (good && run("COMMIT"))
        return {};
    const Error error = failure("cannot be written");
    if (sqlite3_get_autocommit(database_.get()) == 0)
        (void)run("ROLLBACK");
    return error;
}

Result<void> PnStore::reserve(std::span<const PnMark> marks) {
    auto written = write(marks);
    if (written)
        for (const PnMark& mark : marks)
            held_.insert(mark.space);
    return written;
}

Result<void> PnStore::release(std::span<const PnMark> marks) {
    for (const PnMark& mark : marks)
        held_.erase(mark.space);
    return write(marks);
}

} // namespace isthmus::control
