"""What several rules measure on a window, between the kernels and the rules: pure functions of arrays."""
