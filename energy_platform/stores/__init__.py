"""The stores: one folder per store, none of which knows another."""
