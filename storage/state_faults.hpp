#pragma once

namespace earshot::storage {

// As cluster/replica_faults.hpp: rules that a mutation test may switch off. All false in the product.
struct StateFaults {
  bool drops_overlay_early = false;  // a frozen overlay is dropped before its transaction is committed
};

}  // namespace earshot::storage
