#include "control/api_tags.hpp"

#include "control/api_call.hpp"

#include <fmt/format.h>

#include <chrono>

namespace isthmus::control {
namespace {

constexpr uint64_t kAttachment = 1, kChannel = 2, kPort = 3; // kinds of objects

} // namespace

ObjectTags::ObjectTags()
    : run_(static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch().count())) {}

// 0: none.
uint64_t ObjectTags::object_of(const Call& call) {
    if (call.attachment.valid())
        return kAttachment << 32 | call.attachment.value;
    if (call.channel.valid())
        return kChannel << 32 | call.channel.value;
    if (call.port.valid())
        return kPort << 32 | call.port.value;
    return 0;
}

std::string ObjectTags::of(const Call& call) const {
    const uint64_t object = object_of(call);
    if (object == 0)
        return {};
    const auto found = tags_.find(object);
    return fmt::format("\"{:x}-{}\"", run_, found == tags_.end() ? 0 : found->second);
}

void ObjectTags::changed(const Call& call) {
    if (const uint64_t object = object_of(call))
        tags_[object] = ++last_;
    for (const AttachmentId id : call.touched.attachments)
        tags_[kAttachment << 32 | id.value] = ++last_;
    for (const ChannelId id : call.touched.channels)
        tags_[kChannel << 32 | id.value] = ++last_;
    for (const PortId id : call.touched.ports)
        tags_[kPort << 32 | id.value] = ++last_;
}

} // namespace isthmus::control
