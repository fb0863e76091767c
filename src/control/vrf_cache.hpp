#pragma once
// What stays from one compilation to the next: the tables of each attachment, what workers read of
// it, and which slot each VLAN leads to. Whoever changes an attachment in the Model says so here;
// compile() then looks at those alone, so that a publication costs little, however many there are.
// Control thread only.

#include "control/vrf.hpp"
#include "dataplane/forwarding_state.hpp"
#include "dataplane/large_pages.hpp"

#include <map>
#include <memory>
#include <set>
#include <vector>

namespace isthmus::control {

struct CompileInput;

// Large objects that published states share: changed in a copy once a state has them. What states
// have given back serves as the next copy; in the heap, small objects that live long would settle
// in every gap that a large one leaves.
template <class T> class Copies {
  public:
    // `current` itself, or a copy of it if anybody else holds it.
    T& writable(std::shared_ptr<T>& current) {
        if (current.use_count() <= 2) // ours and the caller's
            return *current;
        std::shared_ptr<T> copy = unused();
        *copy = *current;
        current = std::move(copy);
        return *current;
    }
    [[nodiscard]] std::shared_ptr<T> unused() {
        for (const std::shared_ptr<T>& object : all_)
            if (object.use_count() == 1)
                return object;
        return all_.emplace_back(std::make_shared<T>());
    }

  private:
    std::vector<std::shared_ptr<T>> all_;
};

class VrfCache {
  public:
    // Addresses, features or routes were replaced, or the attachment has come or gone: its tables
    // are built anew.
    void erase(AttachmentId id) { rebuild_.insert(id); }
    // Anything else of it has changed. Its tables stay if they still suit its addresses.
    void touch(AttachmentId id) { touched_.insert(id); }
    // Takes erase() back: the Model is as it was.
    void keep(AttachmentId id) {
        rebuild_.erase(id);
        touched_.insert(id);
    }
    // A neighbour has come, gone or changed.
    void set_neighbour(const NeighbourKey& key, const std::optional<MacAddr>& mac);
    [[nodiscard]] bool changed() const { return all_ || !rebuild_.empty() || !touched_.empty(); }

    // As compiled last; nullptr if there is none.
    [[nodiscard]] Vrf* find(AttachmentId id);
    // Attachments that may have something to settle since the last call.
    [[nodiscard]] std::set<AttachmentId> take_unsettled() { return std::exchange(unsettled_, {}); }
    void unsettled(AttachmentId id) { unsettled_.insert(id); }

    // What earlier states may refer to, and the last one does not.
    using Parts = std::vector<std::shared_ptr<const void>>;
    [[nodiscard]] Parts take_replaced() { return std::exchange(replaced_, {}); }
    // All that the last one refers to. Nothing is left here.
    [[nodiscard]] Parts take_all();

    // For compile(): follows the Model, and lends the state what it found.
    void follow(const CompileInput& input, dataplane::ForwardingState& state);

  private:
    template <class T> using Part = std::vector<T, dataplane::SharedLargePages<T>>;
    struct Entry {
        std::shared_ptr<Vrf> vrf;
        std::shared_ptr<const Part<dataplane::Adjacency>> adjacencies;
        std::shared_ptr<const Part<dataplane::FeatureState>> features;
    };
    using Members = std::vector<std::vector<ChannelId>>; // by InterconnectId

    [[nodiscard]] static dataplane::AttachmentState
    attachment_state(const CompileInput& input, const Attachment& spec, const Entry& entry);
    void prepare(const CompileInput& input);
    void refresh(const CompileInput& input, AttachmentId id, bool rebuild);
    void refresh_tables(const CompileInput& input, AttachmentId id, bool rebuild);
    void remove(AttachmentId id);
    void forget(Entry& entry);
    void move(AttachmentId id, const dataplane::AttachmentState& before,
              const dataplane::AttachmentState& after);
    void set_vlans(const dataplane::AttachmentState& where, uint16_t value, uint16_t if_now);

    std::map<AttachmentId, Entry> entries_;
    std::set<AttachmentId> rebuild_, touched_, unsettled_;
    bool all_ = true;          // nothing was compiled so far
    std::size_t clamping_ = 0; // attachments that bound the MSS
    Members members_;
    // Shared with published states.
    using Attachments =
        std::vector<dataplane::AttachmentState, dataplane::LargePages<dataplane::AttachmentState>>;
    std::shared_ptr<Attachments> attachments_;
    std::vector<std::shared_ptr<dataplane::VlanTable>> port_vlans_;    // by PortId
    std::vector<std::shared_ptr<dataplane::VlanTable>> channel_vlans_; // by ChannelId
    Copies<Attachments> attachment_copies_;
    Copies<dataplane::VlanTable> vlan_copies_;
    Parts replaced_;
};

} // namespace isthmus::control
