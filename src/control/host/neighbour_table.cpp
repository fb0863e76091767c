#include "control/host/neighbour_table.hpp"

#include "control/host/links.hpp"

#include <algorithm>

namespace isthmus::control::host {

std::optional<NeighbourTable::Place> NeighbourTable::place(const NeighbourKey& key) {
    const auto table = tables_.find(key.link);
    if (table == tables_.end())
        return std::nullopt;
    const auto it = table->second.entries.find(key.address);
    if (it == table->second.entries.end())
        return std::nullopt;
    return Place{key.link, &table->second, it};
}

const NeighbourTable::Entry* NeighbourTable::find(const NeighbourKey& key) const {
    const auto table = tables_.find(key.link);
    if (table == tables_.end())
        return nullptr;
    const auto it = table->second.entries.find(key.address);
    return it == table->second.entries.end() ? nullptr : &it->second;
}

std::vector<Neighbour> NeighbourTable::list() const {
    std::vector<Neighbour> all;
    for (const auto& [link, table] : tables_)
        for (const auto& [address, entry] : table.entries)
            all.push_back({link, address, entry.state, entry.mac, entry.confirmed_ns});
    return all;
}

void NeighbourTable::count(const Place& place, bool add) {
    const Entry& entry = place.entry();
    if (entry.wanted || entry.state == NeighbourState::permanent)
        return;
    add ? ++learnt_ : --learnt_;
    if (!entry.usable())
        add ? ++place.table->pending : --place.table->pending;
    else if (add)
        place.table->learnt.insert({entry.confirmed_ns, place.it->first});
    else
        place.table->learnt.erase({entry.confirmed_ns, place.it->first});
}

// Every change of state, `wanted` or confirmed_ns goes through here, so that the bounds see it.
template <class Change> void NeighbourTable::change(const Place& place, Change apply) {
    count(place, false);
    apply(place.entry());
    count(place, true);
}

void NeighbourTable::schedule(const Place& place, uint64_t due_ns) {
    Entry& entry = place.entry();
    if (entry.due_ns != kNever)
        place.table->timers.erase({entry.due_ns, place.it->first});
    entry.due_ns = due_ns;
    if (due_ns != kNever)
        place.table->timers.insert({due_ns, place.it->first});
}

void NeighbourTable::erase(const Place& place) {
    if (place.entry().usable())
        changes_.push_back(place.key());
    actions_.given_up.push_back(place.key());
    schedule(place, kNever);
    count(place, false);
    place.table->entries.erase(place.it);
}

// A full table gives up the neighbour of the same link that was heard longest ago. Other links
// never pay, and neither do neighbours that are being asked for: they have a bound of their own.
bool NeighbourTable::make_room(LinkId link, Table& table) {
    if (table.learnt.size() + table.pending < kMaxLearntPerLink && learnt_ < kMaxLearnt)
        return true;
    if (table.learnt.empty())
        return false;
    erase({link, &table, table.entries.find(table.learnt.begin()->second)});
    return true;
}

std::optional<NeighbourTable::Place> NeighbourTable::insert(const NeighbourKey& key) {
    const auto found = tables_.find(key.link);
    if (found == tables_.end())
        return std::nullopt;
    Table& table = found->second;
    if (!make_room(key.link, table))
        return std::nullopt;
    const Place created{key.link, &table, table.entries.try_emplace(key.address).first};
    count(created, true);
    return created;
}

// The entry of an address that the configuration names; new ones have no timer yet.
NeighbourTable::Place NeighbourTable::insert_configured(LinkId link, Table& table,
                                                        const IpAddr& address) {
    const auto [it, created] = table.entries.try_emplace(address);
    const Place place{link, &table, it};
    if (created)
        count(place, true);
    return place;
}

// Asks once and waits for the answer; slower and slower where nobody answers.
void NeighbourTable::ask(const Place& place, uint64_t now_ns) {
    Entry& entry = place.entry();
    actions_.asks.push_back(
        {place.key(), entry.usable() ? std::optional<MacAddr>(entry.mac) : std::nullopt});
    entry.tries = std::min(entry.tries + 1, kMaxTries + kMaxWantedInterval);
    const unsigned seconds =
        entry.tries <= kMaxTries ? 1 : std::min(entry.tries - 2, kMaxWantedInterval);
    schedule(place, now_ns + seconds * kRetransTime);
}

void NeighbourTable::start(const Place& place, uint64_t now_ns) {
    change(place, [](Entry& entry) {
        entry.state = NeighbourState::incomplete;
        entry.failed = false;
        entry.tries = 0;
    });
    if (actions_.asks.size() < kMaxAsksPerAdvance)
        ask(place, now_ns);
    else
        schedule(place, now_ns); // a large configuration: advance() asks in portions
}

// The MAC of an entry is no longer good, or nobody uses the entry any more.
void NeighbourTable::drop_mapping(const Place& place, uint64_t now_ns) {
    if (!place.entry().wanted) {
        erase(place);
        return;
    }
    if (place.entry().usable())
        changes_.push_back(place.key());
    start(place, now_ns);
}

void NeighbourTable::give_up(const Place& place, uint64_t now_ns) {
    Entry& entry = place.entry();
    if (entry.failed && !entry.wanted) {
        erase(place); // the back-off is over
        return;
    }
    if (!entry.failed) {
        entry.failed = true;
        actions_.given_up.push_back(place.key());
    }
    if (entry.wanted)
        ask(place, now_ns);
    else
        schedule(place, now_ns + kBackOffTime);
}

void NeighbourTable::fire(const Place& place, uint64_t now_ns) {
    Entry& entry = place.entry();
    if (entry.state == NeighbourState::reachable)
        change(place, [](Entry& e) {
            e.state = NeighbourState::probing;
            e.tries = 0;
        });
    if (entry.tries < kMaxTries)
        ask(place, now_ns);
    else if (entry.usable())
        drop_mapping(place, now_ns);
    else
        give_up(place, now_ns);
}

NeighbourTable::Outcome NeighbourTable::request(const NeighbourKey& key, uint64_t now_ns) {
    if (const Entry* entry = find(key)) {
        if (entry->usable())
            return Outcome::resolved;
        return entry->failed ? Outcome::failed : Outcome::waiting;
    }
    const auto table = tables_.find(key.link);
    if (table == tables_.end() || table->second.pending >= kMaxPendingPerLink)
        return Outcome::refused;
    const auto created = insert(key);
    if (!created)
        return Outcome::refused;
    ask(*created, now_ns);
    return Outcome::waiting;
}

void NeighbourTable::learn(const NeighbourKey& key, MacAddr mac, Evidence evidence, bool create,
                           uint64_t now_ns) {
    auto found = place(key);
    if (!found && create)
        found = insert(key);
    if (!found || found->entry().state == NeighbourState::permanent)
        return;
    const bool was_usable = found->entry().usable();
    const bool confirmed = evidence == Evidence::confirmed;
    if (!was_usable || found->entry().mac != mac)
        changes_.push_back(key);
    change(*found, [&](Entry& entry) {
        entry.state = confirmed ? NeighbourState::reachable : NeighbourState::probing;
        entry.mac = mac;
        entry.failed = false;
        entry.tries = 0;
        entry.confirmed_ns = now_ns;
    });
    schedule(*found, confirmed ? now_ns + kReachableTime : now_ns);
    if (!was_usable)
        actions_.resolved.push_back(key);
}

void NeighbourTable::suspect(const NeighbourKey& key, uint64_t now_ns) {
    const auto found = place(key);
    if (!found || found->entry().state != NeighbourState::reachable)
        return;
    schedule(*found, now_ns);
}

bool NeighbourTable::forget(const NeighbourKey& key, uint64_t now_ns) {
    const auto found = place(key);
    if (!found || found->entry().state == NeighbourState::permanent)
        return false;
    if (found->entry().wanted)
        actions_.given_up.push_back(key);
    drop_mapping(*found, now_ns);
    return true;
}

void NeighbourTable::set_permanent(const Place& place, MacAddr mac) {
    const bool was_usable = place.entry().usable();
    if (place.entry().state == NeighbourState::permanent && place.entry().mac == mac)
        return;
    change(place, [&](Entry& entry) {
        entry.state = NeighbourState::permanent;
        entry.mac = mac;
    });
    schedule(place, kNever);
    changes_.push_back(place.key());
    if (!was_usable)
        actions_.resolved.push_back(place.key());
}

// What is in the table already, against the link as it is now.
void NeighbourTable::configure_known(const Link& link, Table& table, uint64_t now_ns) {
    const std::set<IpAddr> wanted(link.wanted.begin(), link.wanted.end());
    for (auto it = table.entries.begin(); it != table.entries.end();) {
        const Place here{link.id, &table, it++};
        const IpAddr& address = here.it->first;
        const bool is_static = link.static_neighbours.contains(address);
        change(here, [&](Entry& entry) {
            entry.wanted = wanted.contains(address) && can_ask(link, address);
        });
        if (here.entry().state == NeighbourState::permanent) {
            if (!is_static)
                drop_mapping(here, now_ns);
        } else if (!is_static && !here.entry().wanted && !on_link(link, address)) {
            erase(here);
        }
    }
}

void NeighbourTable::configure(const Link& link, uint64_t now_ns) {
    Table& table = tables_[link.id];
    configure_known(link, table, now_ns);
    for (const auto& [address, mac] : link.static_neighbours)
        set_permanent(insert_configured(link.id, table, address), mac);
    for (const IpAddr& address : link.wanted) {
        if (!can_ask(link, address))
            continue;
        const Place here = insert_configured(link.id, table, address);
        if (here.entry().wanted)
            continue; // known before
        change(here, [](Entry& entry) { entry.wanted = true; });
        if (!here.entry().usable())
            start(here, now_ns);
    }
}

void NeighbourTable::remove_link(LinkId link) {
    const auto found = tables_.find(link);
    if (found == tables_.end())
        return;
    while (!found->second.entries.empty())
        erase({link, &found->second, found->second.entries.begin()});
    tables_.erase(found);
}

// False if the budget ran out before the link's due timers did.
bool NeighbourTable::advance_link(LinkId link, Table& table, uint64_t now_ns, std::size_t& budget) {
    while (!table.timers.empty() && table.timers.begin()->first <= now_ns) {
        if (budget == 0)
            return false;
        const std::size_t asked = actions_.asks.size();
        fire({link, &table, table.entries.find(table.timers.begin()->second)}, now_ns);
        budget -= actions_.asks.size() - asked;
    }
    return true;
}

void NeighbourTable::advance(uint64_t now_ns) {
    std::size_t budget = kMaxAsksPerAdvance;
    auto it = tables_.lower_bound(next_link_); // where the budget ran out last time
    for (std::size_t i = 0; i < tables_.size(); ++i) {
        if (it == tables_.end())
            it = tables_.begin();
        if (!advance_link(it->first, it->second, now_ns, budget)) {
            next_link_ = it->first;
            return;
        }
        ++it;
    }
}

} // namespace isthmus::control::host
