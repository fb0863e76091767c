#pragma once
// The command line of isthmusctl: its options and commands, and which one was given. With its
// source and main.cpp, the one place that sees CLI11.

#include "control/ctl/commands.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <list>
#include <string>

namespace isthmus::ctl {

// Arguments live here because CLI11 writes to them while it parses.
struct Program {
    CLI::App app{"The command line of isthmusd.", "isthmusctl"};
    std::string socket = "/run/isthmus/isthmusd.sock";
    std::string edge;
    bool json = false;
    std::function<Outcome(Context&)> command;

    std::list<std::string> texts;
    AttachmentArguments attachment;
    FeatureArguments feature;
    LimitArguments limit;
    SaArguments sa;
    NeighbourArguments neighbour;
    DocumentArguments document;
    UsageArguments usage;
    bool nonzero_drops = false;
    std::list<ListArguments> lists;
    bool follow = false;

    Program() {
        app.fallthrough();
        app.require_subcommand(1);
        app.add_option("--socket", socket, "isthmusd's Unix socket")->envname("ISTHMUS_SOCKET");
        app.add_option("--edge", edge, "the edge, if the daemon has several")
            ->envname("ISTHMUS_EDGE");
        app.add_flag("--json", json, "print replies as they come");
        add_show();
        add(&app, "capacity", "what is staged, sold and free on each interconnect", show_capacity);
        add(&app, "events", "what happened lately", [this](Context& context) {
            return show_events(context, follow);
        })->add_flag("-f,--follow", follow, "and what happens from now on");
        add_usage();
        add_attachment_group();
        add_feature_group();
        add_route_group();
        add_limit_group();
        add_channel_group();
        add_sa_group();
        add_neighbour_group();
        add_traffic_group();
        add_documents();
    }

    CLI::App* group(const char* name, const char* help) {
        auto* made = app.add_subcommand(name, help);
        made->require_subcommand(1);
        return made;
    }

    // A command of a group; `run` is called when parsing has succeeded.
    template <class Run> CLI::App* add(CLI::App* in, const char* name, const char* help, Run run) {
        auto* made = in->add_subcommand(name, help);
        made->callback([this, run] { command = run; });
        return made;
    }

    // A required positional argument in a place of its own.
    std::string& positional(CLI::App* in, const char* name, const char* help = "") {
        std::string& text = texts.emplace_back();
        in->add_option(name, text, help)->required();
        return text;
    }

    // A command that shows a list, with an option for each filter: "--name-prefix" is name_prefix
    // of the query.
    template <class Run>
    CLI::App* add_list(CLI::App* in, const char* name, const char* help,
                       std::initializer_list<const char*> filters, Run run) {
        ListArguments& list = lists.emplace_back();
        auto* made =
            add(in, name, help, [&list, run](Context& context) { return run(context, list); });
        made->add_option("--limit", list.limit, "how many at most")->check(CLI::PositiveNumber);
        list.filters.reserve(filters.size()); // CLI11 keeps references into it
        for (const char* filter : filters) {
            auto& [field, value] = list.filters.emplace_back(filter + 2, "");
            std::ranges::replace(field, '-', '_');
            made->add_option(filter, value);
        }
        return made;
    }

    void add_show();
    void add_usage();
    void add_attachment_group();
    void add_feature_group();
    void add_route_group();
    void add_limit_group();
    void add_channel_group();
    void add_sa_group();
    void add_neighbour_group();
    void add_traffic_group();
    void add_documents();
};

} // namespace isthmus::ctl
