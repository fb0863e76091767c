// Rows of usage that are asked for.

#include "control/usage_row.hpp"
#include "control/usage_store.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace isthmus::control {
namespace {

// Intervals that one page looks at: a name may be in few of them.
constexpr std::size_t kIntervalsInPage = 2000;

constexpr const char* kClosed =
    "SELECT u.*, l.name FROM usage AS u CROSS JOIN usage_lives AS l ON l.life = u.life"
    " WHERE u.interval = ?1 AND u.life > ?2 AND l.edge = ?3 AND ?5 IS NULL"
    " ORDER BY u.life LIMIT ?4";
constexpr const char* kClosedOfName =
    "SELECT u.*, l.name FROM usage_lives AS l CROSS JOIN usage AS u"
    " ON u.interval = ?1 AND u.life = l.life"
    " WHERE l.edge = ?3 AND l.name = ?5 AND l.life > ?2 ORDER BY l.life LIMIT ?4";
constexpr const char* kOpen =
    "SELECT o.*, l.name FROM usage_open AS o CROSS JOIN usage_lives AS l ON l.life = o.life"
    " WHERE o.interval = ?1 AND o.life > ?2 AND l.edge = ?3 AND (?5 IS NULL OR l.name = ?5)"
    " ORDER BY o.life LIMIT ?4";

bool by_life(const UsageRow& a, const UsageRow& b) {
    return a.life < b.life;
}

} // namespace

// A life has one record of an interval, open or closed.
Result<std::vector<UsageRow>> UsageStore::read_interval(const UsageRequest& request,
                                                        int64_t interval_ms, UsageLifeId after,
                                                        std::size_t limit) {
    std::vector<UsageRow> rows;
    for (const char* sql : {request.name ? kClosedOfName : kClosed, kOpen}) {
        const auto middle = static_cast<std::ptrdiff_t>(rows.size());
        Query query(*database_, sql, interval_ms, after, request.edge, limit, request.name);
        while (query.next()) {
            UsageRow& row = rows.emplace_back();
            row.life = query.integer(1);
            row.name = query.text(kUsageColumns);
            row.record = usage_record(query, 0);
            row.open = sql == kOpen;
            if (row.open)
                row.record.to_ms = std::max(row.record.from_ms, metered_to_ms_);
        }
        if (!query.ended())
            return database_->failure("cannot be read");
        std::inplace_merge(rows.begin(), rows.begin() + middle, rows.end(), by_life);
    }
    if (rows.size() > limit)
        rows.resize(limit);
    return rows;
}

Result<UsagePage> UsageStore::read(const UsageRequest& request) {
    if (request.name) {
        Query known(*database_,
                    "SELECT EXISTS (SELECT * FROM usage_lives WHERE edge = ? AND name = ?)",
                    request.edge, *request.name);
        if (!known.next())
            return database_->failure("cannot be read");
        if (known.integer(0) == 0)
            return Error{ErrorCode::not_found,
                         fmt::format("attachment {} has no records of usage", *request.name),
                         "name", *request.name, ""};
    }
    std::set<int64_t> intervals = intervals_;
    Query open(*database_, "SELECT DISTINCT interval FROM usage_open");
    while (open.next())
        intervals.insert(open.integer(0));
    UsagePage page;
    std::size_t looked = 0;
    for (auto it = intervals.lower_bound(std::max(request.from_ms, request.after_interval_ms));
         it != intervals.end() && *it < request.to_ms; ++it) {
        page.more = page.rows.size() == request.limit || looked++ == kIntervalsInPage;
        if (page.more)
            return page;
        const UsageLifeId after = *it == request.after_interval_ms ? request.after_life : 0;
        auto rows = read_interval(request, *it, after, request.limit - page.rows.size() + 1);
        if (!rows)
            return rows.error();
        page.more = page.rows.size() + rows->size() > request.limit;
        if (page.more)
            rows->pop_back();
        page.last_interval_ms = *it;
        page.last_life = rows->empty() ? INT64_MAX : rows->back().life;
        std::ranges::move(*rows, std::back_inserter(page.rows));
        if (page.more)
            return page;
    }
    return page;
}

} // namespace isthmus::control
