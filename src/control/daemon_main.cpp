// isthmusd: reads the configuration, starts DPDK, ports and workers, and then is the control
// thread.

#include "control/api.hpp"
#include "control/config.hpp"
#include "control/control_plane.hpp"
#include "control/doorkeeper.hpp"
#include "control/event_log.hpp"
#include "control/http_server.hpp"
#include "control/ports.hpp"
#include "control/sizes.hpp"
#include "control/state_start.hpp"
#include "dataplane/dataplane.hpp"
#include "dataplane/eal.hpp"
#include "isthmus/clock.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <getopt.h>
#include <memory>
#include <string>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <variant>

namespace isthmus::control {
namespace {

constexpr long kPollNs = 1'000'000; // punted packets wait at most this long

constexpr const char* kUsage = "usage: isthmusd --config FILE [--check | --forget WHAT]\n"
                               "  --config FILE   boot configuration (TOML)\n"
                               "  --check         validate the configuration and the state file, "
                               "and exit\n"
                               "  --forget WHAT   remove rows of the state file and exit; 'sas': "
                               "all SAs,\n"
                               "                  'unusable': what this configuration has no use "
                               "for\n"
                               "  --version       print the version and exit\n";

struct Options {
    std::string config;
    bool check = false;
    Forget forget = Forget::nothing;
};

bool read_forget(Options& options, std::string_view what) {
    options.forget = what == "sas"        ? Forget::sas
                     : what == "unusable" ? Forget::unusable
                                          : Forget::nothing;
    return options.forget != Forget::nothing;
}

LogFormat log_format = LogFormat::text; // set once, when the configuration is read

template <class... Args> void say(fmt::format_string<Args...> format, Args&&... args) {
    write_log(log_format, fmt::format(format, std::forward<Args>(args)...));
}

// Returns an exit code instead of options when there is nothing left to do.
std::variant<Options, int> parse_options(int argc, char** argv) {
    static const option kOptions[] = {
        {"config", required_argument, nullptr, 'c'}, {"check", no_argument, nullptr, 'k'},
        {"forget", required_argument, nullptr, 'f'}, {"version", no_argument, nullptr, 'v'},
        {"help", no_argument, nullptr, 'h'},         {nullptr, 0, nullptr, 0}};
    Options options;
    for (int choice; (choice = getopt_long(argc, argv, "", kOptions, nullptr)) != -1;) {
        if (choice == 'c')
            options.config = optarg;
        else if (choice == 'k')
            options.check = true;
        else if (choice == 'f' && read_forget(options, optarg))
            continue;
        else if (choice == 'v' || choice == 'h') {
            std::fputs(choice == 'v' ? "isthmusd " ISTHMUS_VERSION "\n" : kUsage, stdout);
            return 0;
        } else {
            std::fputs(kUsage, stderr);
            return 2;
        }
    }
    if (options.config.empty() || optind != argc) {
        std::fputs(kUsage, stderr);
        return 2;
    }
    return options;
}

// Keys are in this process's memory: no core file of it, and no debugger of another user.
void protect_secrets() {
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0);
}

// One epoll loop over the API, the clock and the signals that end it.
class EventLoop {
  public:
    EventLoop(const sigset_t& ends) {
        signals_ = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
        timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        const itimerspec every{{0, kPollNs}, {0, kPollNs}};
        timerfd_settime(timer_, 0, &every, nullptr);
        watch(signals_);
        watch(timer_);
    }
    ~EventLoop() {
        for (const int fd : {epoll_, signals_, timer_})
            close(fd);
    }
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    // Returns the number of the signal that ended it.
    int run(HttpServer& server, ControlPlane& control) {
        watch(server.fd());
        for (;;) {
            epoll_event event{};
            // DPDK's TAP driver has a signal for each frame that arrives: nothing to do here.
            if (epoll_wait(epoll_, &event, 1, server.timeout_ms().value_or(-1)) < 0)
                continue;
            signalfd_siginfo signal{};
            if (read(signals_, &signal, sizeof signal) == sizeof signal)
                return static_cast<int>(signal.ssi_signo);
            uint64_t expirations = 0;
            if (read(timer_, &expirations, sizeof expirations) == sizeof expirations)
                control.poll(monotonic_ns());
            server.run();
        }
    }

  private:
    void watch(int fd) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
    }

    int epoll_ = epoll_create1(EPOLL_CLOEXEC);
    int signals_ = -1;
    int timer_ = -1;
};

void print_accounting(const ControlPlane& control) {
    const Config& config = control.model().config;
    for (std::size_t e = 0; e < config.edges.size(); ++e) {
        const EdgeAccounting sum = control.accounting(EdgeId(e));
        uint64_t drops = 0;
        for (const uint64_t packets : sum.drops)
            drops += packets;
        uint64_t punted = 0;
        for (std::size_t reason = 0; reason < sum.punted.size(); ++reason)
            if (reason != static_cast<std::size_t>(PuntReason::notice))
                punted += sum.punted[reason];
        say("accounting edge={} rx={} originated={} tx={} drops={} punted={} fragmented={} "
            "fragments={} unaccounted={} device_rx_lost={} device_tx_lost={}",
            config.edges[e].name, sum.rx, sum.originated, sum.tx, drops, punted, sum.fragmented,
            sum.fragments, sum.unaccounted(), sum.device_rx_lost, sum.device_tx_lost);
    }
}

dataplane::EalRequest eal_request(const Config& config) {
    dataplane::EalRequest request;
    request.worker_cores = config.worker_cores;
    request.main_core = config.main_core;
    request.memory_mb = config.memory_mb;
    const PciUse pci = pci_use(config);
    request.pci = pci.any;
    request.physical = pci.physical;
    return request;
}

// Where an idle worker can not just wait.
void print_polled(const Config& config,
                  const std::vector<std::unique_ptr<dataplane::Port>>& ports) {
    std::string polled;
    for (std::size_t p = 0; p < ports.size(); ++p)
        if (ports[p]->wait_fd(0) < 0)
            polled += (polled.empty() ? "" : ", ") + config.ports[p].name;
    if (config.poll == PollMode::adaptive && !polled.empty())
        say("poll = adaptive: ports that cannot wake a worker and are looked at: {}", polled);
}

Result<int> serve(const Config& config, const std::string& file_name, const sigset_t& ends) {
    // First, for a second daemon of this configuration is found out by it.
    auto state = start_state(config);
    if (!state)
        return state.error();
    say("{}", state->summary);
    auto memory = dataplane::start_eal(eal_request(config));
    if (!memory)
        return memory.error();
    say("{}", *memory);
    auto aead = macsec::make_aead(config.macsec_engine);
    if (!aead)
        return Error{ErrorCode::invalid,
                     fmt::format("{}: macsec.engine: {}", file_name, aead.error().message)};
    say("MACsec engine {}: known answers verified", (*aead)->name());
    const auto attached = attach_ports(config, file_name);
    if (!attached)
        return attached.error();
    const auto pools = make_pools(config, file_name, *attached);
    if (!pools)
        return pools.error();
    for (const std::string& line : pools->lines())
        say("{}", line);
    auto ports = open_ports(config, file_name, *attached, *pools);
    if (!ports)
        return ports.error();
    print_polled(config, *ports);
    for (std::size_t p = 0; p < ports->size(); ++p)
        if (const std::string mode = (*ports)[p]->mode(); !mode.empty())
            say("port {}: {}: {}", config.ports[p].name, config.ports[p].device, mode);

    dataplane::DataplaneSetup setup;
    setup.config = &config;
    setup.ports = std::move(*ports);
    setup.aead = std::move(*aead);
    for (const AttachedPort& port : *attached)
        setup.pools.push_back(pools->of_socket(port.socket));
    auto plane = dataplane::Dataplane::create(std::move(setup));
    if (!plane)
        return plane.error();
    ControlOptions options;
    options.memory = *memory;
    options.store = std::move(state->store);
    const auto events =
        std::make_shared<EventLog>([](const Event& event) { write_log(log_format, event); });
    options.events = events;
    auto audit = AuditLog::open(audit_path(config.audit_path, config.state_path),
                                [&](const std::string& why) { tell_audit(*events, why); });
    if (!audit)
        return audit.error();
    ControlPlane control(config, **plane, std::move(options));
    if (auto restored = control.restore(std::move(state->saved)); !restored)
        return restored.error();
    Api api(control, &*audit);
    const Roles roles(config.access, geteuid(), getegid());
    auto server = HttpServer::start(
        config.socket_path, [&](const HttpRequest& request) { return api.handle(request); },
        [&, doorkeeper = Doorkeeper{roles, *events, *audit}](
            const HttpRequest& request) mutable -> HttpServer::Opening {
            if (auto refusal = doorkeeper(request))
                return *std::move(refusal);
            return api.open(request);
        },
        HttpLimits{}, config.access);
    if (!server)
        return server.error();
    (*plane)->start();
    say("ready: {} ports, {} channels, socket {}", config.ports.size(), config.channels.size(),
        config.socket_path);
    events->emit(EventKind::daemon_start, "", "the daemon serves " + config.socket_path);
    const int signal = EventLoop(ends).run(**server, control);
    events->emit(EventKind::daemon_stop, "", fmt::format("stopping on signal {}", signal),
                 std::to_string(signal));
    server->reset();
    (*plane)->stop();
    control.release_keys();
    control.close_usage();
    print_accounting(control);
    return 0;
}

Result<std::vector<std::string>> check_all(const Config& config, const std::string& file_name) {
    if (const auto engine = macsec::make_aead(config.macsec_engine); !engine)
        return Error{ErrorCode::invalid,
                     fmt::format("{}: macsec.engine: {}", file_name, engine.error().message)};
    const auto state = check_state(config);
    if (!state)
        return state.error();
    return std::vector{*state, fmt::format("{}: good: {} edges, {} ports, {} channels", file_name,
                                           config.edges.size(), config.ports.size(),
                                           config.channels.size())};
}

int run(int argc, char** argv) {
    const auto options = parse_options(argc, argv);
    if (const int* code = std::get_if<int>(&options))
        return *code;
    const auto& [file_name, check, forget] = std::get<Options>(options);
    const auto config = load_config(file_name);
    if (!config) {
        say("{}", config.error().message);
        return 1;
    }
    // What --check and --forget say is for who has typed them.
    log_format = config->log == LogFormat::json ? LogFormat::json : LogFormat::text;
    protect_secrets();
    // A limit on the size of files is a disk that is full, not an end.
    std::signal(SIGXFSZ, SIG_IGN);
    if (check || forget != Forget::nothing) {
        const auto lines = check ? check_all(*config, file_name) : forget_rows(*config, forget);
        for (const std::string& line : lines ? *lines : std::vector{lines.error().message})
            say("{}", line);
        return lines ? 0 : 1;
    }
    log_format = resolve(config->log);
    // Blocked before any thread starts, so that only the event loop sees them.
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    const auto result = serve(*config, file_name, ends);
    if (!result) {
        write_log(log_format, result.error().message, Severity::error);
        return 1;
    }
    return *result;
}

} // namespace
} // namespace isthmus::control

int main(int argc, char** argv) {
    return isthmus::control::run(argc, argv);
}
