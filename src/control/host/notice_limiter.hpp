#pragma once
// How many ICMP errors may be sent (RFC 1812, 4.3.2.8; RFC 4443, 2.4 f): one token bucket for the
// edge and one per link, so that one tenant can not use up the others' share at once.
// Control thread only.

#include "control/model.hpp"

#include <algorithm>
#include <cstdint>
#include <map>

namespace isthmus::control::host {

class TokenBucket {
  public:
    TokenBucket(uint64_t rate_per_second, uint64_t burst)
        : cost_ns_(1'000'000'000 / rate_per_second), full_ns_(burst * cost_ns_),
          credit_ns_(full_ns_) {}

    [[nodiscard]] bool has_token(uint64_t now_ns) {
        if (now_ns > last_ns_) {
            credit_ns_ += std::min(now_ns - last_ns_, full_ns_ - credit_ns_);
            last_ns_ = now_ns;
        }
        return credit_ns_ >= cost_ns_;
    }
    void take() { credit_ns_ -= cost_ns_; }

  private:
    uint64_t cost_ns_; // time in which one token grows
    uint64_t full_ns_;
    uint64_t credit_ns_;
    uint64_t last_ns_ = 0;
};

inline constexpr uint64_t kNoticesPerSecond = 1000, kNoticeBurst = 100;
inline constexpr uint64_t kLinkNoticesPerSecond = 100, kLinkNoticeBurst = 20;

class NoticeLimiter {
  public:
    [[nodiscard]] bool allow(LinkId link, uint64_t now_ns) {
        TokenBucket& of_link =
            links_.try_emplace(link, kLinkNoticesPerSecond, kLinkNoticeBurst).first->second;
        if (!of_link.has_token(now_ns) || !all_.has_token(now_ns))
            return false;
        of_link.take();
        all_.take();
        return true;
    }
    void remove_link(LinkId link) { links_.erase(link); }

  private:
    TokenBucket all_{kNoticesPerSecond, kNoticeBurst};
    std::map<LinkId, TokenBucket> links_;
};

} // namespace isthmus::control::host
