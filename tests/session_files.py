"""Files of recorded sessions: what they hold, and changes to them."""

import shutil
from collections import Counter

import h5py

TABLE = "intervals/Standard mismatch block_presentations"


def cells(responses):
    return Counter(zip(responses["block"].values.tolist(), responses["stimulus"].values.tolist(), strict=True))


def changed(path, to, change):
    shutil.copy(path, to)
    with h5py.File(to, "r+") as file:
        change(file)
    return to


def fill(file, name, values):
    del file[name]
    file[name] = values


def remove(name):
    def change(file):
        del file[name]

    return change
