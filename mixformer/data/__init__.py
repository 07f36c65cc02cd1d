"""Training and test data: sequences, stills, synthetic shots, and how samples are cut from them."""
