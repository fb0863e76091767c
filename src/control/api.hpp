#pragma once
// The control API of docs/api.md: requests in, calls of the ControlPlane, replies out. Control
// thread only.

#include "control/control_plane.hpp"
#include "control/http_message.hpp"

namespace isthmus::control {

class Api {
  public:
    explicit Api(ControlPlane& control) : control_(control) {}

    // Never throws for any request; every refusal is a reply with an error body.
    [[nodiscard]] HttpResponse handle(const HttpRequest& request);

  private:
    ControlPlane& control_;
};

} // namespace isthmus::control
