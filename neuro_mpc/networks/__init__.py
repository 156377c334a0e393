"""The network of a circuit in Brian2: groups, operations, templates, compiling, the program and the messages to it."""
