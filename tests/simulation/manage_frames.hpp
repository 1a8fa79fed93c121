#pragma once

#include <cstdint>

#include "schema/manage.hpp"
#include "tests/simulation/frames.hpp"

// Calls that look after mailboxes, and their answers, as frames. Which of the calls it is stands in the envelope
// (Frame::method: the place of the request's type in ManageRequest), as in the product it stands in that of RPC.
namespace earshot::simulation {

Frame write_manage(std::uint64_t number, const ManageRequest& request);
Result<ManageRequest> read_manage(const Frame& frame);

Frame write_managed(std::uint64_t number, std::size_t method, const Result<ManageAnswer>& answer);
Result<ManageAnswer> read_managed(const Frame& frame);

}  // namespace earshot::simulation
