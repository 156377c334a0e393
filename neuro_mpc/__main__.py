"""The command `neuro-mpc`, and `python -m neuro_mpc`."""

import os
import sys

INTERRUPTED = 130


def main() -> None:
    """The command line, without modules of the current folder and without the figures of a notebook."""
    try:
        _main()
    except KeyboardInterrupt:  # while modules are imported: a command says more
        print("neuro-mpc: interrupted", file=sys.stderr)
        sys.exit(INTERRUPTED)


def _main() -> None:
    leave_current_folder()
    from neuro_mpc.examination.netcdf_lock import NETCDF
    from neuro_mpc.runs import terminal
    from neuro_mpc.system import processes

    processes.be_a_command()
    processes.heed_termination()
    NETCDF.do_without_xarray()
    terminal.take_all_letters()
    from neuro_mpc.cli import app

    app(prog_name="neuro-mpc")


def leave_current_folder() -> None:
    """Takes the current folder from the path of modules, where `python -m` and an empty entry of PYTHONPATH put it.

    To be called before anything is imported that Python has not imported for itself.
    """
    sys.path[:] = [folder for folder in sys.path if os.path.isabs(folder) and not _is_current(folder)]


def _is_current(folder: str) -> bool:
    try:
        return os.path.samefile(folder, os.curdir)
    except OSError:
        return False


if __name__ == "__main__":
    main()
