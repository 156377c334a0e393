"""A circuit at work: initial values, presentations, schedules, evaluation, drawn weights, generation."""
