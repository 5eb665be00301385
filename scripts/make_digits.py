#!/usr/bin/env python3
"""Makes examples/data/digits.h5 from digits.csv.gz in Debian's package python3-sklearn-lib.

    apt-get download python3-sklearn-lib && dpkg -x python3-sklearn-lib_*.deb unpacked
    folder=unpacked/usr/lib/python3/dist-packages/sklearn/datasets/data
    scripts/make_digits.py $folder/digits.csv.gz examples/data/digits.h5

Requires numpy and h5py. Each input line has the 64 pixels of an image (0 to 16), row by row, and
the digit.
"""

import sys

import h5py
import numpy

SOURCE = (
    "E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998, "
    "https://doi.org/10.24432/C50P49 (the test set, by way of scikit-learn)"
)
LICENSE = "CC BY 4.0, https://creativecommons.org/licenses/by/4.0/"


def main(source: str, destination: str) -> None:
    table = numpy.loadtxt(source, delimiter=",", dtype=numpy.uint8)
    if table.shape != (1797, 65) or table[:, :64].max() > 16 or table[:, 64].max() > 9:
        sys.exit(f"{source}: table of shape {table.shape}; must be (1797, 65), 64 pixels up to 16 and a digit")
    with h5py.File(destination, "w") as file:
        file.attrs["source"] = SOURCE
        file.attrs["license"] = LICENSE
        file.create_dataset("images", data=table[:, :64].reshape(-1, 8, 8), track_times=False)
        file.create_dataset("labels", data=table[:, 64], track_times=False)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2])
