"""What runs: the Faust application, its driver, the projector and the programs around them."""
