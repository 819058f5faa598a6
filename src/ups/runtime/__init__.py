"""The machine: processes, number formats of matrix products, the allocator."""
