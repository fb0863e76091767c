#pragma once
// Entity tags of what can be changed: attachments with all that is in them, channels with their
// keys, ports. A tag is that of the object's last change; counters change none. Control thread.

#include "isthmus/types.hpp"

#include <cstdint>
#include <map>
#include <string>

namespace isthmus::control {

struct Call;

class ObjectTags {
  public:
    ObjectTags();

    // Of the object of a call; empty: it has none, or the object is not there.
    [[nodiscard]] std::string of(const Call& call) const;
    void changed(const Call& call);

  private:
    [[nodiscard]] static uint64_t object_of(const Call& call);

    uint64_t run_;                      // tags of another run of the daemon differ
    uint64_t last_ = 0;                 // number of the last change
    std::map<uint64_t, uint64_t> tags_; // of objects that were changed
};

} // namespace isthmus::control
