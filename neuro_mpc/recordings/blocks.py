"""The names of the blocks of mismatch sessions, in recordings and in runs."""

from __future__ import annotations

BLOCKS = {
    "standard_oddball": ("standard", "Standard mismatch block"),
    "sequential_oddball": ("sequence", "Sequence mismatch block"),
    "motor_oddball": ("sensorimotor", "Sensory-motor mismatch block"),
    "jitter_oddball": ("duration", "Duration mismatch block"),
    "local_oddball": ("local", "Local regularity block"),
    "global_oddball": ("global", "Global regularity block"),
    "standard_control": ("control-1", "Control block 1"),
    "sequential_control_block": ("control-2", "Control block 2"),
    "jitter_control": ("control-3", "Control block 3"),
    "open_loop_prerecorded": ("control-4", "Control block 4"),
    "many_standards_control": ("many-standards", "Many-standards block"),
    "repetition_control": ("repetition", "Repetition block"),
}
"""BlockType → context or control of a run, and the label by which the recorded table is named."""
LABELS = {block_type: label for block_type, (_, label) in BLOCKS.items()}
SUFFIX = "_presentations"
"""What the names of stimulus tables end in."""
