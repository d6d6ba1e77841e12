"""Where a reply goes: one module per name, each with `create(target) -> Output`."""
