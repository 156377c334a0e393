"""netCDF files that anyone may have made: examined before they are opened, and read in full by another process."""
