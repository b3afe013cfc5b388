"""Files of strangers, read without running or unpickling anything. No torch here.

What is more than opening a file happens in a child process under limits, `bench.intake.child`.
"""
