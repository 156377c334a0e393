"""What the last line of a run is made of, of runs that were not written by this package's own writer."""

import netCDF4

from neuro_mpc.runfile.finished import Finished


def finished(run, folder):
    """What a run says that was returned in memory."""
    run.to_netcdf(folder / "finished.nc", engine="netcdf4")
    with netCDF4.Dataset(folder / "finished.nc") as file:
        return Finished.of(file)
