// isthmusctl: the command line of the control API.

#include "control/ctl/program.hpp"

#include <cstdio>

#include <sys/prctl.h>

namespace isthmus::ctl {
namespace {

enum Exit : int { kDone = 0, kRefused = 1, kFailed = 2 };

// Commands of documents: 2 is no failure of plan, so 1 is any of all.
bool tells_by_exit_code(const CLI::App& app) {
    return app.got_subcommand("plan") || app.got_subcommand("apply") ||
           app.got_subcommand("validate");
}

int run(int argc, char** argv) {
    // Before a key file is read: no core file, and no debugger of another process of this user.
    prctl(PR_SET_DUMPABLE, 0);
    Program program;
    try {
        program.app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return program.app.exit(error) == 0      ? kDone
               : tells_by_exit_code(program.app) ? kRefused
                                                 : kFailed;
    }
    Client client(program.socket);
    Context context{client, program.edge, program.json};
    const Outcome outcome = program.command(context);
    if (outcome)
        return context.exit_code.value_or(kDone);
    std::fprintf(stderr, "isthmusctl: %s\n", outcome.error().message.c_str());
    return client.refused() || context.exit_code ? kRefused : kFailed;
}

} // namespace
} // namespace isthmus::ctl

int main(int argc, char** argv) {
    try {
        return isthmus::ctl::run(argc, argv);
    } catch (const std::exception& failure) {
        std::fprintf(stderr, "isthmusctl: %s\n", failure.what());
        return isthmus::ctl::kFailed;
    }
}
