#include "macsec/aead.hpp"

#include "macsec/aead_ipsec_mb.hpp"
#include "macsec/aead_kat.hpp"
#include "macsec/aead_openssl.hpp"
#include "macsec/aead_vaes.hpp"

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
    {"vaes", make_vaes_aead},
    {"ipsec_mb", make_ipsec_mb_aead},
    {"openssl", make_openssl_aead},
});
constexpr auto kForms = std::to_array<Engine>({
    {"vaes512", make_vaes512_aead},
    {"vaes256", make_vaes256_aead},
    {"ipsec_mb_avx2", make_ipsec_mb_avx2_aead},
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

// A wrong answer is never passed over in favour of the next engine: a machine that computes AES
// wrongly must not carry traffic. Only an engine that is not available is.
Result<std::unique_ptr<Aead>> make_fastest() {
    Error unavailable{ErrorCode::unavailable, "engine: none is available", "engine", {}, {}};
    for (const Engine& engine : kEngines) {
        auto aead = make_tested(engine);
        if (aead || aead.error().code != ErrorCode::unavailable)
            return aead;
        unavailable = aead.error();
    }
    return unavailable;
}

std::vector<std::string_view> names_of(std::span<const Engine> engines) {
    std::vector<std::string_view> names;
    for (const Engine& engine : engines)
        names.push_back(engine.name);
    return names;
}

} // namespace

std::vector<std::string_view> aead_engines() {
    return names_of(kEngines);
}

std::vector<std::string_view> aead_engine_forms() {
    return names_of(kForms);
}

Result<std::unique_ptr<Aead>> make_aead(std::string_view engine) {
    if (engine == kAuto)
        return make_fastest();
    std::string names(kAuto);
    for (const Engine& candidate : kEngines) {
        if (engine == candidate.name)
            return make_tested(candidate);
        names += ", " + std::string(candidate.name);
    }
    for (const Engine& candidate : kForms)
        if (engine == candidate.name)
            return make_tested(candidate);
    return invalid_value("engine", std::string(engine), "one of " + names);
}

Error wrong_sak_length(CipherSuite suite, std::size_t length) {
    return invalid_value("sak", std::to_string(length) + " octets",
                         std::to_string(sak_length(suite)) + " octets for " +
                             std::string(name(suite)));
}

} // namespace isthmus::macsec
