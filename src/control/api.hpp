#pragma once
// The control API of docs/api.md: requests in, calls of the ControlPlane, replies out. Control
// thread only.

#include "control/api_tags.hpp"
#include "control/audit.hpp"
#include "control/control_plane.hpp"
#include "control/http_message.hpp"
#include "control/http_server.hpp"

namespace isthmus::control {

class RouteLines;

class Api {
  public:
    explicit Api(ControlPlane& control, AuditLog* audit = nullptr)
        : control_(control), audit_(audit) {}

    // Never throws for any request; every refusal is a reply with an error body. `lines`: the body,
    // read already.
    [[nodiscard]] HttpResponse handle(const HttpRequest& request, RouteLines* lines = nullptr);
    // Of a request whose body has not come yet: who takes it as it arrives.
    [[nodiscard]] HttpServer::Opening open(const HttpRequest& request);

  private:
    ControlPlane& control_;
    ObjectTags tags_;
    AuditLog* audit_; // null: nothing is kept
};

} // namespace isthmus::control
