// The store of packet numbers: what survives, what is refused, and what happens when the disk is
// full.

#include "control/pn_store.hpp"
#include "tests/model/scratch.hpp"
#include "tests/must.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>

namespace isthmus::control {
namespace {

using test::DiskFull;
using test::must;
using test::Scratch;

const macsec::Sci kSci{0x0200000000010001};

NonceSpace plain_space(const char* fingerprint = "00aa", macsec::Sci sci = kSci) {
    return NonceSpace::of(fingerprint, sci, {});
}
NonceSpace xpn_space(uint32_t ssci, uint8_t first_salt, uint8_t last_salt) {
    macsec::XpnParameters parameters;
    parameters.ssci = ssci;
    parameters.salt.fill(first_salt);
    parameters.salt[11] = last_salt;
    return NonceSpace::of("00bb", kSci, parameters);
}
void set_mark(PnStore& store, const NonceSpace& space, uint64_t first_unused) {
    const PnMark mark{space, first_unused};
    must(store.reserve({&mark, 1}));
}
void release(PnStore& store, const NonceSpace& space, uint64_t first_unused) {
    const PnMark mark{space, first_unused};
    must(store.release({&mark, 1}));
}
void run_sql(const std::string& path, const char* sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
    ASSERT_EQ(sqlite3_exec(database, sql, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
}
void expect_refused(const std::string& path, const std::string& why) {
    const auto store = PnStore::open(path);
    ASSERT_FALSE(store) << why;
    EXPECT_EQ(store.error().code, ErrorCode::unavailable);
    EXPECT_NE(store.error().message.find(path), std::string::npos) << store.error().message;
    EXPECT_NE(store.error().message.find(why), std::string::npos) << store.error().message;
}

TEST(NonceSpace, IsAllOfANonceButThePacketNumber) {
    EXPECT_EQ(plain_space().lane_text(), "sci:0200000000010001");
    const NonceSpace space = xpn_space(0x00000001, 0x10, 0x99);
    EXPECT_EQ(space.lane_text(), "xpn:10101011");
    EXPECT_EQ(space.salt_tail, 0x1010101010101099u);
    // Another SSCI with another salt may be the same space.
    EXPECT_EQ(space, xpn_space(0x10101011, 0x00, 0x99));
    EXPECT_NE(space.salt_tail, xpn_space(0x10101011, 0x00, 0x99).salt_tail);
}

TEST(PnStore, RemembersWhatIsReserved) {
    Scratch scratch;
    const std::string path = scratch.path("made/state.db");
    {
        auto store = must(PnStore::open(path));
        EXPECT_EQ(*store->first_unused(plain_space()), 1u);
        set_mark(*store, plain_space(), 1000);
        set_mark(*store, xpn_space(1, 2, 3), 0xffffffffffff0001);
    }
    using std::filesystem::perms;
    EXPECT_EQ(std::filesystem::status(path).permissions(), perms::owner_read | perms::owner_write);
    EXPECT_EQ(std::filesystem::status(scratch.path("made")).permissions(), perms::owner_all);
    auto store = must(PnStore::open(path));
    EXPECT_EQ(*store->first_unused(plain_space()), 1000u);
    EXPECT_EQ(*store->first_unused(xpn_space(1, 2, 3)), 0xffffffffffff0001u);
    EXPECT_EQ(*store->first_unused(plain_space("00ab")), 1u);
    EXPECT_EQ(*store->first_unused(plain_space("00aa", {kSci.value + 1})), 1u);
    release(*store, plain_space(), 17);
    EXPECT_EQ(*store->first_unused(plain_space()), 17u) << "exact marks may be lower";
}

TEST(PnStore, NoneRemembersWhileItLives) {
    auto store = must(PnStore::open("none"));
    set_mark(*store, plain_space(), 5);
    release(*store, plain_space(), 5);
    EXPECT_EQ(*store->first_unused(plain_space()), 5u);
    EXPECT_FALSE(std::filesystem::exists("none"));
    EXPECT_EQ(*must(PnStore::open("none"))->first_unused(plain_space()), 1u);
}

TEST(PnStore, OneSaForASpace) {
    auto store = must(PnStore::open("none"));
    set_mark(*store, plain_space(), 5);
    const auto held = store->first_unused(plain_space());
    ASSERT_FALSE(held);
    EXPECT_EQ(held.error().code, ErrorCode::conflict);
    EXPECT_EQ(held.error().field, "sak");
    release(*store, plain_space(), 3);
    EXPECT_EQ(*store->first_unused(plain_space()), 3u);
}

// The packet number is XORed to the rest of the salt: numbers of two salts can meet.
TEST(PnStore, RefusesWhatCouldRepeatANonce) {
    auto store = must(PnStore::open("none"));
    set_mark(*store, xpn_space(1, 2, 3), 10);
    release(*store, xpn_space(1, 2, 3), 10);
    const auto other_salt = store->first_unused(xpn_space(1, 2, 4));
    ASSERT_FALSE(other_salt);
    EXPECT_EQ(other_salt.error().code, ErrorCode::conflict);
    EXPECT_EQ(other_salt.error().field, "salt");
    EXPECT_EQ(*store->first_unused(xpn_space(2, 2, 4)), 1u) << "another SSCI keeps apart";
    EXPECT_FALSE(store->first_unused(plain_space("00bb"))) << "the same SAK without XPN";
    set_mark(*store, plain_space(), 10);
    release(*store, plain_space(), 10);
    auto with_xpn = xpn_space(1, 2, 3);
    with_xpn.fingerprint = "00aa";
    EXPECT_FALSE(store->first_unused(with_xpn));
}

TEST(PnStore, RefusesFilesItCanNotTrust) {
    Scratch scratch;
    const std::string path = scratch.path("state.db");
    {
        const auto store = must(PnStore::open(path));
        expect_refused(path, "another process uses it");
        set_mark(*store, plain_space(), 1000);
    }
    run_sql(path, "PRAGMA user_version = 4");
    expect_refused(path, "schema version 4, and this isthmusd knows 3");
    run_sql(path, "PRAGMA user_version = 3; PRAGMA application_id = 7");
    expect_refused(path, "not a state file of isthmusd");
    run_sql(path, "PRAGMA application_id = 0x49535448");
    EXPECT_TRUE(PnStore::open(path));
    std::filesystem::resize_file(path, 5000);
    expect_refused(path, "damaged");
    std::ofstream(path, std::ios::trunc) << "These are forty octets and no database.";
    expect_refused(path, "damaged, or not a state file");
    expect_refused("/proc/none/state.db", "cannot make the folder /proc/none");
    expect_refused(scratch.path(""), "");
    std::filesystem::create_symlink(path, scratch.path("link.db"));
    expect_refused(scratch.path("link.db"), "symbolic links");
    std::filesystem::remove(path);
    std::filesystem::create_directory_symlink(scratch.path(""), scratch.path("folder"));
    EXPECT_TRUE(PnStore::open(scratch.path("folder/state.db"))) << "such as /var/run";
}

TEST(PnStore, DamagedContentIsFoundOut) {
    Scratch scratch;
    const std::string path = scratch.path("state.db");
    {
        auto store = must(PnStore::open(path));
        set_mark(*store, plain_space(), 1000);
    }
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096 + 3); // the cell count of the first table's page
    file.write("\x7f\x7f", 2);
    file.close();
    expect_refused(path, "damaged");
}

TEST(PnStore, AFullDiskRefusesAndKeepsWhatWas) {
    Scratch scratch;
    const std::string path = scratch.path("state.db");
    {
        auto store = must(PnStore::open(path));
        set_mark(*store, plain_space(), 1000);
        const PnMark more{plain_space(), 2000};
        {
            const DiskFull full;
            const auto refused = store->reserve({&more, 1});
            ASSERT_FALSE(refused);
            EXPECT_EQ(refused.error().code, ErrorCode::no_storage);
            EXPECT_NE(refused.error().message.find(path), std::string::npos);
            const PnMark exact{plain_space(), 500};
            EXPECT_FALSE(store->release({&exact, 1}));
        }
        EXPECT_EQ(*store->first_unused(plain_space()), 1000u);
        must(store->reserve({&more, 1})); // there is room again
    }
    EXPECT_EQ(*must(PnStore::open(path))->first_unused(plain_space()), 2000u);
}

} // namespace
} // namespace isthmus::control
