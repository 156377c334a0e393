"""What a circuit and a protocol are: tables, checks, graph, expressions, TOML, what is shipped."""
