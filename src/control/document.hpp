#pragma once
// A document says how one or more edges shall be: ports, channels, attachments. What it does not
// mention stays as it is; a list of it is complete. docs/declarative.md has its fields. Pure; any
// thread.

#include "control/body.hpp"
#include "control/json_value.hpp"
#include "control/model.hpp"
#include "isthmus/result.hpp"
#include "macsec/sectag.hpp"

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace isthmus::control {

// What a document may change of a channel that is not in the Model: which SCs it receives, and
// whether there are SAs. By ChannelId.
struct ChannelKeys {
    struct RxSc {
        macsec::Sci sci;
        std::size_t sas = 0;
    };
    std::vector<RxSc> rx_scs; // in order of SCIs
    std::size_t tx_sas = 0;
};

struct DocumentAttachment {
    Attachment spec;
    std::string place; // in the document: "edges[0].attachments[2]"
    // Sections that are there; of the others the attachment keeps what it has.
    bool features = false, limits = false, routes = false, neighbours = false;
};
struct DocumentKey {
    std::optional<macsec::Sci> sci; // none: transmit
    SaBody sa;
    std::string place;
};
struct DocumentChannel {
    ChannelId channel;
    std::string place;
    std::optional<AdminState> admin;
    std::optional<std::vector<macsec::Sci>> rx_scs;
    std::vector<DocumentKey> keys;
};
struct DocumentPort {
    PortId port;
    std::optional<bool> enabled;
};
struct DocumentEdge {
    EdgeId edge;
    std::string place;
    std::vector<DocumentPort> ports;
    std::vector<DocumentChannel> channels;
    std::optional<std::vector<DocumentAttachment>> attachments;
};
struct Document {
    std::vector<DocumentEdge> edges;
};

// Takes the document apart. Checked is all that can be without the running state; errors have the
// path of the value in `field`.
[[nodiscard]] Result<Document> read_document(JsonValue body, const Config& config);

// The running state as a document of all edges, in JSON, without keys: reading it and planning what
// it changes gives nothing.
[[nodiscard]] std::string export_document(const Model& model, std::span<const ChannelKeys> keys);

[[nodiscard]] std::string_view state_name(AdminState state);
// An attachment as a document has it, but for its routes.
[[nodiscard]] std::string attachment_text(const Config& config, const Attachment& attachment);

} // namespace isthmus::control
