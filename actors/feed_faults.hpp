#pragma once

namespace earshot::actors {

// As cluster/replica_faults.hpp: rules of feeds that a mutation test may switch off. All false in the product.
struct FeedFaults {
  bool answers_untold = false;      // changes are answered though nodes with leases have not been told of them
  bool keeps_leases = false;        // a lease that has run out still counts for its node
  bool tells_pages_late = false;    // what changes meanwhile is told before a page, and so overtaken by it
  bool forgets_departures = false;  // whoever leaves a node's regions is not followed there for a while
  bool leaves_scans_open = false;   // a node that has been told everybody is not told so
};

}  // namespace earshot::actors
