// Documents: what is read of any text is planned and applied to a model, after which the export of
// that model is what it is already.

#include "control/document.hpp"
#include "control/plan.hpp"
#include "tests/control/document_models.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace {

using namespace isthmus;
using namespace isthmus::control;

const Model& start() {
    static const Model kModel = test::RandomModels(1).next();
    return kModel;
}

const std::vector<ChannelKeys>& keys() {
    static const auto kKeys = test::RandomModels(2).keys(start());
    return kKeys;
}

// Every refusal is a sentence about a value, and fit for a reply.
void check(const Error& error) {
    JsonWriter json;
    json.begin_object().member(error.field, error.message).end_object();
    const bool known = error.code == ErrorCode::invalid || error.code == ErrorCode::conflict;
    if (error.message.empty() || error.field.empty() || !known || !parse_json(json.take()))
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, std::size_t size) {
    auto plan = test::plan_of(start(), keys(), {reinterpret_cast<const char*>(data), size});
    if (!plan) {
        check(plan.error());
        return 0;
    }
    if (!parse_json(render_plan(*plan)))
        std::abort();
    Model model = start();
    exchange(model, *plan);
    const auto again = test::plan_of(model, keys(), export_document(model, keys()));
    if (!again || !again->empty())
        std::abort();
    return 0;
}
