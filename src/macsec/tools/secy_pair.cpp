#include "macsec/tools/secy_pair.hpp"

#include "macsec/protect.hpp"

#include <algorithm>
#include <cassert>

namespace isthmus::macsec::tools {

HeapFrame::HeapFrame(std::span<const uint8_t> frame, std::size_t head, std::size_t tail)
    : head_(head), length_(static_cast<uint32_t>(frame.size())), size_(head + frame.size() + tail),
      memory_(new uint8_t[size_]()) {
    std::ranges::copy(frame, data());
}

HeapFrame HeapFrame::to_protect(std::span<const uint8_t> frame) {
    return HeapFrame(frame, kSecTagLength, kIcvLength + kAeadSlack);
}

HeapFrame HeapFrame::to_validate(std::span<const uint8_t> frame) {
    return HeapFrame(frame, 0, kAeadSlack);
}

bool HeapFrame::holds(const uint8_t* frame, uint32_t length) const {
    return frame >= memory_.get() && frame + length <= memory_.get() + size_;
}

Result<void> Sender::set_sa(const SaParameters& parameters, std::shared_ptr<PacketNumbers> pn) {
    auto made = make_tx_sa(*aead_, parameters.spec(), std::move(pn));
    if (!made)
        return made.error();
    sa = *std::move(made);
    sc.sci = parameters.sci;
    binding.sc = &sc;
    binding.sa = sa.get();
    return {};
}

Sender::Sent Sender::send(std::span<const uint8_t> plain) {
    HeapFrame memory = HeapFrame::to_protect(plain);
    ProtectFrame frame{memory.data(), memory.length(), ProtectVerdict::ok};
    ProtectBatch batch;
    batch.add(binding, secy, max_length, ProtectFrames(std::span(&frame, 1)));
    batch.seal(*aead_);
    assert(memory.holds(frame.frame, frame.length));
    return {frame.verdict, Octets(frame.frame, frame.frame + frame.length)};
}

RxScBinding* Receiver::find(Sci sci) {
    const auto found = std::ranges::find(bindings_, sci, &RxScBinding::sci);
    return found == bindings_.end() ? nullptr : &*found;
}

void Receiver::add_sc(Sci sci) {
    scs_.emplace_back().sci = sci;
    RxScBinding& added = bindings_.emplace_back();
    added.sci = sci;
    added.sc = &scs_.back();
    binding.scs = bindings_;
}

Result<RxSa*> Receiver::add_sa(const SaParameters& parameters, uint64_t lowest_pn,
                               uint32_t remembered) {
    auto made = make_rx_sa(*aead_, parameters.spec(), lowest_pn, remembered);
    if (!made)
        return made.error();
    if (find(parameters.sci) == nullptr)
        add_sc(parameters.sci);
    sas_.push_back(*std::move(made));
    RxScBinding& of = *find(parameters.sci);
    of.sa[parameters.an] = sas_.back().get();
    of.sa_in_use[parameters.an] = true;
    return sas_.back().get();
}

void Receiver::set_in_use(Sci sci, uint8_t an, bool in_use) {
    find(sci)->sa_in_use[an] = in_use;
}

Receiver::Received Receiver::receive(std::span<const uint8_t> frame) {
    const Octets one(frame.begin(), frame.end());
    return std::move(receive_burst(std::span(&one, 1)).front());
}

std::vector<Receiver::Received> Receiver::receive_burst(std::span<const Octets> frames) {
    std::deque<HeapFrame> memories;
    std::vector<ValidateFrame> burst;
    for (const Octets& frame : frames) {
        HeapFrame& memory = memories.emplace_back(HeapFrame::to_validate(frame));
        burst.push_back({memory.data(), memory.length(), ValidateVerdict::ok});
    }
    validate(*aead_, binding, secy, burst);
    std::vector<Received> results;
    for (std::size_t i = 0; i < burst.size(); ++i) {
        Received& result = results.emplace_back();
        result.verdict = burst[i].verdict;
        if (result.verdict != ValidateVerdict::ok)
            continue;
        assert(memories[i].holds(burst[i].frame, burst[i].length));
        result.frame.assign(burst[i].frame, burst[i].frame + burst[i].length);
    }
    return results;
}

} // namespace isthmus::macsec::tools
