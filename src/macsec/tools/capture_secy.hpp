#pragma once
// The SAs of a capture: frames are validated by them, and protected again as they were.

#include "macsec/tools/secy_pair.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::macsec::tools {

enum class CaptureVerdict : uint8_t {
    ok,
    not_macsec,
    bad_tag,
    not_controlled, // E = 1, C = 0
    no_sa,          // none of the SAs given is the frame's
    not_valid,
};
[[nodiscard]] std::string_view name(CaptureVerdict verdict);

class CaptureSecy {
  public:
    // From the JSON file beside a capture: `sas` is a list of objects with `sci`, `an` and `key`;
    // XPN suites have `salt`, `ssci` and `high_pn`, the upper half of the first packet number.
    // `conf_offset` may be there, in an SA or for all. Errors name the file.
    [[nodiscard]] static Result<CaptureSecy> load(const Aead& aead, const std::string& path);

    struct Outcome {
        CaptureVerdict verdict = CaptureVerdict::not_macsec;
        SecTag tag; // if it is valid
        Sci sci;
        uint64_t pn = 0; // recovered, with XPN
        Octets plain;    // only if ok
        std::size_t sa = 0;
    };
    [[nodiscard]] Outcome validate(std::span<const uint8_t> frame);
    // The frame that gives `outcome`, made anew with the tag's form, PN and SA. Only if ok.
    [[nodiscard]] Octets protect(const Outcome& outcome);

  private:
    // A receiver of its own for each SA, so that they may differ in suite and offset.
    struct Sa {
        SaParameters parameters;
        uint8_t confidentiality_offset = 0;
        std::unique_ptr<Receiver> receiver;
        std::unique_ptr<Sender> sender;
    };
    [[nodiscard]] Result<void> add(const Aead& aead, Sa sa, uint64_t lowest_pn);
    [[nodiscard]] std::size_t find(std::span<const uint8_t> frame, const SecTag& tag) const;

    std::vector<Sa> sas_;
};

} // namespace isthmus::macsec::tools
