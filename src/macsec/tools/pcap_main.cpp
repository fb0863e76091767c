// macsec-pcap CAPTURE KEYS: decrypts a capture, and protects its frames again to compare.

#include "macsec/aead.hpp"
#include "macsec/tools/capture_file.hpp"
#include "macsec/tools/capture_secy.hpp"

#include <fmt/format.h>
#include <getopt.h>

#include <algorithm>
#include <cstdio>

namespace isthmus::macsec::tools {
namespace {

constexpr const char* kUsage =
    "usage: macsec-pcap CAPTURE.pcap KEYS.json [-o OUT.pcap] [--reprotect [OUT.pcap]]\n"
    "                   [--engine NAME]\n"
    "\n"
    "Validates and decrypts every MACsec frame of the capture with the SAs of KEYS.json; frames\n"
    "without SecTAG are passed over. The last line is \"N passed, N failed\"; the exit code is 0\n"
    "only if all passed and there was a MACsec frame.\n"
    "\n"
    "  -o OUT.pcap             write the decrypted frames\n"
    "  --reprotect [OUT.pcap]  protect each decrypted frame again as it was, and compare with the\n"
    "                          capture octet by octet; write the results\n"
    "  --engine NAME           the AES-GCM engine to use (default auto)\n";

struct Arguments {
    std::vector<std::string> operands;
    std::string decrypted_path;
    std::string reprotected_path;
    std::string engine = "auto";
    bool reprotect = false;
    bool help = false;
    bool valid = true;
};

// The file name after --reprotect may be missing, so operands are taken in their order: with a
// third one, that which follows --reprotect is the file name.
Arguments read_arguments(int argc, char** argv) {
    static constexpr option kOptions[] = {{"reprotect", optional_argument, nullptr, 'r'},
                                          {"engine", required_argument, nullptr, 'e'},
                                          {"help", no_argument, nullptr, 'h'},
                                          {}};
    Arguments arguments;
    std::size_t after_reprotect = SIZE_MAX;
    for (int choice; (choice = getopt_long(argc, argv, "-o:h", kOptions, nullptr)) != -1;) {
        if (choice == 1)
            arguments.operands.emplace_back(optarg);
        else if (choice == 'o')
            arguments.decrypted_path = optarg;
        else if (choice == 'e')
            arguments.engine = optarg;
        else if (choice == 'h')
            arguments.help = true;
        else if (choice != 'r')
            arguments.valid = false;
        if (choice != 'r')
            continue;
        arguments.reprotect = true;
        if (optarg != nullptr)
            arguments.reprotected_path = optarg;
        else
            after_reprotect = arguments.operands.size();
    }
    for (int i = optind; i < argc; ++i) // behind "--"
        arguments.operands.emplace_back(argv[i]);
    if (arguments.operands.size() == 3 && after_reprotect < 3) {
        arguments.reprotected_path = arguments.operands[after_reprotect];
        arguments.operands.erase(arguments.operands.begin() +
                                 static_cast<std::ptrdiff_t>(after_reprotect));
    }
    arguments.valid = arguments.valid && arguments.operands.size() == 2;
    return arguments;
}

struct Totals {
    std::size_t passed = 0;
    std::size_t failed = 0;
    std::size_t passed_over = 0;
};

std::string describe(std::size_t number, const CaptureSecy::Outcome& outcome) {
    if (outcome.tag.verdict != TagVerdict::ok)
        return fmt::format("{:>6} {:>16} an - pn {:>10} e- c- {}", number, "-", "-",
                           name(outcome.verdict));
    const bool encrypted = (outcome.tag.tci & kTciEncrypted) != 0;
    const bool changed = (outcome.tag.tci & kTciChangedText) != 0;
    std::string line =
        fmt::format("{:>6} {:016x} an {} pn {:>10} e{:d} c{:d} {}", number, outcome.sci.value,
                    outcome.tag.an, outcome.pn, encrypted, changed, name(outcome.verdict));
    if (outcome.verdict != CaptureVerdict::ok)
        return line;
    const std::span<const uint8_t> plain(outcome.plain);
    const auto inner = plain.subspan(outcome.tag.tag_offset);
    return line +
           fmt::format(" {} {}", inner.size() < 2 ? "-" : to_hex(inner.first(2)), plain.size());
}

// What the MAC appended after the ICV is not compared.
bool is_head_of(const Octets& made, const Octets& captured, const SecTag& tag) {
    return made.size() == tag.secure_offset + tag.secure_length + kIcvLength &&
           made.size() <= captured.size() && std::equal(made.begin(), made.end(), captured.begin());
}

struct Outputs {
    std::optional<CaptureWriter> decrypted;
    std::optional<CaptureWriter> reprotected;
};

void run_frame(CaptureSecy& secy, const CapturedFrame& frame, std::size_t number,
               const Arguments& arguments, Outputs& outputs, Totals& totals) {
    const CaptureSecy::Outcome outcome = secy.validate(frame.octets);
    if (outcome.verdict == CaptureVerdict::not_macsec) {
        ++totals.passed_over;
        return;
    }
    std::string line = describe(number, outcome);
    bool passed = outcome.verdict == CaptureVerdict::ok;
    if (frame.cut)
        line += " (cut when captured)";
    if (passed && outputs.decrypted)
        outputs.decrypted->write(frame, outcome.plain);
    if (passed && arguments.reprotect) {
        const Octets made = secy.protect(outcome);
        if (outputs.reprotected)
            outputs.reprotected->write(frame, made);
        passed = is_head_of(made, frame.octets, outcome.tag);
        line += passed ? " same" : " differs: " + to_hex(made);
    }
    fmt::print("{}\n", line);
    ++(passed ? totals.passed : totals.failed);
}

Result<std::optional<CaptureWriter>> create(const std::string& path) {
    if (path.empty())
        return std::optional<CaptureWriter>();
    auto writer = CaptureWriter::create(path);
    if (!writer)
        return writer.error();
    return std::optional(*std::move(writer));
}

Result<void> run(const Arguments& arguments, Totals& totals) {
    const auto aead = make_aead(arguments.engine);
    if (!aead)
        return aead.error();
    auto secy = CaptureSecy::load(**aead, arguments.operands[1]);
    if (!secy)
        return secy.error();
    auto reader = CaptureReader::open(arguments.operands[0]);
    if (!reader)
        return reader.error();
    auto decrypted = create(arguments.decrypted_path);
    if (!decrypted)
        return decrypted.error();
    auto reprotected = create(arguments.reprotected_path);
    if (!reprotected)
        return reprotected.error();
    Outputs outputs{*std::move(decrypted), *std::move(reprotected)};
    for (std::size_t number = 1;; ++number) {
        const auto frame = reader->next();
        if (!frame)
            return frame.error();
        if (!*frame)
            break;
        run_frame(*secy, **frame, number, arguments, outputs, totals);
    }
    for (auto* writer : {&outputs.decrypted, &outputs.reprotected})
        if (*writer)
            if (auto finished = (*writer)->finish(); !finished)
                return finished.error();
    return {};
}

int main(int argc, char** argv) {
    const Arguments arguments = read_arguments(argc, argv);
    if (arguments.help || !arguments.valid) {
        std::fputs(kUsage, arguments.help ? stdout : stderr);
        return arguments.help ? 0 : 2;
    }
    Totals totals;
    const Result<void> result = run(arguments, totals);
    if (!result) {
        std::fflush(stdout);
        fmt::print(stderr, "macsec-pcap: {}\n", result.error().message);
        ++totals.failed;
    }
    fmt::print("{} frames without SecTAG passed over\n", totals.passed_over);
    if (result && totals.passed + totals.failed == 0)
        fmt::print("no MACsec frame in {}\n", arguments.operands[0]);
    fmt::print("{} passed, {} failed\n", totals.passed, totals.failed);
    return totals.failed == 0 && totals.passed != 0 ? 0 : 1;
}

} // namespace
} // namespace isthmus::macsec::tools

int main(int argc, char** argv) {
    return isthmus::macsec::tools::main(argc, argv);
}
