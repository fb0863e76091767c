#include "control/route_table.hpp"

#include <algorithm>
#include <bit>
#include <type_traits>

namespace isthmus::control {
namespace {

constexpr std::size_t kFewest = 16;
// What a prefix leads to, as a number: these two, or kFirstOther and up.
constexpr uint32_t kChannels = 1, kBlackhole = 2, kFirstOther = 3;

// Up to three quarters of the places are taken: beyond, linear probing becomes slow.
std::size_t places_for(std::size_t count) {
    return count == 0 ? 0 : std::max(kFewest, std::bit_ceil(count + count / 3 + 1));
}

uint64_t bits_of(const Ipv4Prefix& prefix) {
    return uint64_t{prefix.addr.value} << 8 | prefix.length;
}
uint64_t bits_of(const Ipv6Prefix& prefix) {
    return (prefix.addr.high ^ std::rotl(prefix.addr.low, 29)) * 0x9e3779b97f4a7c15 + prefix.length;
}

} // namespace

// Fibonacci hashing: the high bits of the product depend on all bits of the prefix.
template <class Prefix> std::size_t PrefixMap<Prefix>::home(const Prefix& prefix) const {
    uint64_t bits = bits_of(prefix) * 0xd6e8feb86659fd93;
    bits = (bits ^ bits >> 32) * 0x9e3779b97f4a7c15;
    return bits >> (64 - std::countr_zero(places_.size()));
}

// Where the prefix is, or the empty place where it would go. There must be places.
template <class Prefix> std::size_t PrefixMap<Prefix>::slot(const Prefix& prefix) const {
    const std::size_t mask = places_.size() - 1;
    std::size_t at = home(prefix);
    while (places_[at].value != 0 && places_[at].prefix != prefix)
        at = (at + 1) & mask;
    return at;
}

template <class Prefix> uint32_t PrefixMap<Prefix>::find(const Prefix& prefix) const {
    return size_ == 0 ? 0 : places_[slot(prefix)].value;
}

template <class Prefix> void PrefixMap<Prefix>::reserve(std::size_t count) {
    const std::size_t wanted = places_for(count);
    if (wanted <= places_.size())
        return;
    std::vector<Place> before(wanted);
    before.swap(places_);
    for (const Place& place : before)
        if (place.value != 0)
            places_[slot(place.prefix)] = place;
}

template <class Prefix> uint32_t PrefixMap<Prefix>::set(const Prefix& prefix, uint32_t value) {
    reserve(size_ + 1);
    Place& place = places_[slot(prefix)];
    const uint32_t before = place.value;
    size_ += before == 0;
    place = {prefix, value};
    return before;
}

template <class Prefix> uint32_t PrefixMap<Prefix>::erase(const Prefix& prefix) {
    if (size_ == 0)
        return 0;
    const std::size_t mask = places_.size() - 1;
    std::size_t hole = slot(prefix);
    const uint32_t before = places_[hole].value;
    if (before == 0)
        return 0;
    // Whoever follows without a gap and would be found no more moves into the hole.
    for (std::size_t at = (hole + 1) & mask; places_[at].value != 0; at = (at + 1) & mask) {
        if (((at - home(places_[at].prefix)) & mask) < ((at - hole) & mask))
            continue;
        places_[hole] = places_[at];
        hole = at;
    }
    places_[hole].value = 0;
    --size_;
    return before;
}

template class PrefixMap<Ipv4Prefix>;
template class PrefixMap<Ipv6Prefix>;

RouteTable::RouteTable(std::initializer_list<std::pair<IpPrefix, Route>> routes) {
    for (const auto& [prefix, route] : routes)
        (void)set(prefix, route);
}

uint32_t RouteTable::code_of(const IpPrefix& prefix) const {
    if (const auto* v4 = std::get_if<Ipv4Prefix>(&prefix))
        return ipv4_.find(*v4);
    return ipv6_.find(std::get<Ipv6Prefix>(prefix));
}

Route RouteTable::route_of(uint32_t code) const {
    if (code == kChannels)
        return {Via::channels, {}};
    if (code == kBlackhole)
        return {Via::blackhole, {}};
    return by_number_[code - kFirstOther].route;
}

// A next hop counts its prefixes, and has a number as long as there are any.
uint32_t RouteTable::take_code(const Route& route) {
    if (!route.next_hop && route.via != Via::vpc)
        return route.via == Via::blackhole ? kBlackhole : kChannels;
    const auto [known, fresh] = others_.try_emplace(route, 0);
    if (fresh && free_.empty()) {
        known->second = static_cast<uint32_t>(by_number_.size());
        by_number_.emplace_back();
    } else if (fresh) {
        known->second = free_.back();
        free_.pop_back();
    }
    Other& other = by_number_[known->second];
    other.route = route;
    ++other.prefixes;
    return kFirstOther + known->second;
}

std::optional<Route> RouteTable::release_code(uint32_t code) {
    if (code == 0)
        return std::nullopt;
    const Route route = route_of(code);
    if (code >= kFirstOther && --by_number_[code - kFirstOther].prefixes == 0) {
        others_.erase(route);
        free_.push_back(code - kFirstOther);
    }
    return route;
}

std::optional<Route> RouteTable::find(const IpPrefix& prefix) const {
    const uint32_t code = code_of(prefix);
    return code == 0 ? std::nullopt : std::optional(route_of(code));
}

bool RouteTable::insert(const IpPrefix& prefix, const Route& route) {
    if (contains(prefix))
        return false;
    (void)set(prefix, route);
    return true;
}

std::optional<Route> RouteTable::set(const IpPrefix& prefix, const Route& route) {
    const uint32_t code = take_code(route);
    if (const auto* v4 = std::get_if<Ipv4Prefix>(&prefix))
        return release_code(ipv4_.set(*v4, code));
    return release_code(ipv6_.set(std::get<Ipv6Prefix>(prefix), code));
}

std::optional<Route> RouteTable::erase(const IpPrefix& prefix) {
    if (const auto* v4 = std::get_if<Ipv4Prefix>(&prefix))
        return release_code(ipv4_.erase(*v4));
    return release_code(ipv6_.erase(std::get<Ipv6Prefix>(prefix)));
}

void RouteTable::reserve_more(std::size_t ipv4, std::size_t ipv6) {
    ipv4_.reserve(ipv4_.size() + ipv4);
    ipv6_.reserve(ipv6_.size() + ipv6);
}

std::vector<std::pair<IpPrefix, Route>> RouteTable::in_order() const {
    std::vector<std::pair<IpPrefix, Route>> all;
    all.reserve(size());
    for_each([&](const IpPrefix& prefix, const Route& route) { all.emplace_back(prefix, route); });
    std::sort(all.begin(), all.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    return all;
}

bool RouteTable::passes(uint32_t code, const std::optional<Via>& via) const {
    if (!via)
        return true;
    return *via == (code == kChannels    ? Via::channels
                    : code == kBlackhole ? Via::blackhole
                                         : Via::vpc);
}

namespace {

// `outer` is of the other family, or has not all of `inner` in it.
template <class Prefix> bool outside(const Prefix& inner, const IpPrefix& outer) {
    const auto* same = std::get_if<Prefix>(&outer);
    return !same || same->length > inner.length || !contains(*same, inner.addr);
}

template <class Prefix> bool matches(const Prefix& prefix, const RouteFilter& filter) {
    if (filter.within && outside(prefix, *filter.within))
        return false;
    const auto* covered = filter.covers ? std::get_if<Prefix>(&*filter.covers) : nullptr;
    return !filter.covers || (covered && !outside(*covered, IpPrefix{prefix}));
}

} // namespace

template <class Prefix>
void RouteTable::add_page(Page& out, const PrefixMap<Prefix>& map, const RouteFilter& filter,
                          const std::optional<IpPrefix>& after, std::size_t most) const {
    using Found = std::pair<Prefix, uint32_t>;
    // IPv4 comes first: a cursor of the other family is before all of IPv6, or behind all of IPv4.
    const auto* from = after ? std::get_if<Prefix>(&*after) : nullptr;
    const bool behind = after && !from && std::is_same_v<Prefix, Ipv4Prefix>;
    most -= std::min(most, out.routes.size());
    std::vector<Found> found;
    // Twice as many as are wanted are kept until the worse half goes: all beyond it need not be
    // looked at any more.
    std::optional<Prefix> bound;
    const auto prune = [&] {
        if (found.size() <= most)
            return;
        std::nth_element(found.begin(), found.begin() + static_cast<long>(most), found.end());
        found.resize(most);
        out.more = true;
        bound = most == 0 ? Prefix{} : std::max_element(found.begin(), found.end())->first;
    };
    map.for_each([&](const Prefix& prefix, uint32_t code) {
        if (!passes(code, filter.via) || !matches(prefix, filter))
            return;
        ++out.total;
        if (behind || (from && prefix <= *from))
            return;
        if (bound && *bound < prefix)
            return;
        found.emplace_back(prefix, code);
        if (found.size() > 2 * most + kFewest)
            prune();
    });
    prune();
    std::sort(found.begin(), found.end());
    for (const auto& [prefix, code] : found)
        out.routes.emplace_back(prefix, route_of(code));
}

RouteTable::Page RouteTable::page(const RouteFilter& filter, const std::optional<IpPrefix>& after,
                                  std::size_t most) const {
    Page out;
    add_page(out, ipv4_, filter, after, most);
    add_page(out, ipv6_, filter, after, most);
    return out;
}

bool operator==(const RouteTable& a, const RouteTable& b) {
    bool same = a.size() == b.size();
    if (same)
        a.for_each([&](const IpPrefix& prefix, const Route& route) {
            same = same && b.find(prefix) == route;
        });
    return same;
}

std::vector<IpAddr> RouteTable::next_hops() const {
    std::vector<IpAddr> all;
    all.reserve(others_.size());
    for (const auto& [route, number] : others_)
        if (route.next_hop)
            all.push_back(*route.next_hop);
    return all;
}

} // namespace isthmus::control
