#pragma once

namespace earshot::cluster {

// As replica_faults.hpp: rules that a mutation test may switch off. All false in the product.
struct MachineFaults {
  bool takes_any_number = false;  // lanes are not checked: whatever comes is stored
  bool applies_again = false;     // entries that the state holds already are applied once more
};

}  // namespace earshot::cluster
