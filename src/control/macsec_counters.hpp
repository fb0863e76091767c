#pragma once
// The counters of SecYs, SCs and SAs by name: what the API calls them, and what the MIB of 802.1AE
// and `ip macsec` do. Rows are in the order in which they are shown.

#include "macsec/secy.hpp"

#include <array>
#include <cstdint>
#include <string_view>

namespace isthmus::control {

template <class T> struct CounterName {
    std::string_view name;
    std::string_view mib;
    Counter T::*member;
};

template <class T> struct CounterNames;
template <> struct CounterNames<macsec::SecyCounters> {
    using C = macsec::SecyCounters;
    static constexpr auto kRows = std::to_array<CounterName<C>>({
        {"in_pkts_untagged", "InPktsUntagged", &C::in_pkts_untagged},
        {"in_pkts_no_tag", "InPktsNoTag", &C::in_pkts_no_tag},
        {"in_pkts_bad_tag", "InPktsBadTag", &C::in_pkts_bad_tag},
        {"in_pkts_unknown_sci", "InPktsUnknownSCI", &C::in_pkts_unknown_sci},
        {"in_pkts_no_sci", "InPktsNoSCI", &C::in_pkts_no_sci},
        {"out_pkts_untagged", "OutPktsUntagged", &C::out_pkts_untagged},
        {"out_pkts_too_long", "OutPktsTooLong", &C::out_pkts_too_long},
    });
};
template <> struct CounterNames<macsec::TxScCounters> {
    using C = macsec::TxScCounters;
    static constexpr auto kRows = std::to_array<CounterName<C>>({
        {"out_pkts_protected", "OutPktsProtected", &C::out_pkts_protected},
        {"out_pkts_encrypted", "OutPktsEncrypted", &C::out_pkts_encrypted},
        {"out_octets_protected", "OutOctetsProtected", &C::out_octets_protected},
        {"out_octets_encrypted", "OutOctetsEncrypted", &C::out_octets_encrypted},
    });
};
template <> struct CounterNames<macsec::TxSaCounters> {
    using C = macsec::TxSaCounters;
    static constexpr auto kRows = std::to_array<CounterName<C>>({
        {"out_pkts_protected", "OutPktsProtected", &C::out_pkts_protected},
        {"out_pkts_encrypted", "OutPktsEncrypted", &C::out_pkts_encrypted},
    });
};
template <> struct CounterNames<macsec::RxScCounters> {
    using C = macsec::RxScCounters;
    static constexpr auto kRows = std::to_array<CounterName<C>>({
        {"in_octets_validated", "InOctetsValidated", &C::in_octets_validated},
        {"in_octets_decrypted", "InOctetsDecrypted", &C::in_octets_decrypted},
        {"in_pkts_unchecked", "InPktsUnchecked", &C::in_pkts_unchecked},
        {"in_pkts_delayed", "InPktsDelayed", &C::in_pkts_delayed},
        {"in_pkts_ok", "InPktsOK", &C::in_pkts_ok},
        {"in_pkts_invalid", "InPktsInvalid", &C::in_pkts_invalid},
        {"in_pkts_late", "InPktsLate", &C::in_pkts_late},
        {"in_pkts_not_valid", "InPktsNotValid", &C::in_pkts_not_valid},
        {"in_pkts_not_using_sa", "InPktsNotUsingSA", &C::in_pkts_not_using_sa},
        {"in_pkts_unused_sa", "InPktsUnusedSA", &C::in_pkts_unused_sa},
    });
};
template <> struct CounterNames<macsec::RxSaCounters> {
    using C = macsec::RxSaCounters;
    static constexpr auto kRows = std::to_array<CounterName<C>>({
        {"in_pkts_ok", "InPktsOK", &C::in_pkts_ok},
        {"in_pkts_invalid", "InPktsInvalid", &C::in_pkts_invalid},
        {"in_pkts_not_valid", "InPktsNotValid", &C::in_pkts_not_valid},
        {"in_pkts_not_using_sa", "InPktsNotUsingSA", &C::in_pkts_not_using_sa},
        {"in_pkts_unused_sa", "InPktsUnusedSA", &C::in_pkts_unused_sa},
    });
};
template <class T> inline constexpr auto& kCounterNames = CounterNames<T>::kRows;

// What the counters of a T were when they were read, or their sum over several.
template <class T> class CounterValues {
  public:
    static constexpr auto& kRows = kCounterNames<T>;

    void add(const T& counters) {
        for (std::size_t i = 0; i < kRows.size(); ++i)
            values_[i] += (counters.*kRows[i].member).get();
    }
    [[nodiscard]] uint64_t at(std::size_t row) const { return values_[row]; }
    [[nodiscard]] uint64_t operator[](Counter T::*member) const {
        uint64_t value = 0;
        for (std::size_t i = 0; i < kRows.size(); ++i)
            if (kRows[i].member == member)
                value = values_[i];
        return value;
    }

  private:
    std::array<uint64_t, kRows.size()> values_{};
};

} // namespace isthmus::control
