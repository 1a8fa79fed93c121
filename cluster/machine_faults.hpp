#pragma once

namespace earshot::cluster {

// As replica_faults.hpp: rules that a mutation test may switch off. All false in the product.
struct MachineFaults {
  bool takes_any_number = false;     // lanes are not checked: whatever comes is stored
  bool takes_any_transfer = false;   // what comes from other shards' outboxes is taken whatever its number
  bool applies_again = false;        // entries that the state holds already are applied once more
  bool shows_what_is_due = false;    // a message is not ended by its time, neither on disk nor for readers
  bool trims_one_too_many = false;   // of those that are more than a policy keeps
  bool parks_without_count = false;  // a message is parked at its first delivery in vain
};

}  // namespace earshot::cluster
