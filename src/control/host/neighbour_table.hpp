#pragma once
// Neighbours of every link and their timers, as a pure state machine: calls change the table and
// add to a list of what the caller has to do (ask on the wire, send or drop held packets).
// Control thread only.
//
// incomplete -> reachable (heard) -> probing (30 s without hearing, still usable) -> incomplete if
// the configuration wants the address, else gone. Permanent entries never move.

#include "control/host_stack.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace isthmus::control::host {

inline constexpr uint64_t kSecond = 1'000'000'000;
inline constexpr uint64_t kReachableTime = 30 * kSecond; // RFC 4861, 10: REACHABLE_TIME
inline constexpr uint64_t kRetransTime = kSecond;        // RFC 4861, 10: RETRANS_TIMER
inline constexpr unsigned kMaxTries = 3;                 // RFC 4861, 10: MAX_*_SOLICIT
inline constexpr uint64_t kBackOffTime = 3 * kSecond;    // without asking again after kMaxTries
inline constexpr unsigned kMaxWantedInterval = 5;        // seconds between tries for wanted ones

// Bounds on entries that the configuration did not ask for.
inline constexpr std::size_t kMaxLearntPerLink = 4096;
inline constexpr std::size_t kMaxLearnt = 65536;
// Of those, entries still without an answer: a scan of a subnet may not displace live hosts.
inline constexpr std::size_t kMaxPendingPerLink = 1024;
// Requests sent at a time, so that many timers at once do not overrun the transmit ring.
inline constexpr std::size_t kMaxAsksPerAdvance = 256;

struct Ask {
    NeighbourKey key;
    std::optional<MacAddr> to; // nothing: ask everyone on the link
};

struct NeighbourActions {
    std::vector<Ask> asks;
    std::vector<NeighbourKey> resolved; // has a MAC now
    std::vector<NeighbourKey> given_up; // is not waited for any more
};

class NeighbourTable {
  public:
    // Brings the table in line with a link: static entries, wanted addresses, and no learnt entry
    // that can not be on the link.
    void configure(const Link& link, uint64_t now_ns);
    void remove_link(LinkId link);

    enum class Outcome : uint8_t {
        resolved,
        waiting, // asked, hold packets
        failed,  // did not answer lately
        refused  // no room
    };
    // A packet needs this neighbour.
    Outcome request(const NeighbourKey& key, uint64_t now_ns);

    enum class Evidence : uint8_t {
        confirmed,
        hint // to be used, and verified
    };
    // `create`: also if nothing is known about the address and there is room.
    void learn(const NeighbourKey& key, MacAddr mac, Evidence evidence, bool create,
               uint64_t now_ns);
    // Verifies a reachable neighbour before its time.
    void suspect(const NeighbourKey& key, uint64_t now_ns);
    bool forget(const NeighbourKey& key, uint64_t now_ns);

    // Timers.
    void advance(uint64_t now_ns);

    struct Entry {
        NeighbourState state = NeighbourState::incomplete;
        MacAddr mac;
        bool wanted = false;
        bool failed = false; // incomplete, and kMaxTries went unanswered
        unsigned tries = 0;  // since the last change of state
        uint64_t confirmed_ns = 0;
        uint64_t due_ns = kNever;
        [[nodiscard]] bool usable() const { return state != NeighbourState::incomplete; }
    };
    [[nodiscard]] const Entry* find(const NeighbourKey& key) const;
    [[nodiscard]] std::vector<Neighbour> list() const;

    [[nodiscard]] NeighbourActions take_actions() { return std::exchange(actions_, {}); }
    [[nodiscard]] std::vector<NeighbourKey> take_changes() { return std::exchange(changes_, {}); }

  private:
    static constexpr uint64_t kNever = ~uint64_t{0};

    using Entries = std::map<IpAddr, Entry>;
    struct Table {
        Entries entries;
        std::set<std::pair<uint64_t, IpAddr>> timers; // of every entry with due_ns != kNever
        // Entries neither wanted nor permanent: those with a MAC by when they were heard, and the
        // number of incomplete ones.
        std::set<std::pair<uint64_t, IpAddr>> learnt;
        std::size_t pending = 0;
    };
    // One entry and where it lives.
    struct Place {
        LinkId link;
        Table* table;
        Entries::iterator it;
        [[nodiscard]] NeighbourKey key() const { return {link, it->first}; }
        [[nodiscard]] Entry& entry() const { return it->second; }
    };

    [[nodiscard]] std::optional<Place> place(const NeighbourKey& key);
    [[nodiscard]] bool make_room(LinkId link, Table& table);
    std::optional<Place> insert(const NeighbourKey& key);
    Place insert_configured(LinkId link, Table& table, const IpAddr& address);
    void erase(const Place& place);
    void count(const Place& place, bool add);
    template <class Change> void change(const Place& place, Change apply);
    void schedule(const Place& place, uint64_t due_ns);
    void ask(const Place& place, uint64_t now_ns);
    void start(const Place& place, uint64_t now_ns);
    void fire(const Place& place, uint64_t now_ns);
    void give_up(const Place& place, uint64_t now_ns);
    void drop_mapping(const Place& place, uint64_t now_ns);
    void configure_known(const Link& link, Table& table, uint64_t now_ns);
    void set_permanent(const Place& place, MacAddr mac);
    bool advance_link(LinkId link, Table& table, uint64_t now_ns, std::size_t& budget);

    std::map<LinkId, Table> tables_;
    std::size_t learnt_ = 0; // in all tables, pending ones included
    LinkId next_link_{AttachmentId{std::size_t{0}}, ChannelId{std::size_t{0}}};
    NeighbourActions actions_;
    std::vector<NeighbourKey> changes_; // of mappings that workers use
};

} // namespace isthmus::control::host
