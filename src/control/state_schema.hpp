#pragma once
// The tables of the state file. A change of them is another entry at the end: what is here has been
// written to disks. Included by database.cpp alone.
//
// Rows name what the configuration has by name, so that they mean the same with another order of
// it. Numbers that need 64 bits without sign are texts of 16 hexadecimal digits. Prefixes and next
// hops of routes are octets in network order, a prefix with its length behind it. WITHOUT ROWID:
// the primary key is the table.

#include <array>

namespace isthmus::control {

struct Migration {
    int version;
    const char* sql;
};

inline constexpr auto kMigrations = std::to_array<Migration>({
    {1, "CREATE TABLE packet_numbers ("
        " fingerprint TEXT NOT NULL,"  // of the SAK
        " lane TEXT NOT NULL,"         // the rest of the nonce but the packet number
        " salt_tail TEXT NOT NULL,"    // XPN: the last eight octets of the salt; else empty
        " first_unused TEXT NOT NULL," // packet numbers below it are used or reserved
        " PRIMARY KEY (fingerprint, lane)) STRICT, WITHOUT ROWID;"},
    {2, "CREATE TABLE attachments ("
        " place INTEGER PRIMARY KEY," // AttachmentId
        " edge TEXT NOT NULL, name TEXT NOT NULL,"
        " interconnect TEXT NOT NULL, port TEXT NOT NULL,"
        " vlan INTEGER NOT NULL, mtu INTEGER NOT NULL,"
        " mss_clamp INTEGER NOT NULL," // 0: off, -1: auto
        " ipv4 TEXT, ipv6 TEXT,"       // of the edge, on the VPC side
        " egress_rate_bps INTEGER, egress_burst_us INTEGER,"
        " egress_peak_bps INTEGER, egress_excess_dscp INTEGER,"
        " ingress_rate_bps INTEGER, ingress_burst_us INTEGER,"
        " ingress_peak_bps INTEGER, ingress_excess_dscp INTEGER) STRICT;"
        "CREATE TABLE features ("
        " place INTEGER NOT NULL, channel TEXT NOT NULL,"
        " vlan INTEGER NOT NULL, mtu INTEGER NOT NULL,"
        " ipv4 TEXT, ipv6 TEXT, peer_ipv4 TEXT, peer_ipv6 TEXT,"
        " PRIMARY KEY (place, channel)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE routes ("
        " place INTEGER NOT NULL, prefix BLOB NOT NULL,"
        " via INTEGER NOT NULL," // 0: channels, 1: vpc, 2: blackhole
        " next_hop BLOB,"
        " PRIMARY KEY (place, prefix)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE neighbours ("
        " place INTEGER NOT NULL, channel TEXT NOT NULL," // channel '': the VPC side
        " address TEXT NOT NULL, mac TEXT NOT NULL,"
        " PRIMARY KEY (place, channel, address)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE ports ("
        " port TEXT NOT NULL PRIMARY KEY, enabled INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
        "CREATE TABLE channels ("
        " edge TEXT NOT NULL, channel TEXT NOT NULL,"
        " admin_state INTEGER NOT NULL," // 0: up, 1: drain, 2: down
        " PRIMARY KEY (edge, channel)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE rx_scs ("
        " edge TEXT NOT NULL, channel TEXT NOT NULL, sci TEXT NOT NULL,"
        " PRIMARY KEY (edge, channel, sci)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE tx_sas ("
        " edge TEXT NOT NULL, channel TEXT NOT NULL, an INTEGER NOT NULL,"
        " encoding INTEGER NOT NULL, suite TEXT NOT NULL, salt BLOB, ssci INTEGER,"
        " sak BLOB NOT NULL," // sealed
        " PRIMARY KEY (edge, channel, an)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE rx_sas ("
        " edge TEXT NOT NULL, channel TEXT NOT NULL, sci TEXT NOT NULL, an INTEGER NOT NULL,"
        " in_use INTEGER NOT NULL, suite TEXT NOT NULL, salt BLOB, ssci INTEGER,"
        " next_pn TEXT NOT NULL," // lower ones are not accepted after a restart
        " sak BLOB NOT NULL,"
        " PRIMARY KEY (edge, channel, sci, an)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE secrets ("
        " name TEXT NOT NULL PRIMARY KEY, sealed BLOB NOT NULL) STRICT, WITHOUT ROWID;"},
    // Times are milliseconds since 1970; counters are 64 bits without sign, kept as such with one.
    {3, "CREATE TABLE usage_lives ("
        " life INTEGER PRIMARY KEY AUTOINCREMENT," // never given twice
        " place INTEGER NOT NULL, edge TEXT NOT NULL, name TEXT NOT NULL,"
        " began INTEGER NOT NULL, ended INTEGER,"
        " closed INTEGER NOT NULL DEFAULT 0) STRICT;" // all of it is in closed records
        "CREATE UNIQUE INDEX usage_lives_by_place ON usage_lives (place) WHERE ended IS NULL;"
        "CREATE INDEX usage_lives_by_name ON usage_lives (edge, name);"
        "CREATE TABLE usage (" // closed records; starts: of the daemon
        " interval INTEGER NOT NULL, life INTEGER NOT NULL, interval_end INTEGER NOT NULL,"
        " metered_from INTEGER NOT NULL, metered_to INTEGER NOT NULL,"
        " egress_packets_before INTEGER NOT NULL, egress_bytes_before INTEGER NOT NULL,"
        " ingress_packets_before INTEGER NOT NULL, ingress_bytes_before INTEGER NOT NULL,"
        " egress_packets INTEGER NOT NULL, egress_bytes INTEGER NOT NULL,"
        " ingress_packets INTEGER NOT NULL, ingress_bytes INTEGER NOT NULL,"
        " starts INTEGER NOT NULL, unknown_from INTEGER NOT NULL, unknown_to INTEGER NOT NULL,"
        " unknown INTEGER NOT NULL, flags INTEGER NOT NULL,"
        " PRIMARY KEY (interval, life)) STRICT, WITHOUT ROWID;"
        "CREATE TABLE usage_open (" // the same, of records that are still open
        " interval INTEGER NOT NULL, life INTEGER PRIMARY KEY, interval_end INTEGER NOT NULL,"
        " metered_from INTEGER NOT NULL, metered_to INTEGER NOT NULL,"
        " egress_packets_before INTEGER NOT NULL, egress_bytes_before INTEGER NOT NULL,"
        " ingress_packets_before INTEGER NOT NULL, ingress_bytes_before INTEGER NOT NULL,"
        " egress_packets INTEGER NOT NULL, egress_bytes INTEGER NOT NULL,"
        " ingress_packets INTEGER NOT NULL, ingress_bytes INTEGER NOT NULL,"
        " starts INTEGER NOT NULL, unknown_from INTEGER NOT NULL, unknown_to INTEGER NOT NULL,"
        " unknown INTEGER NOT NULL, flags INTEGER NOT NULL) STRICT;"
        "CREATE TABLE usage_end (" // one row: how far all counters are in the rows
        " one INTEGER PRIMARY KEY CHECK (one = 1),"
        " metered_to INTEGER NOT NULL, stopped INTEGER NOT NULL) STRICT;"},
});

} // namespace isthmus::control
