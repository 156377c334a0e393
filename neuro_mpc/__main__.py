"""The command `neuro-mpc`, and `python -m neuro_mpc`."""

from neuro_mpc import processes, terminal


def main() -> None:
    """The command line, without modules of the current folder and without the figures of a notebook."""
    processes.leave_current_folder()
    processes.be_a_command()
    processes.heed_termination()
    terminal.take_all_letters()
    from neuro_mpc.cli import app

    app(prog_name="neuro-mpc")


if __name__ == "__main__":
    main()
