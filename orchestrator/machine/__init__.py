"""The pure machine: apply(state, record) -> actions; recover(state) -> actions."""
