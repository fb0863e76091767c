// Metering for billing: counters of attachments become records in the state file.

#include "control/control_plane_state.hpp"

namespace isthmus::control {
namespace {

constexpr uint64_t kSecondNs = 1'000'000'000;
constexpr uint64_t kTryNs = kSecondNs; // a disk that took nothing

void read_clock(UsageClock& clock, uint64_t now_ns) {
    clock.read(wall_ms(), static_cast<int64_t>(now_ns / 1'000'000));
}

bool is_of(const UsageStore::Life& life, const Model& model) {
    const auto found = model.attachments.find(AttachmentId(life.place));
    return !life.usage.ended_ms && found != model.attachments.end() &&
           found->second.name == life.name &&
           model.config.edges[found->second.edge.value].name == life.edge;
}

} // namespace

Result<void> ControlPlane::State::start_usage() {
    if (!store->keeps())
        return {};
    UsageStore& rows = store->usage();
    const auto before = rows.start();
    if (!before)
        return before.error();
    const auto lives = rows.load();
    if (!lives)
        return lives.error();
    read_clock(rows.clock(), monotonic_ns());
    const int64_t now_ms = rows.clock().now_ms();
    usage.meter.emplace(int64_t{model.config.usage.interval_s} * 1000, [this](uint16_t slot) {
        UsageTotals sum;
        for (uint16_t w = 0; w < dataplane.worker_count(); ++w) {
            const auto& counters = dataplane.counters(WorkerId(w));
            const auto &egress = counters.egress[slot], &ingress = counters.ingress[slot];
            sum = sum + UsageTotals{egress.tx_packets.get(), egress.tx_bytes.get(),
                                    ingress.tx_packets.get(), ingress.tx_bytes.get()};
        }
        return sum;
    });
    for (const UsageStore::Life& life : *lives) {
        const bool here = is_of(life, model);
        if (!here && !life.usage.ended_ms)
            usage.gone.push_back(life.place);
        usage.meter->restore(life.usage, here ? std::optional(life.place) : std::nullopt, *before,
                             now_ms);
    }
    if (!before->stopped && !lives->empty())
        events->emit(EventKind::usage_unknown, "",
                     "the daemon had not ended in order: usage is unknown from " +
                         time_text(before->metered_to_ms) + " to " + time_text(now_ms),
                     time_text(before->metered_to_ms) + "/" + time_text(now_ms));
    Result<void> good = rows.note_running(*before);
    if (good)
        good = adopt_usage();
    // A full disk is no reason not to start.
    usage.owed = !good;
    return {};
}

// Places whose attachment has gone while no daemon ran, and attachments that have no life: of a
// file from before there was metering.
Result<void> ControlPlane::State::adopt_usage() {
    std::vector<AttachmentId> fresh;
    const auto begun = store->database().transact([&]() -> Result<void> {
        for (const uint16_t place : usage.gone)
            if (auto done = store->usage().end_life(place); !done)
                return done;
        for (const auto& [id, attachment] : model.attachments) {
            if (usage.meter->meters(id.value))
                continue;
            fresh.push_back(id);
            if (auto done = store->usage().begin_life(
                    id.value, model.config.edges[attachment.edge.value].name, attachment.name);
                !done)
                return done;
        }
        return {};
    });
    if (!begun)
        return begun;
    usage.gone.clear();
    follow_usage(fresh);
    return {};
}

void ControlPlane::State::follow_usage(std::span<const AttachmentId> changed) {
    if (!usage.meter)
        return;
    UsageStore& rows = store->usage();
    for (const AttachmentId id : changed)
        if (const auto life = rows.life_at(id.value))
            usage.meter->follow(id.value, *life, rows.clock().now_ms());
}

void ControlPlane::State::tick_usage(uint64_t now_ns) {
    if (!usage.meter)
        return;
    UsageStore& rows = store->usage();
    read_clock(rows.clock(), now_ns);
    const bool stepped = rows.clock().stepped();
    if (stepped)
        events->emit(
            EventKind::usage_clock, "",
            fmt::format("the wall clock was set; usage goes on at {}{}",
                        time_text(rows.clock().now_ms()),
                        rows.clock().behind_ms() > 0 ? ", when it is that late again" : ""));
    const bool checkpoint = now_ns >= usage.next_checkpoint_ns;
    if (checkpoint)
        usage.next_checkpoint_ns = now_ns + model.config.usage.checkpoint_s * kSecondNs;
    const bool wanted = checkpoint || stepped || usage.meter->due(rows.clock().now_ms());
    if (wanted)
        usage.meter->advance(rows.clock());
    if (now_ns < usage.next_try_ns)
        return;
    Result<void> good;
    if (wanted || rows.writing() || usage.owed || !usage.problem.empty())
        good = write_usage();
    else
        good = rows.purge(model.config.usage.intervals());
    if (!good)
        usage.next_try_ns = now_ns + kTryNs;
    if (!good && usage.problem.empty())
        events->emit(EventKind::usage_trouble, "",
                     "usage is not recorded, and a crash would lose it: " + good.error().message);
    if (good && !usage.problem.empty())
        events->emit(EventKind::usage_recovered, "", "usage is recorded again");
    usage.problem = good ? "" : good.error().message;
}

Result<void> ControlPlane::State::write_usage() {
    if (usage.owed) {
        if (auto adopted = adopt_usage(); !adopted)
            return adopted;
        usage.owed = false;
    }
    const auto written = store->usage().write(*usage.meter);
    return written ? Result<void>{} : written.error();
}

void ControlPlane::State::stop_usage() {
    if (!usage.meter)
        return;
    read_clock(store->usage().clock(), monotonic_ns());
    usage.meter->advance(store->usage().clock());
    if (auto stopped = store->usage().stop(*usage.meter); !stopped)
        events->emit(EventKind::usage_trouble, "",
                     "the last of usage is not recorded: " + stopped.error().message);
}

std::string ControlPlane::State::usage_problem() const {
    if (!usage.meter)
        return "nothing is metered: state is none";
    if (!usage.problem.empty())
        return usage.problem;
    const int64_t behind_ms = store->usage().clock().behind_ms();
    return behind_ms > UsageClock::kStepMs
               ? fmt::format("the wall clock is {} s behind the records: the open ones grow until "
                             "it has caught up",
                             behind_ms / 1000)
               : "";
}

void ControlPlane::close_usage() {
    state_->stop_usage();
}

Result<UsagePage> ControlPlane::usage(const UsageRequest& request) const {
    if (!state_->usage.meter)
        return Error{ErrorCode::unavailable, state_->usage_problem(), "state", "none", "a file"};
    return state_->store->usage().read(request);
}

} // namespace isthmus::control
