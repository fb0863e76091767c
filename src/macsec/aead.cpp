#include "macsec/aead.hpp"

#include "macsec/aead_kat.hpp"
#include "macsec/aead_openssl.hpp"

#include <array>
#include <string>

namespace isthmus::macsec {
namespace {

struct Engine {
    std::string_view name;
    Result<std::unique_ptr<Aead>> (*make)();
};

// Fastest first: `auto` takes the first one that this machine can run.
constexpr auto kEngines = std::to_array<Engine>({
    {"openssl", make_openssl_aead},
});
constexpr std::string_view kAuto = "auto";

Result<std::unique_ptr<Aead>> make_tested(const Engine& engine) {
    auto aead = engine.make();
    if (!aead)
        return aead;
    if (auto tested = run_known_answer_tests(**aead); !tested)
        return tested.error();
    return aead;
}

} // namespace

// A wrong answer is never passed over in favour of the next engine: a machine that computes AES
// wrongly must not carry traffic. Only an engine that is not available is.
Result<std::unique_ptr<Aead>> make_aead(std::string_view engine) {
    std::string names(kAuto);
    Error unavailable{ErrorCode::unavailable, "engine: none is available", "engine", {}, {}};
    for (const Engine& candidate : kEngines) {
        names += ", " + std::string(candidate.name);
        if (engine == candidate.name)
            return make_tested(candidate);
        if (engine != kAuto)
            continue;
        auto aead = make_tested(candidate);
        if (aead || aead.error().code != ErrorCode::unavailable)
            return aead;
        unavailable = aead.error();
    }
    if (engine == kAuto)
        return unavailable;
    return invalid_value("engine", std::string(engine), "one of " + names);
}

} // namespace isthmus::macsec
