// Rows of usage that are written, and what a start begins with.

#include "control/usage_store.hpp"

#include "control/usage_row.hpp"

namespace isthmus::control {
namespace {

// Of lives, or records, in one transaction: what the control thread is held up by at a time.
constexpr std::size_t kRowsAtOnce = 2000;

constexpr const char* kPutOpen = "INSERT OR REPLACE INTO usage_open VALUES (?, ?, ?, ?, ?, ?, ?, "
                                 "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
constexpr const char* kPutClosed =
    "INSERT INTO usage VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

Result<void> put(Database& database, const char* sql, UsageLifeId life, const UsageRecord& it) {
    return database.run(sql, it.interval_ms, life, it.interval_end_ms, it.from_ms, it.to_ms,
                        it.before.egress_packets, it.before.egress_bytes, it.before.ingress_packets,
                        it.before.ingress_bytes, it.after.egress_packets, it.after.egress_bytes,
                        it.after.ingress_packets, it.after.ingress_bytes, it.starts,
                        it.unknown_from_ms, it.unknown_to_ms, it.unknown_ms, it.flags);
}

Result<void> put_end(Database& database, int64_t metered_to_ms, bool stopped) {
    return database.run("INSERT OR REPLACE INTO usage_end VALUES (1, ?, ?)", metered_to_ms,
                        stopped);
}

} // namespace

Result<void> UsageStore::begin_life(uint16_t place, const std::string& edge,
                                    const std::string& name) {
    return database_->run("INSERT INTO usage_lives (place, edge, name, began)"
                          " SELECT ?1, ?2, ?3, ?4"
                          " WHERE NOT EXISTS"
                          " (SELECT * FROM usage_lives WHERE place = ?1 AND ended IS NULL)",
                          place, edge, name, clock_.now_ms());
}

Result<void> UsageStore::end_life(uint16_t place) {
    return database_->run("UPDATE usage_lives SET ended = ?2 WHERE place = ?1 AND ended IS NULL",
                          place, clock_.now_ms());
}

Result<std::optional<UsageLifeId>> UsageStore::life_at(uint16_t place) {
    Query query(*database_, "SELECT life FROM usage_lives WHERE place = ? AND ended IS NULL",
                place);
    if (query.next())
        return std::optional(query.integer(0));
    if (!query.ended())
        return database_->failure("cannot be read");
    return std::optional<UsageLifeId>();
}

Result<UsageEnd> UsageStore::start() {
    UsageEnd end;
    {
        Query query(*database_, "SELECT metered_to, stopped FROM usage_end");
        if (query.next())
            end = {query.integer(0), query.integer(1) != 0};
        else if (!query.ended())
            return database_->failure("cannot be read");
    }
    metered_to_ms_ = end.metered_to_ms;
    clock_ = UsageClock(end.metered_to_ms);
    if (auto loaded = load_intervals(); !loaded)
        return loaded.error();
    return end;
}

// When that was killed, all from then on is unknown until the first round is written.
Result<void> UsageStore::note_running(const UsageEnd& before) {
    const int64_t metered_to = before.stopped ? clock_.now_ms() : before.metered_to_ms;
    return database_->transact([&] { return put_end(*database_, metered_to, false); });
}

// From one to the next: rows between them are not looked at.
Result<void> UsageStore::load_intervals() {
    for (int64_t last = INT64_MIN;;) {
        Query query(*database_, "SELECT min(interval) FROM usage WHERE interval > ?", last);
        if (!query.next())
            return database_->failure("cannot be read");
        if (query.is_null(0))
            return {};
        last = query.integer(0);
        intervals_.insert(last);
    }
}

Result<std::vector<UsageStore::Life>> UsageStore::load() {
    Query query(*database_, "SELECT o.*, l.life, l.place, l.edge, l.name, l.began, l.ended"
                            " FROM usage_lives AS l LEFT JOIN usage_open AS o ON o.life = l.life"
                            " WHERE l.closed = 0");
    std::vector<Life> lives;
    while (query.next()) {
        Life& life = lives.emplace_back();
        if (!query.is_null(0))
            life.usage.open = usage_record(query, 0);
        life.usage.life = query.integer(kUsageColumns);
        life.place = static_cast<uint16_t>(query.integer(kUsageColumns + 1));
        life.edge = query.text(kUsageColumns + 2);
        life.name = query.text(kUsageColumns + 3);
        life.usage.began_ms = query.integer(kUsageColumns + 4);
        if (!query.is_null(kUsageColumns + 5))
            life.usage.ended_ms = query.integer(kUsageColumns + 5);
    }
    if (!query.ended())
        return database_->failure("cannot be read");
    return lives;
}

Result<void> UsageStore::write_life(UsageLifeId id, const UsageLife& life) {
    for (const UsageRecord& record : life.closed)
        if (auto done = put(*database_, kPutClosed, id, record); !done)
            return done;
    if (!life.ended)
        return put(*database_, kPutOpen, id, life.open);
    auto done = database_->run("DELETE FROM usage_open WHERE life = ?", id);
    if (done)
        done = database_->run(
            "UPDATE usage_lives SET closed = 1, ended = ifnull(ended, ?) WHERE life = ?",
            life.closed.back().to_ms, id);
    return done;
}

Result<bool> UsageStore::write(UsageMeter& meter) {
    if (!round_to_ms_) {
        round_to_ms_ = meter.read_to_ms();
        round_at_ = 0;
    }
    std::vector<UsageLifeId> some;
    auto it = meter.lives().upper_bound(round_at_);
    for (; it != meter.lives().end() && some.size() < kRowsAtOnce; ++it)
        if (it->second.dirty)
            some.push_back(it->first);
    const bool last = it == meter.lives().end();
    auto done = database_->transact([&]() -> Result<void> {
        for (const UsageLifeId id : some)
            if (auto written = write_life(id, meter.lives().at(id)); !written)
                return written;
        return last ? put_end(*database_, *round_to_ms_, false) : Result<void>{};
    });
    if (!done)
        return done.error();
    for (const UsageLifeId id : some) {
        for (const UsageRecord& record : meter.lives().at(id).closed)
            intervals_.insert(record.interval_ms);
        meter.written(id);
    }
    if (!some.empty())
        round_at_ = some.back();
    if (last) {
        metered_to_ms_ = *round_to_ms_;
        round_to_ms_.reset();
    }
    return last;
}

Result<void> UsageStore::stop(UsageMeter& meter) {
    // From the begin: what a round left behind it may have changed.
    round_to_ms_.reset();
    for (bool all = false; !all;) {
        const auto done = write(meter);
        if (!done)
            return done.error();
        all = *done;
    }
    return database_->transact([&] { return put_end(*database_, metered_to_ms_, true); });
}

Result<void> UsageStore::purge(std::size_t intervals) {
    if (intervals_.size() <= intervals)
        return {};
    const int64_t oldest = *intervals_.begin();
    bool empty = false;
    auto done = database_->transact([&]() -> Result<void> {
        auto deleted = database_->run("DELETE FROM usage WHERE interval = ?1 AND life <= ifnull("
                                      "(SELECT life FROM usage WHERE interval = ?1 ORDER BY life"
                                      " LIMIT 1 OFFSET ?2), 9223372036854775807)",
                                      oldest, kRowsAtOnce);
        if (!deleted)
            return deleted;
        Query left(*database_, "SELECT EXISTS (SELECT * FROM usage WHERE interval = ?)", oldest);
        if (!left.next())
            return database_->failure("cannot be read");
        empty = left.integer(0) == 0;
        return {};
    });
    if (!done || !empty)
        return done;
    intervals_.erase(intervals_.begin());
    const int64_t kept = intervals_.empty() ? metered_to_ms_ : *intervals_.begin();
    return database_->transact([&] {
        return database_->run("DELETE FROM usage_lives WHERE closed = 1 AND ended < ?", kept);
    });
}

} // namespace isthmus::control
