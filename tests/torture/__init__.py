"""A torture bench: thousands of damaged inputs, kills, full disks and long runs, all repeatable from a seed.

make torture TORTURE_SEED=3 TORTURE_KEEP=tried.json             everything; the same command goes on after a stop
python -m tests.torture --count 300                             a slice of the inputs
python -m tests.torture --repeat targets:4711:17                one input, told in full
"""
