"""Reading the state, ownership, comparison, drift and removal. All but the reading is pure."""
