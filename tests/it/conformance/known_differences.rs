//! What the plugin does not keep, by nature: one list, each entry asserted, so that it stays true.
